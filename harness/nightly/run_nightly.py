"""The nightly run: measure, hold against the last good run and the history, measure again what is suspected, tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.experiment import run_experiment
from harness.files import write_whole
from harness.history import History, entry_of
from harness.history.series import Key, series
from harness.measure.null_control import AGAIN, doubled
from harness.nightly import findings as judge
from harness.nightly import summaries
from harness.nightly.compare_runs import differences
from harness.nightly.night import Night
from harness.nightly.thresholds import threshold
from harness.runs import layout
from harness.runs.read import RunData, load_run
from reports.pages.trend_page import write_trend
from reports.sections.trend_sections import news

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.nightly.accepted import Accepted
    from harness.nightly.findings import Finding
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Watcher
    from harness.pipeline.store.local import Store
    from harness.spec.models import Spec

KEPT = ("prepare", "pairs", "fit")
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
        watcher: Is told what happens.
    """
    started = datetime.now(UTC)
    folder = out / f"{started:%Y%m%dT%H%M%S.%f}"
    given = spec.head.nightly.thresholds
    failed = _measure(doubled(spec, [spec.systems[0].name]), store, folder, watcher, lambda stage: stage.timed)
    entry = entry_of(folder)
    night = Night(entry.id, spec.name, entry.created.isoformat(), folder, failed=failed)
    rows = history.table(spec.name).to_pylist()
    first = _rows(entry)
    head, again = load_run(folder), None
    base = _last_good(rows, head)
    if base is None:
        night.notes.append("there is no good run to compare with yet")
    wanted = judge.suspects(_tonight(rows + first), given)
    if base is not None:
        wanted |= {one.key[1] for one in judge.against(base, head, given, accepted) if not one.accepted}
    if wanted and spec.head.nightly.confirm:
        watcher.note(f"measured again, to be sure: {', '.join(sorted(wanted))}")
        chosen = replace(spec, systems=tuple(one for one in spec.systems if one.name in wanted))
        night.failed += _measure(
            chosen, store, folder / "again", watcher, lambda stage: stage.timed or stage.kind not in KEPT
        )
        again = entry_of(folder / "again", confirms=entry.id)
        first += _rows(again)
    found = judge.of_history(_tonight(rows + first), given, accepted)
    if base is not None:
        found += _confirmed(base, head, folder / "again" if again else None, given, accepted)
    night.findings = sorted(found, key=lambda one: (bool(one.accepted), one.key))
    night.state = "regressed" if any(not f.accepted for f in found) else "incomplete" if night.failed else "good"
    history.add(replace(entry, state=night.state))
    if again is not None:
        history.add(replace(again, state=night.state))
    _tell(night, spec, history, out)
    return night


def _measure(
    spec: Spec, store: Store, folder: Path, watcher: Watcher, anew: Callable[[Stage], bool]
) -> list[tuple[str, str]]:
    """Run a spec into a folder; what could not be measured, with the reason."""
    run = run_experiment(spec, store=store.root, out=folder, retry="failed", again=anew, progress=watcher)
    run.report()
    return run.failed


def _rows(entry: Any) -> list[dict[str, Any]]:
    from harness.history.schema import to_table

    rows: list[dict[str, Any]] = to_table(entry).to_pylist()
    return rows


def _tonight(rows: list[dict[str, Any]]) -> dict[Key, list[Any]]:
    """The series that tonight's run goes on with."""
    found = series(rows)
    last = max((row["created"] for row in rows if not row["confirms"]), default=None)
    return {key: nights for key, nights in found.items() if nights and nights[-1].created == last}


def _last_good(rows: Sequence[dict[str, Any]], head: RunData) -> RunData | None:
    """The last good run whose files are still there and whose data are the same; else what the history knows of it."""
    from harness.records import Record

    good = [row for row in rows if row["state"] in ("good", "") and not row["confirms"]]
    if not good:
        return None
    last = [row for row in good if row["id"] == good[-1]["id"]]
    folder = Path(last[0]["folder"])
    if layout.is_finished(folder):
        base = load_run(folder)
        return base if not [text for text in differences(base, head) if "machines" not in text] else None
    names = {name for name in Record.__dataclass_fields__ if name != "run"}
    data = {name: facts.get("revision") for name, facts in head.facts["collections"].items()}
    records = [
        Record(run=row["run"], **{name: row[name] for name in names})
        for row in last
        if row["data"] == data.get(row["collection"])
    ]
    return RunData.of_records(folder, records, revision=last[0]["revision"])


def _confirmed(
    base: RunData, head: RunData, again: Path | None, given: Any, accepted: Sequence[Accepted]
) -> list[Finding]:
    """What regressed against the last good run, and did so in both measurements where there are two."""
    found = judge.against(base, head, given, accepted)
    if again is None:
        return found
    second = {one.key for one in judge.against(base, load_run(again), given, accepted)}
    measured = {system["name"] for system in load_run(again).systems if system["status"] == "ok"}
    return [one for one in found if one.key in second or one.key[1] not in measured]


def _tell(night: Night, spec: Spec, history: History, out: Path) -> None:
    """Write the page, the summaries and the feed."""
    rows = history.table(spec.name).to_pylist()
    known = series(rows)
    given = spec.head.nightly.thresholds
    watched = {
        key: nights
        for key, nights in known.items()
        if threshold(key[2], given) is not None and not key[1].endswith(AGAIN)
    }
    night.watched = list(watched)
    ends = {"last night": night_before(known), "last week": datetime.fromisoformat(night.created) - timedelta(days=7)}
    if spec.head.nightly.release:
        ends["the release"] = _release(known, spec.head.nightly.release)
    night.since = {title: end for title, end in ends.items() if end is not None}
    night.news = [(title, news(watched, end)) for title, end in night.since.items()]
    write_whole(out / "junit.xml", summaries.junit(night), errors="replace")
    write_whole(out / "summary.md", summaries.markdown(night), errors="replace")
    path = out / "feed.json"
    write_whole(
        path, summaries.feed(night, path.read_text(encoding="utf-8") if path.exists() else ""), errors="replace"
    )
    write_trend(out / "index.html", night, watched, known)


def night_before(known: dict[Key, list[Any]]) -> datetime | None:
    """When the run before the last one ended."""
    times = sorted({one.created for nights in known.values() for one in nights})
    return times[-2] if len(times) > 1 else None


def _release(known: dict[Key, list[Any]], revision: str) -> datetime | None:
    times = [n.created for nights in known.values() for n in nights if n.revision.startswith(revision)]
    return min(times, default=None)
