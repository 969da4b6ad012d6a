"""A locale that knows no letters beyond ASCII changes nothing: names, paths and texts are what they are under UTF-8."""

import json
import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-c", "from harness.start import main; main()"]
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"LC_ALL": "C.UTF-8"},
}
SPEC = """
name = "names"
title = "Ünïcode, тест"
[collections."сборник"]
type = "beir"
path = "données_数据"
[encoders."bm25ä"]
type = "bm25"
[indexes."индекс"]
type = "inverted"
[[systems]]
name = "Système Ω"
encoder = "bm25ä"
index = "индекс"
[measure]
processes = 1
repeats = 1
only = ["quality"]
"""


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "données_数据"
    (data / "qrels").mkdir(parents=True)
    rows = [{"_id": "д1", "text": "кошки мурлычат"}, {"_id": "d\u20282", "text": "naïve собаки"}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (data / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (data / "queries.jsonl").write_text('{"_id": "вопрос", "text": "кошки"}\n', encoding="utf-8")
    (data / "qrels/test.tsv").write_text("вопрос\tд1\t1\n", encoding="utf-8")
    (tmp_path / "spéc.toml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def run(folder, locale, *arguments):
    """What a command writes into a pipe."""
    names = ("LC_ALL", "LANG", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")
    environment = {name: value for name, value in os.environ.items() if name not in names} | LOCALES[locale]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_whole_run_and_its_report_are_the_same_bytes(folder):
    run(folder, "C", "run", "spéc.toml", "--out", "runs/é")
    lines = (folder / "runs/é/per_query.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])["system"] == "Système Ω"
    assert {json.loads(line)["value"] for line in lines if '"ndcg@10"' in line} == {1.0}
    written = {}
    for locale in LOCALES:
        printed = [
            run(folder, locale, "export", "runs/é", "--format", "csv", "--what", "per-query"),
            run(folder, locale, "report", "runs/é"),
        ]
        written[locale] = [*printed, (folder / "runs/é/report.html").read_bytes()]
    assert written["C"] == written["UTF-8"]
    assert "Système Ω,вопрос" in written["C"][0].decode()


def test_a_mistake_is_told_in_the_letters_of_its_file(folder):
    (folder / "données_数据/queries.jsonl").unlink()
    names = LOCALES["C"]
    done = subprocess.run([*COMMAND, "plan", "spéc.toml"], capture_output=True, cwd=folder, env={**os.environ, **names})
    assert done.returncode == 2
    assert "données_数据/queries.jsonl: the file is missing" in done.stderr.decode()
