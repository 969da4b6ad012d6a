"""The nightly run: measure, hold against the last good run and the history, measure again what is suspected, report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiment import run_experiment
from harness.files import write_whole
from harness.history import History, entry_of
from harness.history.schema import record_of, rows_of, to_table
from harness.history.series import Key, series
from harness.measure.null_control import AGAIN, doubled
from harness.nightly import findings as judge
from harness.nightly import summaries
from harness.nightly.benchmarks import benchmark_series
from harness.nightly.compare_runs import differences
from harness.nightly.night import Night
from harness.nightly.thresholds import threshold
from harness.runs import layout
from harness.runs.read import RunData, load_run
from reports.pages.trend_page import write_trend
from reports.sections.night_changes import Series, news

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.history.schema import Row
    from harness.history.series import Night as Value
    from harness.nightly.accepted import Accepted
    from harness.nightly.findings import Finding
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Watcher
    from harness.pipeline.store.local import Store
    from harness.spec.models import Spec
    from harness.spec.nightly import ThresholdSpec

REUSED = ("prepare", "pairs", "fit")
"""What a second measurement takes from the store: the data and the trained models."""


def run_nightly(
    spec: Spec, history: History, store: Store, out: Path, accepted: Sequence[Accepted], watcher: Watcher
) -> Night:
    """Run a spec, judge it, add it to the history and write the pages into `out`.

    A run is added to the history after it was judged: a nightly run killed before leaves the history as it was.

    Args:
        spec: The experiment; its first system is timed a second time as the null control.
        history: What was measured before.
        store: Where artefacts are kept. Everything timed is made anew.
        out: Folder of the pages; each run has a folder in it.
        accepted: Regressions that are accepted.
        watcher: Gets the progress and the notes.

    Raises:
        UserError: The history is damaged or cannot be written; nothing was measured then.
    """
    history.check()
    started = datetime.now(UTC)
    folder = out / f"{started:%Y%m%dT%H%M%S.%f}"
    given = spec.head.nightly.thresholds
    failed = _measure(doubled(spec, [spec.systems[0].name]), store, folder, watcher, _is_measured)
    entry = entry_of(folder)
    night = Night(entry.id, spec.name, entry.created.isoformat(), folder, failed=failed, title=spec.head.title)
    every = history.rows()
    rows = [row for row in every if row["spec"] == spec.name]
    benchmarks = benchmark_series(every)
    tonight = rows_of(to_table(entry))
    head, again = load_run(folder), None
    base = _last_good(rows, head)
    if base is None:
        night.notes.append("there is no good run to compare with yet")
    wanted = judge.suspects(_tonight(rows + tonight, entry.created), given)
    if base is not None:
        worse = judge.against(base, head, given, accepted)
        wanted |= {finding.key[1] for finding in worse if not finding.accepted}
    # Null controls run under names of their own, which the spec does not have.
    wanted &= {*(system.name for system in spec.systems), *(fusion.name for fusion in spec.fusions)}
    if wanted and spec.head.nightly.confirm:
        watcher.note(f"measured again, to be sure: {', '.join(sorted(wanted))}")
        night.failed += _measure(
            spec.only(wanted), store, folder / "again", watcher, lambda stage: stage.kind not in REUSED
        )
        again = entry_of(folder / "again", confirms=entry.id)
        tonight += rows_of(to_table(again))
    findings = judge.of_history(_tonight(rows + tonight, entry.created), given, accepted)
    if base is not None:
        findings += _confirmed(base, head, folder / "again" if again else None, given, accepted)
    findings += judge.of_history(benchmarks, given, accepted)
    night.findings = sorted(findings, key=lambda finding: (bool(finding.accepted), finding.key))
    regressions = [finding for finding in findings if not finding.accepted]
    night.state = "regressed" if regressions else "incomplete" if night.failed else "good"
    history.add(replace(entry, state=night.state))
    if again is not None:
        history.add(replace(again, state=night.state))
    _write_pages(night, spec, history, benchmarks, out)
    return night


def _is_measured(stage: Stage) -> bool:
    return stage.measures != "nothing" and stage.kind not in REUSED


def _measure(
    spec: Spec, store: Store, folder: Path, watcher: Watcher, anew: Callable[[Stage], bool]
) -> list[tuple[str, str]]:
    """Run a spec into a folder; what could not be measured, with the reason."""
    # One stage at a time: nights compare times that stages beside each other would change.
    run = run_experiment(spec, store=store.root, out=folder, retry="failed", again=anew, progress=watcher, jobs=1)
    run.report()
    return run.failed


def _tonight(rows: Sequence[Row], created: datetime) -> dict[Key, list[Value]]:
    """The series that the run of this time goes on with; none where nothing was measured."""
    return {key: nights for key, nights in series(rows).items() if nights and nights[-1].created == created}


def _last_good(rows: Sequence[Row], head: RunData) -> RunData | None:
    """The last good run whose files are still there and whose data are the same; else what the history knows of it."""
    good = [row for row in rows if row["state"] in ("good", "") and not row["confirms"]]
    if not good:
        return None
    last = [row for row in good if row["id"] == good[-1]["id"]]
    folder = Path(last[0]["folder"])
    if layout.is_finished(folder):
        base = load_run(folder)
        return base if not [text for text in differences(base, head) if "machines" not in text] else None
    data = {name: facts.get("revision") for name, facts in head.facts["collections"].items()}
    records = [record_of(row) for row in last if row["data"] == data.get(row["collection"])]
    return RunData.of_records(folder, records, revision=last[0]["revision"])


def _confirmed(
    base: RunData, head: RunData, again: Path | None, given: Mapping[str, ThresholdSpec], accepted: Sequence[Accepted]
) -> list[Finding]:
    """What regressed against the last good run, and did so in both measurements where there are two."""
    first = judge.against(base, head, given, accepted)
    if again is None:
        return first
    second = {finding.key for finding in judge.against(base, load_run(again), given, accepted)}
    measured = {system["name"] for system in load_run(again).systems if system["status"] == "ok"}
    return [finding for finding in first if finding.key in second or finding.key[1] not in measured]


def _write_pages(
    night: Night, spec: Spec, history: History, benchmarks: Mapping[Key, Sequence[Value]], out: Path
) -> None:
    """Write the page, the summaries and the feed; series of benchmarks stand behind those of the spec."""
    known = series(history.rows(spec.name))
    given = spec.head.nightly.thresholds
    watched = {
        key: nights
        for key, nights in (*known.items(), *benchmarks.items())
        if threshold(key[2], given) is not None and not key[1].endswith(AGAIN)
    }
    night.watched = list(watched)
    created = datetime.fromisoformat(night.created)
    ends = {"last night": night_before(known, created), "last week": created - timedelta(days=7)}
    if spec.head.nightly.release:
        ends["the release"] = _release(known, spec.head.nightly.release)
    night.since = {title: end for title, end in ends.items() if end is not None}
    shown = Series(watched, known)
    night.news = [news(title, shown, end) for title, end in night.since.items()]
    write_whole(out / "junit.xml", summaries.junit(night), errors="replace")
    write_whole(out / "summary.md", summaries.markdown(night), errors="replace")
    path = out / "feed.json"
    write_whole(
        path, summaries.feed(night, path.read_text(encoding="utf-8") if path.exists() else ""), errors="replace"
    )
    write_trend(out / "index.html", night, shown)


def night_before(known: dict[Key, list[Value]], created: datetime) -> datetime | None:
    """When the last run before this time ended; None where there is none."""
    times = (night.created for nights in known.values() for night in nights)
    return max((time for time in times if time < created), default=None)


def _release(known: dict[Key, list[Value]], revision: str) -> datetime | None:
    times = [night.created for nights in known.values() for night in nights if night.revision.startswith(revision)]
    return min(times, default=None)
