"""What a nightly run makes of what it measures; the measuring itself is replaced by runs with known values."""

import json

import numpy as np
import pytest
from runs import write_run
from small_specs import load_small, system
from tests_support import Recorder

from harness.errors import UserError
from harness.experiment import plan_experiment
from harness.history import History
from harness.nightly import run_nightly as nightly
from harness.nightly.accepted import Accepted
from harness.pipeline.store.local import Store


class Quiet:
    """Remembers what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Call it with the values of one measurement, or of two: runs a night and returns it, with what was noted.

    Values are by metric, of the system s, or by (system, metric). `asked` collects the specs that were measured.
    """
    spec = load_small(tmp_path, systems=[system("s")])
    history, store = History(tmp_path / "history"), Store(tmp_path / "store")
    day = iter(range(1, 29))

    def run(*measurements, accepted=(), failed=(), spare=False, revision="a" * 40, spec=spec, **facts):
        waiting, today, watcher = list(measurements), next(day), Quiet()

        def measure(asked, _store, folder, _watcher, _anew):
            run.asked.append(asked)
            measured = waiting.pop(0)
            values = {key if isinstance(key, tuple) else ("s", key): value for key, value in measured.items()}
            write_run(
                folder, day=today, values=values, name="small", revision=revision, command=str(len(waiting)), **facts
            )
            return list(failed)

        monkeypatch.setattr(nightly, "_measure", measure)
        found = nightly.run_nightly(spec, history, store, tmp_path / "pages", accepted, watcher)
        assert spare or waiting == []
        return found, watcher.notes

    run.history, run.pages, run.asked = history, tmp_path / "pages", []
    return run


def states(history):
    return [
        row[0] for row in history.query("select state from records where metric = 'index_bytes' order by created")[1]
    ]


def test_a_regression_is_confirmed_named_and_stays_until_mended(nights):
    assert nights({"index_bytes": 1000.0})[0].exit_code == 0
    found, notes = nights({"index_bytes": 1030.0}, {"index_bytes": 1030.0}, revision="b" * 40)
    assert found.exit_code == 1
    assert "measured again" in notes[0]
    (one,) = found.findings
    assert (one.key, one.first, one.last) == (("alpha", "s", "index_bytes"), "b" * 40, "a" * 40)
    assert "1000 B to 1.01 KiB (+3.00%)" in (nights.pages / "summary.md").read_text()
    assert nights({"index_bytes": 1030.0}, {"index_bytes": 1030.0})[0].exit_code == 1
    assert nights({"index_bytes": 1000.0})[0].exit_code == 0
    assert states(nights.history) == ["good", "regressed", "regressed", "regressed", "regressed", "good"]
    feed = json.loads((nights.pages / "feed.json").read_text())
    assert [item["tags"] for item in feed["items"]] == [["good"], ["regressed"], ["regressed"], ["good"]]


def test_what_a_second_measurement_does_not_confirm_is_no_alarm(nights):
    nights({"index_bytes": 1000.0})
    found, _ = nights({"index_bytes": 1030.0}, {"index_bytes": 1000.0})
    assert (found.exit_code, found.findings) == (0, [])


def test_an_accepted_regression_is_told_and_no_alarm(nights):
    nights({"index_bytes": 1000.0})
    accepted = [Accepted(metric="index_bytes", system="s", value=1040, reason="room for a feature")]
    found, notes = nights({"index_bytes": 1030.0}, accepted=accepted)
    assert found.exit_code == 0
    assert found.findings[0].accepted == "room for a feature"
    assert notes == []
    assert "## Accepted" in (nights.pages / "summary.md").read_text()
    # It is the new state: what is worse than that alarms.
    assert nights({"index_bytes": 1030.0})[0].findings == []
    assert nights({"index_bytes": 1050.0}, {"index_bytes": 1050.0}, accepted=accepted)[0].exit_code == 1


def test_quality_is_told_with_the_queries_that_moved(nights):
    before = {f"q{i}": 0.5 for i in range(20)}
    nights({"index_bytes": 1.0}, quality={"s": before})
    after = {**before, "q7": 0.4}
    found, _ = nights({"index_bytes": 1.0}, {"index_bytes": 1.0}, quality={"s": after})
    (one,) = found.findings
    assert one.queries == (("q7", 0.5, 0.4),)
    assert "q7: 0.5000 to 0.4000" in (nights.pages / "summary.md").read_text()


def test_a_slow_night_is_measured_again_and_a_slow_series_alarms(nights):
    rng = np.random.default_rng(1)

    def times(factor=1.0):
        return {"latency_total/p50": 1e-3 * factor * (1 + 0.008 * rng.standard_normal())}

    for _ in range(14):
        nights(times(), times(), spare=True)  # whether a quiet night is suspected is chance
    found, notes = nights(times(1.3), times())
    assert "measured again" in notes[0]
    assert found.exit_code == 0
    codes = [nights(times(1.1), times(1.1), spare=True)[0].exit_code for _ in range(3)]
    assert codes[-1] == 1


def test_what_was_not_measured_is_exit_code_2(nights):
    found, _ = nights({"index_bytes": 1.0}, failed=[("build x", "oom: too much")])
    assert found.exit_code == 2
    assert states(nights.history) == ["incomplete"]
    # It is no state to compare with.
    assert nights({"index_bytes": 2.0})[0].exit_code == 0


def test_other_data_begin_anew(nights):
    nights({"index_bytes": 1.0})
    found, _ = nights({"index_bytes": 2.0}, data="d2")
    assert found.exit_code == 0
    assert "no good run" in found.notes[0]


def test_a_last_good_run_whose_files_are_gone_is_known_from_the_history(nights, tmp_path):
    found, _ = nights({"index_bytes": 1000.0})
    for path in sorted(found.folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert nights({"index_bytes": 1030.0}, {"index_bytes": 1030.0})[0].exit_code == 1


def test_what_is_measured_again_is_a_fusion_with_its_systems_and_never_a_null_control(nights, tmp_path):
    (tmp_path / "fused").mkdir()
    spec = load_small(
        tmp_path / "fused", systems=[system("s"), system("t"), system("u")],
        fusions=[{"name": "both", "systems": ["s", "t"]}],
    )  # fmt: skip

    def sizes(fused, control):
        return {("both", "index_bytes"): fused, ("s (again)", "index_bytes"): control}

    nights(sizes(1000.0, 1000.0), spec=spec)
    _, notes = nights(sizes(1030.0, 1030.0), sizes(1030.0, 1030.0), spec=spec)
    again = nights.asked[-1]
    assert ([one.name for one in again.systems], [one.name for one in again.fusions]) == (["s", "t"], ["both"])
    assert notes == ["measured again, to be sure: both"]
    nights(sizes(1030.0, 1090.0), sizes(1030.0, 1090.0), spec=spec)
    assert len(nights.asked) == 5


def test_a_null_control_alone_is_not_measured_again(nights):
    nights({("s (again)", "index_bytes"): 1000.0})
    _, notes = nights({("s (again)", "index_bytes"): 1030.0})
    assert (len(nights.asked), notes) == (2, [])


def test_a_night_does_not_try_again_what_cannot_change(tmp_path):
    """A stage that was found incompatible has the same key tonight, and is told without a process being started."""
    spec, store, heard = load_small(tmp_path), Store(tmp_path / "store"), Recorder()
    _, _, stages = plan_experiment(spec)
    for stage in stages:
        if stage.kind == "prepare":
            store.note_failure(stage.key, "incompatible", "why it was")
    failed = nightly._measure(spec, store, tmp_path / "run", heard, lambda stage: stage.measures != "nothing")
    assert ("prepare mine", "incompatible: why it was") in failed
    assert heard.begun == ["compile loops of the engines"]


def test_a_damaged_history_is_refused_before_anything_is_measured(nights):
    nights({"index_bytes": 1.0})
    nights.history.files()[0].write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be read") as caught:
        nights()  # a measurement would be one too many
    assert caught.value.file == nights.history.files()[0]


def test_a_night_that_measured_nothing_is_not_judged_by_the_night_before(nights):
    """Its history ends with the night before, which regressed; that is no finding of tonight."""
    rng = np.random.default_rng(1)

    def times(factor=1.0):
        return {"latency_total/p50": 1e-3 * factor * (1 + 0.008 * rng.standard_normal())}

    for _ in range(14):
        nights(times(), times(), spare=True)
    codes = [nights(times(1.2), times(1.2), spare=True)[0].exit_code for _ in range(3)]
    assert codes[-1] == 1
    found, notes = nights({}, failed=[("build x", "oom: too much")])
    assert (found.exit_code, found.findings, found.state) == (2, [], "incomplete")
    assert notes == []


def test_the_first_night_has_no_night_before_and_the_next_one_has(nights):
    found, _ = nights({"index_bytes": 1.0})
    assert list(found.since) == ["last week"]
    found, _ = nights({"index_bytes": 1.0})
    assert found.since["last night"].day == 1
    found, _ = nights({}, failed=[("build x", "oom: too much")])
    assert found.since["last night"].day == 2


def test_what_could_not_be_confirmed_stays_a_regression(nights):
    """The system failed when it was measured again: the first measurement stands."""
    nights({"index_bytes": 1000.0})
    found, _ = nights({"index_bytes": 1030.0}, {})
    assert [finding.key[2] for finding in found.findings] == ["index_bytes"]
    assert found.exit_code == 1


def test_a_spec_without_confirmation_measures_once(nights, tmp_path):
    spec = load_small(tmp_path / "other", systems=[system("s")], nightly={"confirm": False})
    nights({"index_bytes": 1000.0}, spec=spec)
    found, notes = nights({"index_bytes": 1030.0}, spec=spec)
    assert (found.exit_code, notes) == (1, [])


def test_a_release_is_a_night_that_news_are_counted_from(nights, tmp_path):
    spec = load_small(tmp_path / "other", systems=[system("s")], nightly={"release": "aaaaaa"})
    for revision in ("a" * 40, "b" * 40, "c" * 40):
        found, _ = nights({"index_bytes": 1000.0}, revision=revision, spec=spec)
    assert found.since["the release"].day == 1
    assert [since.title for since in found.news] == ["last night", "last week", "the release"]
