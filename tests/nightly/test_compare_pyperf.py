"""Files of pyperf compared: verdicts on values whose answer is known."""

import gzip
import json

import numpy as np
import pyperf
import pytest
from pyperf_files import MACHINE
from pyperf_files import write_pyperf_file as write
from scipy import stats
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError
from harness.nightly.compare_pyperf import compare_pyperf


def values(seed, factor=1.0, processes=8):
    """Processes x 3 values, seconds; processes differ by 1 %, values of a process by 0.1 %."""
    rng = np.random.default_rng(seed)
    return 1e-3 * factor * np.exp(rng.normal(0, 0.01, (processes, 1)) + rng.normal(0, 0.001, (processes, 3)))


@pytest.fixture
def sides(tmp_path):
    def made(base, head, **facts):
        return write(tmp_path / "a.json", x=base, **facts), write(tmp_path / "b.json", x=head, **facts)

    return made


def test_a_slowdown_is_told_from_the_spread_of_processes(sides, tmp_path):
    base, same = sides(values(1), values(2))
    slow, quick = (write(tmp_path / f"{factor}.json", x=values(3, factor)) for factor in (1.1, 0.8))
    words = [compare_pyperf(base, head)[0].word for head in (same, slow, quick)]
    assert words == ["no change", "regressed", "improved"]
    change = compare_pyperf(base, slow)[0]
    assert change.base == pyperf.BenchmarkSuite.load(str(base)).get_benchmark("x").mean()
    assert change.head == pyperf.BenchmarkSuite.load(str(slow)).get_benchmark("x").mean()
    assert change.low < change.head / change.base < change.high
    assert change.sentence.startswith("mean of x on a.json: regressed, ")


def test_many_values_of_few_processes_are_no_many_processes(tmp_path):
    """A test of all values finds a difference between equal systems; two processes of each cannot show one."""
    base = write(tmp_path / "a.json", x=np.repeat([[1.0], [1.01]], 50, axis=1) + np.arange(50) * 1e-6)
    head = write(tmp_path / "b.json", x=np.repeat([[1.02], [1.03]], 50, axis=1) + np.arange(50) * 1e-6)
    pooled = [pyperf.BenchmarkSuite.load(str(path)).get_benchmark("x").get_values() for path in (base, head)]
    assert stats.ttest_ind(*pooled).pvalue < 1e-6
    assert compare_pyperf(base, head)[0].word == "no change"


def test_a_clear_change_below_the_threshold_is_noise(sides):
    assert compare_pyperf(*sides([[1.0], [1.0001]] * 4, [[1.01], [1.0101]] * 4))[0].word == "within noise"


@pytest.mark.parametrize("processes", [(1, 8), (8, 1)])
def test_one_process_decides_nothing(sides, processes):
    base, head = sides(values(1, 1.0, processes[0]), values(2, 3.0, processes[1]))
    change = compare_pyperf(base, head)[0]
    assert (change.word, change.low) == ("inconclusive", None)
    assert "measured in one process" in change.sentence


def test_a_benchmark_of_one_side_and_one_of_another_unit_are_not_compared(tmp_path):
    base = write(tmp_path / "a.json", x=values(1), gone=values(1))
    head = write(tmp_path / "b.json", x=values(1), new=values(1))
    assert {change.key[1]: (change.word, change.note) for change in compare_pyperf(base, head)} == {
        "x": ("no change", ""), "gone": ("not comparable", "not in head"), "new": ("not comparable", "not in base"),
    }  # fmt: skip
    bytes_ = write(tmp_path / "c.json", unit="byte", x=[[100], [200]])
    assert "the units differ (second, byte)" in compare_pyperf(base, bytes_)[0].sentence


def test_files_of_two_machines_need_force(tmp_path):
    base = write(tmp_path / "a.json", x=values(1))
    head = write(tmp_path / "b.json", about={**MACHINE, "cpu_model_name": "B"}, x=values(1))
    with pytest.raises(UserError, match=r"cpu_model_name \(A, B\)"):
        compare_pyperf(base, head)
    assert compare_pyperf(base, head, force=True)[0].note == "the machines differ in cpu_model_name (A, B)"
    unknown = write(tmp_path / "c.json", about={}, x=values(1))
    assert compare_pyperf(base, unknown)[0].note == "the files do not tell whether the machine is the same"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"benchmarks": []}', '{"version": "1.0", "benchmarks": [{"runs": [3]}]}', "\x00\xff"]
)
def test_what_is_no_file_of_pyperf_is_named(tmp_path, text):
    base = write(tmp_path / "a.json", x=values(1))
    (tmp_path / "b.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="not a file of pyperf") as raised:
        compare_pyperf(base, tmp_path / "b.json")
    assert str(tmp_path / "b.json") in str(raised.value)


def test_the_command_reads_files_packed_or_not(sides, tmp_path):
    base, head = sides(values(1), values(2, 1.2))
    packed = tmp_path / "b.json.gz"
    packed.write_bytes(gzip.compress(head.read_bytes()))
    answer = CliRunner().invoke(app, ["compare", str(base), str(packed)])
    assert answer.exit_code == 1
    assert "1 regressed" in answer.output
    answer = CliRunner().invoke(app, ["compare", str(base), str(base), "--json"])
    assert answer.exit_code == 0
    assert [row["word"] for row in json.loads(answer.output)] == ["no change"]


def test_a_file_and_a_folder_are_not_compared(sides, tmp_path):
    base, _ = sides(values(1), values(1))
    error = CliRunner().invoke(app, ["compare", str(base), str(tmp_path)]).exception
    assert isinstance(error, UserError)
    assert "not a file of pyperf" in str(error)
