"""Suites of pyperf under the rules of the nightly run: a slower benchmark is found, named and stays found."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from pyperf_files import MACHINE, write_pyperf_file
from runs import write_run
from small_specs import load_small, system
from typer.testing import CliRunner

from harness.cli.app import app
from harness.history import History
from harness.nightly import run_nightly as nightly
from harness.nightly.accepted import Accepted
from harness.pipeline.store.local import Store

QUIET_NIGHTS = 14
QUIET = SimpleNamespace(note=lambda text: None)


@pytest.fixture
def suites(tmp_path):
    """Call it with factors by benchmark: measures a suite on the next day and adds it; the answer of the command."""
    rng, days, history = np.random.default_rng(1), iter(range(1, 32)), tmp_path / "history"

    def add(about=MACHINE, options=(), **factors):
        day = next(days)
        rows = {
            name: 1e-3 * factor * np.exp(rng.normal(0, 0.004)) * np.exp(rng.normal(0, 0.002, (4, 3)))
            for name, factor in factors.items()
        }
        revision = {"laconic_revision": f"{day:02d}{'a' * 38}"}
        path = write_pyperf_file(tmp_path / "loops.json", day=day, about={**about, **revision}, **rows)
        answer = CliRunner().invoke(app, ["history", "add", str(path), "--history", str(history), *options])
        assert answer.exit_code == 0
        return answer.output

    add.history = History(history)
    return add


def states(history):
    return [row["state"] for row in history.rows() if row["system"] == "slow"]


def test_a_slower_benchmark_is_found_and_stays_found(suites):
    for _ in range(QUIET_NIGHTS):
        assert suites(slow=1.0, steady=1.0) == "1 added, 0 were there already\n"
    answers = [suites(slow=1.1, steady=1.0) for _ in range(6)]
    assert "Mean time of slow on loops: regressed, 1.000 ms to 1.10 ms (+" in answers[-1]
    assert "steady" not in "".join(answers)
    found = [place for place, text in enumerate(answers) if "regressed" in text]
    assert found[0] <= 4  # each was measured once, which asks for more nights than a night's two measurements
    assert found == list(range(found[0], 6))
    assert states(suites.history)[-1] == "regressed"
    assert f"first with revision {QUIET_NIGHTS + 1}aaaaaaaa, last without {QUIET_NIGHTS}aaaaaaaa" in answers[-1]


def test_an_accepted_one_is_told_and_good(suites, tmp_path):
    for _ in range(QUIET_NIGHTS):
        suites(slow=1.0)
    (tmp_path / "accepted.toml").write_text(
        '[[accepted]]\nmetric = "benchmark_seconds"\nsystem = "slow"\nvalue = 0.0012\nreason = "it checks bounds"\n'
    )
    answers = [suites(slow=1.1, options=["--accepted", str(tmp_path / "accepted.toml")]) for _ in range(5)]
    assert any(text.endswith("(accepted)\n") for text in answers)
    assert set(states(suites.history)) == {"good"}


def test_values_of_an_unknown_machine_are_never_compared(suites):
    for _ in range(QUIET_NIGHTS):
        suites(about={}, slow=1.0)
    for _ in range(4):
        assert suites(about={}, slow=2.0) == "1 added, 0 were there already\n"


def test_the_nightly_run_judges_and_shows_them_beside_its_own(suites, tmp_path, monkeypatch):
    spec = load_small(tmp_path, systems=[system("s")])
    days = iter(range(1, 29))

    def measure(_spec, _store, folder, _watcher, _anew):
        values = {("s", "index_bytes"): 1000.0}
        write_run(folder, day=next(days), values=values, name="small", command=str(folder))
        return []

    def night(accepted=()):
        pages = tmp_path / "pages"
        return nightly.run_nightly(spec, suites.history, Store(tmp_path / "store"), pages, accepted, QUIET)

    monkeypatch.setattr(nightly, "_measure", measure)
    for _ in range(QUIET_NIGHTS):
        suites(slow=1.0)
    assert night().exit_code == 0
    for _ in range(5):
        suites(slow=1.1)
    found = night()
    assert (found.exit_code, found.state) == (1, "regressed")
    (one,) = found.findings
    assert (one.key, one.kind) == (("loops", "slow", "benchmark_seconds"), "step")
    pages = tmp_path / "pages"
    page, summary = (pages / "index.html").read_text(), (pages / "summary.md").read_text()
    assert "slow on loops" in page
    assert "Mean time of slow on loops." in page
    assert "compare BEFORE.json AFTER.json" in summary
    assert 'classname="loops.slow"' in (pages / "junit.xml").read_text()
    assert json.loads((pages / "feed.json").read_text())["items"][0]["tags"] == ["regressed"]
    assert found.notes == []  # a suite is no run to compare a night with
    reason = Accepted(metric="benchmark_seconds", system="slow", value=0.0012, reason="it checks its bounds now")
    assert night([reason]).exit_code == 0
