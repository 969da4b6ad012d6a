"""Where a run's mean over a suite stands among published means: a range of ranks."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from harness.runs.suites import incomplete, over, systems_of
from reports.exports.quoted import read_quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.records import Record
    from harness.runs.read import RunData
    from harness.spec.suite import Suite

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Standing:
    """One system among the published means of other models over the same tasks.

    Attributes:
        system: Its name.
        suite: Name of the suite.
        place: The rank of its mean, from 1.
        first: The rank at the upper end of the mean's interval.
        last: The rank at the lower end.
        count: Models in the ranking, the system included.
        sentence: All of it in words, or why there is no rank.
    """

    system: str
    suite: str
    sentence: str
    place: int | None = None
    first: int | None = None
    last: int | None = None
    count: int | None = None


def standings(run: RunData, scores: Path) -> list[Standing]:
    """Every system on every suite whose tasks are all columns of the file.

    Args:
        run: With its suites.
        scores: CSV: a column of models, then one of nDCG@10 a task. Models without a score of every task of the suite
            are left out, and so is the row of the system itself.

    Raises:
        UserError: The file is broken.
    """
    rows = []
    for suite in run.suites:
        published = _means(suite, scores)
        if published:
            rows += [_standing(run, suite, system, published) for system in systems_of(run, suite)]
    return rows


def _means(suite: Suite, scores: Path) -> dict[str, float]:
    """The published mean over the tasks of a suite, of models that have all."""
    rows = read_quoted(scores, list(suite.tasks), needed=False)
    return {name: fmean(values.values()) for name, values in rows if len(values) == len(suite.tasks)}


def _standing(run: RunData, suite: Suite, system: str, published: Mapping[str, float]) -> Standing:
    row = over(run, suite, system, METRIC)
    if row is None:
        why = incomplete(run, suite, system, METRIC)
        return Standing(system, suite.name, f"No rank among published means: {why}")
    others = {name: mean for name, mean in published.items() if name != system}

    def rank(value: float) -> int:
        return 1 + sum(mean > value for mean in others.values())

    low, high = (row.value if end is None else end for end in (row.ci_low, row.ci_high))
    first, place, last, count = rank(high), rank(row.value), rank(low), len(others) + 1
    ranks = f"rank {place} of {count}"
    if row.ci_low is None:
        ranks += "; there is no interval of the mean, and so no range of ranks"
    elif first != last:
        ranks += f", {first} to {last} within the interval"
    own = f" Its own published mean, {published[system]:.4f}, is no rival here." if system in published else ""
    text = (
        f"{system}: mean nDCG@10 {row.value:.4f} over {suite.name}{_interval(run, row)}; {ranks}, among {len(others)} "
        f"published means, which are taken as exact.{own}"
    )
    return Standing(system, suite.name, text, place, first, last, count)


def _interval(run: RunData, row: Record) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    return f" ({100 * run.confidence:g}% interval over queries within tasks {row.ci_low:.4f} to {row.ci_high:.4f})"
