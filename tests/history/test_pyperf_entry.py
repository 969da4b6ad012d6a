"""Files of pyperf in the history: what is read comes back, with the machine that they tell, or an unknown one."""

import gzip
import json
from datetime import UTC, datetime

import numpy as np
import pyperf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyperf_files import MACHINE, write_pyperf_file
from scipy import stats
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError
from harness.history import History
from harness.history.pyperf_entry import entry_of_pyperf
from harness.spec.models import SpecHead

ROWS = [[1.0, 1.1], [1.2, 1.3], [0.9, 1.0]]
OURS = {"laconic_machine": "f00", "laconic_instructions": "avx2 fma", "laconic_revision": "b" * 40,
        "laconic_changes": "none", "laconic_version": "0.9", "laconic_suite": "kernels"}  # fmt: skip


def local(*parts):
    """pyperf writes local times."""
    return datetime(*parts).astimezone(UTC)


def test_each_benchmark_comes_back_as_a_series_of_its_own(tmp_path):
    path = write_pyperf_file(tmp_path / "loops.json", day=5, x=ROWS, y=[[2.0], [2.0]])
    history = History(tmp_path / "h")
    entry = entry_of_pyperf(path)
    assert history.add(entry)
    assert not history.add(entry_of_pyperf(path))
    rows = history.rows("pyperf:loops")
    assert [(row["collection"], row["system"], row["metric"]) for row in rows] == [
        ("loops", "x", "benchmark_seconds"), ("loops", "y", "benchmark_seconds"),
    ]  # fmt: skip
    first, second = rows
    assert first["value"] == pyperf.BenchmarkSuite.load(str(path)).get_benchmark("x").mean()
    assert (first["unit"], first["direction"], first["n"]) == ("seconds", "lower", 3)
    means = np.log(np.mean(ROWS, axis=1))
    half = stats.t.ppf(0.975, 2) * stats.sem(means)
    assert (first["ci_low"], first["ci_high"]) == pytest.approx(
        (first["value"] * np.exp(-half), first["value"] * np.exp(half))
    )
    assert (second["ci_low"], second["ci_high"]) == (2.0, 2.0)
    assert local(2026, 1, 5, 4) <= first["created"] <= local(2026, 1, 5, 4, 1)
    conditions = json.loads(first["conditions"])
    assert conditions["Machine"] == {"host": "h", "processor": "A", "cores": "2", "instructions": "unknown"}
    assert first["folder"] == str(path)


def test_what_our_scripts_add_is_used(tmp_path):
    path = write_pyperf_file(tmp_path / "a.json", day=1, about={**MACHINE, **OURS}, x=ROWS)
    entry = entry_of_pyperf(path)
    assert (entry.spec, entry.revision, entry.changes, entry.version) == ("pyperf:kernels", "b" * 40, False, "0.9")
    assert entry.machine == "f00 avx2 fma"
    assert json.loads(entry.conditions)["Machine"]["instructions"] == "avx2 fma"
    assert entry_of_pyperf(path, "mine").spec == "pyperf:mine"
    changed = write_pyperf_file(tmp_path / "b.json", day=1, about={**OURS, "laconic_changes": "some"}, x=ROWS)
    assert entry_of_pyperf(changed).changes


def test_no_spec_has_the_name_of_a_suite():
    with pytest.raises(ValueError, match="name"):
        SpecHead(name="pyperf:loops", systems=[{"encoder": "e", "index": "i"}])


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ({}, True),
        ({"platform": "Linux-5.10.1-30-amd64-x86_64"}, True),  # another update of one series
        ({"platform": "Linux-6.1.0-28-amd64-x86_64"}, False),
        ({"cpu_model_name": "B"}, False),
        ({"cpu_count": 4}, False),
        ({"hostname": "other"}, False),
        ({"load_avg_1min": 3.0}, True),
    ],
)
def test_a_machine_is_known_by_what_pyperf_tells(tmp_path, more, same):
    first = entry_of_pyperf(write_pyperf_file(tmp_path / "a.json", day=1, x=ROWS))
    second = entry_of_pyperf(write_pyperf_file(tmp_path / "b.json", day=2, about={**MACHINE, **more}, x=ROWS))
    assert (first.machine == second.machine) == same
    assert first.definitions == second.definitions


@pytest.mark.parametrize("missing", MACHINE)
def test_an_unknown_machine_is_equal_to_none(tmp_path, missing):
    about = {name: value for name, value in MACHINE.items() if name != missing}
    machines = {
        entry_of_pyperf(write_pyperf_file(tmp_path / f"{day}.json", day=day, about=about, x=ROWS)).machine
        for day in (1, 2, 3)
    }
    assert len(machines) == 3
    assert all(machine.startswith("unknown") for machine in machines)


def test_another_size_is_another_definition(tmp_path):
    made = [
        entry_of_pyperf(write_pyperf_file(tmp_path / f"{size}.json", day=1, about={**MACHINE, "size": size}, x=ROWS))
        for size in ("100", "200")
    ]
    assert made[0].definitions != made[1].definitions


@pytest.mark.parametrize(("unit", "metric"), [("byte", "benchmark_bytes"), ("integer", "benchmark_count")])
def test_other_units_have_metrics_of_their_own(tmp_path, unit, metric):
    (row,) = entry_of_pyperf(write_pyperf_file(tmp_path / "a.json", day=1, unit=unit, x=[[3, 5], [4, 4]])).records
    assert (row.metric, row.value) == (metric, 4.0)


@given(st.lists(st.lists(st.floats(1e-9, 1e3), min_size=2, max_size=2), min_size=1, max_size=6))
def test_a_mean_lies_within_its_interval(tmp_path_factory, rows):
    path = write_pyperf_file(tmp_path_factory.mktemp("p") / "a.json", day=1, x=rows)
    (row,) = entry_of_pyperf(path).records
    assert row.value == pytest.approx(np.mean(rows))
    assert row.n == len(rows)
    if len(rows) > 1:
        assert row.ci_low <= row.value * (1 + 1e-9)
        assert row.value <= row.ci_high * (1 + 1e-9)
    else:
        assert row.ci_low is None


def test_a_file_that_lacks_what_is_needed_is_refused(tmp_path):
    path = write_pyperf_file(tmp_path / "a.json", x=ROWS)
    with pytest.raises(UserError, match="does not say when it was measured") as error:
        entry_of_pyperf(path)
    assert "date" in error.value.remedy
    empty = pyperf.Run([], warmups=[(1, 9.0)], metadata={"name": "x", "date": "2026-01-01 04:00:00"},
                       collect_metadata=False)  # fmt: skip
    pyperf.BenchmarkSuite([pyperf.Benchmark([empty])]).dump(str(tmp_path / "b.json"))
    with pytest.raises(UserError, match="x has no values"):
        entry_of_pyperf(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(UserError, match="not a file of pyperf"):
        entry_of_pyperf(tmp_path / "c.json")


def test_the_command_adds_folders_and_files_packed_or_not(run, tmp_path):
    first = write_pyperf_file(tmp_path / "a.json", day=1, x=ROWS)
    second = write_pyperf_file(tmp_path / "b.json", day=2, x=ROWS)
    packed = tmp_path / "c.json.gz"
    packed.write_bytes(gzip.compress(second.read_bytes()))
    history = ["--history", str(tmp_path / "h")]
    answer = CliRunner().invoke(app, ["history", "add", str(packed), str(run()), str(first), "--suite", "s", *history])
    assert (answer.exit_code, answer.output) == (0, "3 added, 0 were there already\n")
    answer = CliRunner().invoke(app, ["history", "add", str(first), "--suite", "s", *history])
    assert answer.output == "0 added, 1 were there already\n"
    listed = json.loads(CliRunner().invoke(app, ["history", "list", "--json", *history]).output)
    assert sorted(row["spec"] for row in listed) == ["nightly", "pyperf:s", "pyperf:s"]
