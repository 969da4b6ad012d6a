"""Every row of docs/errors.md: what a user gets wrong, and the one message that comes back."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from small_specs import FLAT, HOSTILE, INVERTED, system, write_spec
from tests_support import start_run

from harness.cli import app as cli
from harness.encoders import registry as encoders
from harness.errors import UserError
from harness.indexes import registry as indexes
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec
from harness.vectors import VectorsWriter

LACONIC = """
[encoders.laconic]
type = "laconic"
term_bias = 3.0
backbone = { model = "nowhere" }
"""
TWICE = """
[[systems]]
name = "<script>alert(1)</script>"
encoder = "bm25"
index = "inverted"
[measure]"""
CLAIM = """
[[claims]]
name = "c"
metric = "index_byte"
system = "a"
baseline = "b"
ratio_at_most = 1
[measure]"""

FUSION = """
[[fusions]]
name = "f"
systems = ["<script>alert(1)</script>", "dense"]
[measure]"""
ON_TIME = """
[[systems]]
name = "again"
encoder = "bm25"
index = "inverted"
[[fusions]]
name = "f"
systems = ["<script>alert(1)</script>", "again"]
[[claims]]
name = "c"
metric = "latency_total/p50"
system = "f"
baseline = "again"
ratio_at_most = 1
[measure]"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_spec(tmp_path, indexes={**INVERTED, **FLAT}, systems=[system(HOSTILE)])


@pytest.fixture
def call(monkeypatch, capfd):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["laconic-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return run


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type = "bm25"', 'type = "bm26"', ["small.toml:6", "encoders.bm25.type", "did you mean 'bm25'"]),
        ('type = "bm25"', 'type = "bm25"\nk2 = 1', ["small.toml:7", "encoders.bm25.k2", "unknown key", "k1"]),
        ("[measure]", "[mesure]", ["unknown key", "did you mean 'measure'"]),
        ("repeats = 1", 'repeats = "x"', ["measure.repeats", "'x'", "str"]),
        ("repeats = 1", "repeats = 0", ["measure.repeats", "greater than or equal to 1"]),
        ("repeats = 1", "repets = 1", ["measure.repets", "did you mean 'repeats'"]),
        ('index = "inverted"', 'index = "flat"', ["systems[0].index", "impossible pair", "sparse"]),
        ('index = "inverted"', 'index = "invertd"', ["small.toml:", "did you mean 'inverted'"]),
        ("[measure]", TWICE, ["systems[1]", "appears twice", "systems[0]"]),
        ("[measure]", "[measure", ["not TOML", "small.toml:"]),
        ('name = "small"', 'name = "../../x"', ["small.toml:1", "name", "a letter or digit"]),
        ('name = "small"', "", ["name", "this key is missing"]),
        ('name = "<script>alert(1)</script>"', f'name = "{"x" * 10_000}"', ["systems[0].name", "at most 200"]),
        ("[indexes.flat]", LACONIC + "[indexes.flat]", ["encoders.laconic.pairs", "training pairs", "mine"]),
        ('type = "bm25"', 'type = "bm25"\npairs = []', ["encoders.bm25.pairs", "the name of a collection", "mine"]),
        ("[measure]", CLAIM, ["claims[0].system", "no system 'a'"]),
        ("[measure]", ON_TIME, ["claims[0].system", "cannot use latency_total/p50 of the fusion 'f'"]),
        ("[measure]", FUSION, ["fusions[0].systems[1]", "no system 'dense' in this spec", "allowed: <script>"]),
    ],
)  # fmt: skip
def test_a_spec_with_a_mistake(spec, call, old, new, words):
    change(spec, old, new)
    code, _, err = call("plan", spec)
    assert code == 2
    for word in ["error: ", "remedy: ", *words]:
        assert word in err


def test_no_spec_at_all(tmp_path, call):
    assert "cannot read the spec" in call("run", tmp_path / "absent.toml")[2]
    assert "cannot read the spec" in call("run", tmp_path)[2]
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe4"')
    assert "not UTF-8" in call("run", tmp_path / "latin.toml")[2]


def test_a_vocabulary_too_wide_for_the_engine(spec, monkeypatch):
    engine, encoder = indexes.get("inverted"), encoders.get("bm25")

    class Narrow(engine):
        supports = type(engine.supports)(**{**vars(engine.supports), "max_width": 1 << 16})

    class Wide(encoder):
        def width(self):
            return 128_256

    monkeypatch.setattr(REGISTRIES.indexes, "get", lambda name: Narrow)
    monkeypatch.setattr(REGISTRIES.encoders, "get", lambda name: Wide)
    with pytest.raises(UserError, match=r"systems\[0\].index: impossible pair: .* 128256 columns, .* at most 65536"):
        load_spec(spec, REGISTRIES)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("corpus.jsonl", '{"_id": "d1"', '{"_id" "d1"', ["corpus.jsonl:2", "not JSON"]),
        ("corpus.jsonl", '"d1"', '"d0"', ["corpus.jsonl:2", "twice"]),
        ("queries.jsonl", '"q1"', '"q0"', ["queries.jsonl:2", "twice"]),
        ("qrels/test.tsv", "q1\td1\t1", "q1 d1", ["test.tsv:3", "not a judgement"]),
        ("qrels/test.tsv", "\t1\n", "\tx\n", ["test.tsv:2"]),
    ],
)
def test_broken_data(spec, call, file, old, new, words):
    change(spec.parent / "data" / file, old, new)
    code, _, err = call("run", spec)
    assert code == 1
    for word in words:
        assert word in err


def test_missing_folder_and_missing_file(spec, call):
    (spec.parent / "data/queries.jsonl").unlink()
    code, _, err = call("run", spec)
    assert code != 0
    assert "queries.jsonl" in err
    change(spec, str(spec.parent / "data"), "/nowhere/at/all")
    code, _, err = call("run", spec)
    assert code == 2
    assert "/nowhere/at/all" in err
    assert "remedy" in err


def test_no_judgements(spec, call):
    (spec.parent / "data/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    code, _, err = call("run", spec)
    assert code != 0
    assert "judgement" in err


def test_judgements_for_the_unknown_are_counted_and_shown(spec, call):
    path = spec.parent / "data/qrels/test.tsv"
    path.write_text(path.read_text() + "q0\tnot-there\t1\nq9\td0\t1\n")
    change(spec.parent / "data/queries.jsonl", '{"_id": "q2"', '{"_id": "lonely"')
    code, _, _ = call("run", spec)
    assert code == 0
    facts = json.loads((spec.parent / "runs/small/run.json").read_text())["collections"]["mine"]
    assert facts["queries"] == 2
    assert facts["queries_left_out"] == 1
    assert any("unknown" in text for text in facts["warnings"])
    assert facts["warnings"][0] in (spec.parent / "runs/small/report.html").read_text()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite(tmp_path, value):
    rows = np.eye(3, dtype=np.float32)
    rows[1, 1] = value
    for kind, block in (("dense", rows), ("sparse", sparse.csr_matrix(rows))):
        (tmp_path / kind).mkdir()
        writer = VectorsWriter(tmp_path / kind, kind, 3)
        with pytest.raises(UserError, match=r"NaN or infinite .*rows 0 to 2"):
            writer.append(block)


@pytest.mark.parametrize("name", ["run", "report", "claims", "tables"])
def test_no_run_folder(tmp_path, call, name):
    code, _, err = call(name, tmp_path / "nothing")
    assert code == 2
    assert "nothing" in err
    assert "remedy" in err


def test_only_and_set_that_do_not_fit(spec, call):
    assert "did you mean" in call("run", spec, "--only", "<script>alert(1)<script>")[2]
    assert "measure.repeats" in call("run", spec, "--set", "measure.repeats=none")[2]
    assert "--set" in call("run", spec, "--set", "measure")[2]


def test_a_store_that_cannot_be_written(spec, call):
    (spec.parent / "file").write_text("")
    code, _, err = call("run", spec, "--store", spec.parent / "file")
    assert code == 2
    assert "--store" in err


@contextlib.contextmanager
def full_disk():
    """A limit on the size of files stands for the disk: the same error comes out of the same call."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_what_was_finished(spec, call, monkeypatch):
    with full_disk():
        code, _, err = call("run", spec)
    assert code != 0
    assert "File too large" in err
    kept = len(list(spec.parent.glob(".laconic-bench/objects/*/*/manifest.json")))
    assert kept >= 1
    code, out, _ = call("run", spec, "--retry", "failed")
    assert code == 0
    assert f"{kept} reused from the store" in out


def test_a_full_disk_leaves_an_earlier_run_as_it_was(spec, call):
    """Its files are replaced one by one, each once the new one is written."""
    assert call("run", spec)[0] == 0
    before = {path: path.read_bytes() for path in (spec.parent / "runs").rglob("*") if path.is_file()}
    with full_disk():
        code, _, err = call("run", spec)
    assert code == 2
    assert "remedy: free space" in err
    assert {path: path.read_bytes() for path in (spec.parent / "runs").rglob("*") if path.is_file()} == before


def test_too_little_space_is_said_before_a_stage(spec, call, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5))
    code, _, err = call("run", spec)
    assert code == 2
    assert "0 MiB are free" in err


def workers(pid):
    """Processes whose parent is `pid`."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_stage(process, word):
    while line := process.stderr.readline():
        if word in line and line.endswith(" ...\n"):
            return
    raise AssertionError("the stage never began")


def test_a_killed_worker_is_a_status_and_the_next_run_tries_again(spec, call):
    process = start_run(spec.parent)
    wait_for_stage(process, "make bm25")
    # Some processes wait for a next stage: the one that is killed must be at work.
    end, killed = time.monotonic() + 2, False
    while time.monotonic() < end or not killed:
        assert process.poll() is None or killed, "the run ended before a worker was seen"
        for worker in workers(process.pid) if process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                killed = True
        time.sleep(0.01)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "killed: the worker was ended from outside by SIGKILL" in err
    assert "killed" in (spec.parent / "runs/small/report.html").read_text()
    assert call("run", spec)[0] == 0


def test_interrupt_stops_and_says_how_to_go_on(spec, call):
    process = start_run(spec.parent)
    wait_for_stage(process, "make bm25")
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    assert call("run", spec)[0] == 0


WRAPPED = """
import os, signal, time
from harness import start
from harness.cli import app as cli
def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    except BaseException as error:
        raise SystemError("a library's own") from error
cli.main = command
start.main()
"""


def test_an_interrupt_that_a_library_made_an_error_of_its_own(tmp_path):
    found = subprocess.run([sys.executable, "-c", WRAPPED], capture_output=True, text=True)
    assert found.returncode == 130
    assert found.stderr == "stopped; the same command goes on from here\n"


LATE = """
import os, signal, sys
from harness import start
class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)
sys.last = Last()
sys.argv[1:] = ["list", "metrics"]
start.main()
"""


def test_an_interrupt_after_the_end_does_not_make_a_failure_of_it(tmp_path):
    """While Python takes itself down its own handler is gone already."""
    found = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert "ndcg@10" in found.stdout


def test_hostile_names_harm_nothing(spec, call):
    """Scripts, paths and 10 kB in identifiers, texts and titles: escaped in the page, never a path."""
    hostile = {
        "d1": "../../../etc/passwd",
        "d2": "<script>alert(2)</script>",
        "d3": "x" * 10_000,
        "d4": "a b\tc%\u202e",
    }
    data = spec.parent / "data"
    rows = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    for row in rows:
        row["_id"] = hostile.get(row["_id"], row["_id"])
        row["title"] = "<img src=x onerror=alert(3)>"
    (data / "corpus.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    qrels = ["query-id\tcorpus-id\tscore", "q0\td0\t1", f"q1\t{hostile['d1']}\t1", f"q2\t{hostile['d2']}\t1"]
    (data / "qrels/test.tsv").write_text("\n".join(qrels) + "\n")
    change(spec, "[collections.mine]", 'title = "</title><script>alert(4)</script>"\n[collections.mine]')
    before = set(spec.parent.parent.iterdir())
    assert call("run", spec)[0] == 0
    page = (spec.parent / "runs/small/report.html").read_text()
    for bad in ("<script>alert", "<img src=x"):
        assert bad not in page
    assert "&lt;script&gt;alert(1)" in page
    assert set(spec.parent.parent.iterdir()) == before
    from harness.measure.quality import read_trec

    run = read_trec(spec.parent / "runs/small/runs/000.trec.gz")
    assert hostile["d1"] in run["q1"]
    assert any(row["value"] == 1.0 for row in map(json.loads, (spec.parent / "runs/small/per_query.jsonl").open()))
