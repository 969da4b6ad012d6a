"""The run folder and the history of a hostile colleague: every command that reads them is unharmed."""

import csv
import io
import json
import os
import pickle
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from commands import call
from poisoned import FORMULA, POISON, TAG, attacks_in_latex, attacks_in_page, attacks_on_terminal, poisoned
from whole_run import build

from harness.experiment import open_run
from harness.history import History, entry_of


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run folder with some hundred poisoned texts, and an untouched copy of it."""
    folder = build(tmp_path_factory.mktemp("hostile") / "run")
    shutil.copytree(folder, folder.with_name("clean"))
    assert poisoned(folder) > 60
    text = (folder / "run.json").read_text() + (folder / "records.jsonl").read_text()
    assert text.count(TAG) > 100 and FORMULA in text
    return folder


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Commands write to a terminal."""
    monkeypatch.setattr("commands.io", SimpleNamespace(StringIO=Terminal))


def harmless(answer):
    assert "Traceback" not in answer.err
    assert attacks_on_terminal(answer.out + answer.err) == []
    return answer


def pages(folder):
    return [file for file in folder.rglob("*") if file.suffix in {".html", ".svg"}]


@pytest.mark.parametrize("others", [[], ["other"]])
def test_a_report_has_no_element_of_theirs(hostile, tmp_path, others):
    out = tmp_path / "report.html"
    folders = [hostile, *(shutil.copytree(hostile, tmp_path / name) for name in others)]
    assert harmless(call("report", *folders, "--out", out)).code == 0
    text = out.read_text()
    assert "attack" in text and attacks_in_page(text) == []


def test_figures_have_no_element_of_theirs(hostile, tmp_path):
    assert harmless(call("figures", hostile, "--format", "svg", "--out", tmp_path / "figures")).code == 0
    written = pages(tmp_path / "figures")
    assert written and all(attacks_in_page(file.read_text()) == [] for file in written)
    assert all(file.resolve().is_relative_to(tmp_path) for file in (tmp_path / "figures").rglob("*"))


@pytest.mark.parametrize("form", ["csv", "json", "text", "badge"])
@pytest.mark.parametrize("what", ["records", "per-query"])
def test_exports(hostile, tmp_path, form, what):
    answer = call("export", hostile, "--format", form, "--what", what, "--out", tmp_path / "out")
    assert harmless(answer).code == 0
    text = (tmp_path / "out").read_text()
    if form == "csv":
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t", "\r")) and not (cell[:1] == "-" and not _number(cell))
        return
    if form == "json":
        json.loads(text)


def test_what_is_printed_does_not_steer_a_terminal(hostile):
    for command in ("claims", "export"):
        harmless(call(command, hostile, *(["--format", "text"] if command == "export" else [])))
    harmless(call("compare", hostile, hostile.with_name("clean")))
    harmless(call("pin", hostile))


@pytest.mark.parametrize("form", ["latex", "markdown", "csv"])
def test_tables_for_papers(hostile, tmp_path, form):
    answer = harmless(call("tables", hostile, "--format", form))
    if answer.code:
        assert answer.err.startswith("error: ")
        return
    if form == "latex":
        assert attacks_in_latex(answer.out) == []
    if form == "markdown":
        assert not re.search(rf"(?<!\\)<{TAG}|(?<!\\)\]\(javascript:", answer.out)
    if form == "csv":
        assert not any(cell.startswith(("=", "@")) for row in csv.reader(io.StringIO(answer.out)) for cell in row)


def test_a_history_of_theirs(hostile, tmp_path):
    history = History(tmp_path / "history")
    history.add(entry_of(hostile))
    folder = tmp_path / "history"
    for arguments in (("list",), ("query", "select * from records limit 9"), ("prune", "--keep", "5", "--dry-run")):
        harmless(call("history", *arguments, "--history", folder))
    reaching = (
        "copy records to '{}'",
        "select * from read_csv('/etc/passwd')",
        "attach '{}' as other",
        "install httpfs",
    )
    for number, sql in enumerate(reaching):
        target = tmp_path / f"reached{number}"
        answer = harmless(call("history", "query", sql.format(target), "--history", folder))
        assert answer.code != 0 and not target.exists()


class Attack:
    def __reduce__(self):
        return os.mkdir, (os.environ["ATTACKED"],)


@pytest.mark.parametrize("file", ["latency.npz", "active.npz"])
def test_pickles_are_not_run(hostile, tmp_path, monkeypatch, file):
    monkeypatch.setenv("ATTACKED", str(tmp_path / "attacked"))
    folder = shutil.copytree(hostile.with_name("clean"), tmp_path / "run")
    with np.load(folder / file) as arrays:
        whole = {name: arrays[name] for name in arrays.files}
    name = next(iter(whole))
    np.savez(folder / file, **{**whole, name: np.asarray([Attack()], object)}, allow_pickle=True)
    assert pickle.dumps(Attack())
    harmless(call("report", folder, "--out", tmp_path / "report.html"))
    (folder / file).write_bytes(pickle.dumps(Attack()))
    answer = harmless(call("report", folder, "--out", tmp_path / "report.html"))
    assert answer.code == 2 and answer.err.startswith("error: ")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("command", [["report"], ["claims"], ["export", "--format", "text"]])
def test_a_claim_that_no_spec_states_is_one_message(hostile, tmp_path, command):
    folder = shutil.copytree(hostile.with_name("clean"), tmp_path / "run")
    facts = json.loads((folder / "run.json").read_text())
    facts["claims"][0]["name"] = "x" * 300
    (folder / "run.json").write_text(json.dumps(facts))
    answer = harmless(call(*command, folder))
    assert answer.code == 2 and "run.json: claims.name: a claim is none that a spec can state" in answer.err


def test_links_and_names_of_theirs_reach_nothing_outside(hostile, tmp_path):
    """What they call their systems and collections names no file that is written."""
    run = open_run(hostile)
    assert POISON[:20] in run.data.facts["systems"][0]["name"]
    out = tmp_path / "trec"
    answer = harmless(call("export", hostile, "--format", "trec", "--out", out))
    assert answer.code in (0, 2)
    assert all(path.resolve().is_relative_to(out) for path in out.rglob("*"))
    assert [path.name for path in tmp_path.iterdir()] in ([], ["trec"])


def _number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
