"""Each command: what it prints, in which form, and the one message that a mistake brings."""

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer.main
from commands import call, refused
from scipy import sparse
from vector_folders import write_vectors

from harness import __version__
from harness.cli import app as cli
from harness.cli import results

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def vectors(here):
    """A folder of three sparse vectors."""
    rows = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 0.5], [0, 4, 0]], np.float32))
    write_vectors(here / "vectors", "sparse", 3, [rows])
    return here / "vectors"


def commands():
    """(words of a command, whether it needs arguments) of each, groups opened."""
    root = typer.main.get_command(cli.app)
    for name, command in root.commands.items():
        for words, inner in [((name, inner), c) for inner, c in getattr(command, "commands", {}).items()] or [
            ((name,), command)
        ]:
            yield words, any(parameter.required for parameter in inner.params)


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_each_command_has_help_and_refuses_an_option_that_it_does_not_have(words):
    answer = call(*words, "--help")
    assert answer.code == 0
    assert f"laconic-bench {' '.join(words)}" in answer.out
    answer = call(*words, "--no-such-option")
    assert (answer.code, answer.out) == (2, "")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("words", [words for words, needs in commands() if needs], ids=" ".join)
def test_a_command_without_what_it_needs_says_what_is_missing(words):
    answer = call(*words)
    assert (answer.code, answer.out) == (2, "")
    assert "Missing" in answer.err


def test_no_command_at_all_shows_them():
    answer = call()
    assert {"run", "plan", "doctor", "history"} <= set(re.findall(r"[a-z-]+", answer.out + answer.err))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"], ["plan"], ["pin"], ["costs"], ["fits"], ["nightly"], ["check-model", "e"],
        ["mine", "s", "mine", "--out", "pairs.jsonl"], ["compare", "a", "b", "--spec"],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_spec_that_is_not_there_is_named(here, arguments):
    name, *rest = arguments
    given = [name, *rest, "absent.toml"] if rest[-1:] == ["--spec"] else [name, "absent.toml", *rest]
    message = refused(*given)
    assert "absent.toml: cannot read the spec: No such file or directory" in message
    assert "remedy: give the path of a .toml file" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "{}"], ["claims", "{}"], ["tables", "{}"], ["export", "{}"], ["history", "add", "{}"],
        ["compare", "{}", "{}"], ["published", "{}", "scores.csv"],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_folder_without_a_run_is_named(here, arguments):
    for folder in ("absent", "empty"):
        message = refused(*(word.format(folder) for word in arguments))
        assert f"{folder}/run.json: no finished run" in message
        assert "remedy: give the folder that `laconic-bench run` wrote" in message


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", b"{", "no finished run"),
        ("run.json", b'{"schema": "x"}', "not a run"),
        ("run.json", b'{"schema": 99}', "later version"),
        ("records.jsonl", b"\xff\n", "records.jsonl: not UTF-8 (byte 0)"),
        ("records.jsonl", b"{}\n", "records.jsonl:1: not a record"),
        ("per_query.jsonl", b"{\n", "per_query.jsonl:1: not JSON"),
        ("conditions.jsonl", b"\xff\n", "conditions.jsonl:1"),
        ("latency.npz", b"PK", "latency.npz: the samples cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["report", "claims", "tables", "export"])
def test_a_damaged_run_is_one_message_that_names_the_file(run_folder, command, file, content, words):
    (run_folder / file).write_bytes(content)
    assert words in refused(command, run_folder)


def test_estimates_say_what_there_is_nothing_to_estimate_of(here):
    assert "no encoder of this spec is trained" in refused("fits", "small.toml")
    assert call("costs", "small.toml").out == "no encoder of this spec is a model: nothing to estimate\n"
    assert json.loads(call("costs", "small.toml", "--json").out) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["fits", "small.toml", "--memory", "-1"], ["fits", "small.toml", "--memory", "nan"],
        ["costs", "small.toml", "--speed", "0"], ["costs", "small.toml", "--price", "-1"],
        ["mine", "small.toml", "s", "mine", "--out", "p", "--share", "1.5"],
        ["mine", "small.toml", "s", "mine", "--out", "p", "--count", "0"],
        ["ciff", "vectors", "x.ciff", "--levels", "0"], ["grid", "--reduction", "2"], ["grid", "--terms", "many"],
        ["tables", "run", "--decimals", "9"], ["compare", "a", "b", "--pairs", "1"],
        ["history", "prune", "--keep", "0"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_out_of_its_bounds_is_refused_before_any_work(here, arguments):
    answer = call(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert "Invalid value" in answer.err
    assert sorted(path.name for path in here.iterdir()) == ["binary", "data", "empty", "small.toml"]


def test_a_model_or_a_system_that_the_spec_does_not_have_is_named(here):
    assert "there is no encoder 'nobody'" in refused("check-model", "small.toml", "nobody")
    assert "there is no system 'nobody'" in refused("mine", "small.toml", "nobody", "mine", "--out", "pairs.jsonl")
    message = refused("mine", "small.toml", "s", "nowhere", "--out", "pairs.jsonl")
    assert "there is no collection 'nowhere'" in message


def test_a_place_for_pairs_is_checked_before_they_are_mined(here):
    message = refused("mine", "small.toml", "s", "mine", "--out", "no/such/pairs.jsonl")
    assert "no/such is no folder" in message
    assert "this is a folder" in refused("mine", "small.toml", "s", "mine", "--out", "empty")


def test_checks_of_a_model_are_a_table_and_decide_the_exit_code(here, monkeypatch):
    bounds = {"figure": 0.5, "low": None, "high": 0.1}
    checks = [
        {"name": "padding", **bounds, "meaning": "m", "text": "no difference", "passed": True},
        {"name": "order", **bounds, "meaning": "texts are mixed up", "text": "0.5 apart", "passed": False},
    ]
    done = SimpleNamespace(artefact=SimpleNamespace(result={"kind": "sparse", "checks": checks}))

    class Executor:
        def __init__(self, *_, **__):
            pass

        def run(self, stages):
            return {stages[-1].key: done}

    monkeypatch.setattr("harness.pipeline.executors.local.Executor", Executor)
    monkeypatch.setattr("harness.pipeline.plan.systems.check_stages", lambda *_: [SimpleNamespace(key="k")])
    answer = call("check-model", "small.toml", "bm25")
    assert answer.code == 1
    assert [re.split("  +", line) for line in answer.out.splitlines()] == [
        ["verdict", "check", "result", "what it means"],
        ["ok", "padding", "no difference"],
        ["bad", "order", "0.5 apart", "texts are mixed up"],
    ]
    answer = call("check-model", "small.toml", "bm25", "--json")
    assert (answer.code, json.loads(answer.out)) == (1, checks)
    del checks[1]
    assert call("check-model", "small.toml", "bm25").code == 0
    done.artefact = None
    assert call("check-model", "small.toml", "bm25").code == 1


def test_vectors_go_to_ciff_and_back(vectors, here):
    answer = call("ciff", vectors, "out.ciff")
    assert answer.code == 0
    assert answer.out.startswith("wrote out.ciff; a weight is ")
    answer = call("ciff", "out.ciff", "back")
    assert answer.out == "read 3 documents with 4 postings of 3 terms into back\n"
    assert (here / "back/shape.json").is_file()


def test_mistakes_of_ciff(vectors, here):
    assert "absent: there is no such file or folder" in refused("ciff", "absent", "out")
    assert "empty: no folder of vectors" in refused("ciff", "empty", "out.ciff")
    assert "no/such is no folder" in refused("ciff", vectors, "no/such/out.ciff")
    assert "empty: this is there already" in refused("ciff", "binary", "empty")
    (vectors / "indptr.npy").write_bytes(b"damaged")
    assert "vectors: no folder of vectors" in refused("ciff", vectors, "out.ciff")


def test_a_damaged_ciff_file_leaves_no_folder_behind(vectors, here):
    call("ciff", vectors, "out.ciff")
    whole = (here / "out.ciff").read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (here / "cut.ciff").write_bytes(whole[:size])
        assert "cut.ciff: " in refused("ciff", "cut.ciff", "back")
        assert not (here / "back").exists()


def test_a_report_is_written_where_it_is_wanted(run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("report", run_folder).out == f"{run_folder / 'report.html'}\n"
    assert call("report", run_folder, "--out", "page.html").code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!")
    other = shutil.copytree(run_folder, tmp_path / "other")
    assert call("report", run_folder, other).out == f"{tmp_path / 'compared.html'}\n"
    message = refused("report", run_folder, "--out", "no/such/page.html")
    assert "no/such/page.html: --out: no/such is no folder" in message
    assert "this is a folder" in refused("report", run_folder, "--out", tmp_path)


def test_words_that_name_no_form_are_answered_with_those_that_do(run_folder, tmp_path):
    assert "allowed: csv, latex, markdown" in refused("tables", run_folder, "--format", "pdf")
    assert "there is no metric 'nope'" in refused("tables", run_folder, "--metric", "nope")
    assert "there is no export format 'pdf'" in refused("export", run_folder, "--format", "pdf")
    assert "there is no table 'x'" in refused("export", run_folder, "--what", "x")
    assert "add --out PATH" in refused("export", run_folder, "--format", "trec")
    assert "allowed: csv, json, markdown" in refused("grid", "--format", "pdf")
    assert "must be positive" in refused("grid", "--documents", "0")


@pytest.mark.parametrize("content", [None, b"", b"a\n", b"\xff\xfe"])
def test_numbers_of_others_that_cannot_be_read_are_named(run_folder, tmp_path, content):
    file = tmp_path / "scores.csv"
    if content is not None:
        file.write_bytes(content)
    for arguments in (["tables", run_folder, "--quoted", file], ["published", run_folder, file]):
        assert "scores.csv: --quoted: " in refused(*arguments)


def test_claims_are_words_sentences_and_an_exit_code(run_folder):
    answer = call("claims", run_folder)
    assert answer.code == 2  # one system is broken, and its claim inconclusive
    assert answer.out.splitlines()[0] == "SUPPORTED: less memory"
    verdicts = json.loads(call("claims", run_folder, "--json").out)
    assert [verdict["word"] for verdict in verdicts][:2] == ["supported", "supported"]
    facts = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**facts, "claims": []}))
    answer = call("claims", run_folder)
    assert (answer.code, answer.out) == (2, "the spec makes no claims\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--retry", "x"], "--retry 'x' is unknown"),
        (["--executor", "x"], "there is no executor 'x'"),
        (["--address", "x"], "--address and --artefacts belong to --executor ray"),
        (["--only", "nobody"], "there is no such system"),
        (["--store", "small.toml"], "cannot write the store"),
        (["--out", "small.toml"], "small.toml: the run cannot be written: not a folder"),
        (["--set", "measure.repeats=0"], "measure.repeats"),
    ],
)
def test_mistakes_of_a_run_are_told_before_any_stage(here, arguments, words):
    assert words in refused("run", "small.toml", *arguments)
    assert not list(here.rglob("manifest.json"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "x/y"), "x/y: No such file or directory\n  remedy: check"),
        (IsADirectoryError(21, "Is a directory", "x"), "x: Is a directory\n  remedy: give another path"),
        (PermissionError(13, "Permission denied", "x"), "x: Permission denied\n  remedy: free space or mend"),
        (OSError(28, "No space left on device"), "No space left on device\n  remedy: free space"),
        (OSError("nowhere is not a model"), "nowhere is not a model\n  remedy: free space"),
    ],
)
def test_what_the_system_refuses_is_one_message(run_folder, monkeypatch, error, words):
    """Some libraries raise an OSError that has a text and neither a number nor a file."""

    def fail(*_):
        raise error

    monkeypatch.setattr("harness.runs.read.load_run", fail)
    assert refused("claims", run_folder).startswith(f"error: {words}")
    assert results.claims  # the command that was called


def test_a_reader_that_goes_away_is_no_error(here):
    """``laconic-bench list metrics | head -1``."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as closed:
        import subprocess
        import sys

        done = subprocess.run(
            [sys.executable, "-c", "from harness.start import main; main()", "list", "metrics"],
            stdout=closed, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "remedy" not in done.stderr


def test_the_version_is_printed():
    assert call("--version").out == f"laconic-bench {__version__}\n"
