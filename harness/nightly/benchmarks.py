"""Suites of pyperf in the history, judged by the rules of the nightly run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.history.pyperf_entry import PREFIX
from harness.history.schema import rows_of, to_table
from harness.history.series import series
from harness.nightly import findings as judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.history import Entry, History
    from harness.history.schema import Row
    from harness.history.series import Key, Night
    from harness.nightly.accepted import Accepted
    from harness.nightly.findings import Finding
    from harness.spec.nightly import ThresholdSpec


def benchmark_series(rows: Iterable[Row]) -> dict[Key, list[Night]]:
    """The series of all suites, oldest first; a suite stands in place of a collection, a benchmark of a system."""
    return series(row for row in rows if row["spec"].startswith(PREFIX))


def judged(
    entry: Entry, history: History, given: Mapping[str, ThresholdSpec], accepted: Sequence[Accepted]
) -> tuple[Entry, list[Finding]]:
    """A suite with its verdict, before it is added: good or regressed, and what regressed.

    Values that are older than the last ones of their series are not judged: they are good.

    Args:
        entry: Of `harness.history.pyperf_entry.entry_of_pyperf`.
        history: What was measured before.
        given: Thresholds.
        accepted: Regressions that are accepted.

    Raises:
        UserError: The history is damaged.
    """
    rows = [*history.rows(entry.spec), *rows_of(to_table(entry))]
    known = benchmark_series(sorted(rows, key=lambda row: row["created"]))
    newest = {key: nights for key, nights in known.items() if nights[-1].id == entry.id}
    findings = judge.of_history(newest, given, accepted)
    regressed = any(not finding.accepted for finding in findings)
    return replace(entry, state="regressed" if regressed else "good"), findings
