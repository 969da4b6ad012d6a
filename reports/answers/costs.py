"""What a claim's system costs in quality, time and memory, against its baseline or among all systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formatting import interval, label, number, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import Record
    from reports.answers.scope import Family, Scope

QUALITY = ("ndcg@10", "recall@100", "recall@10", "mrr@10")
"""The first of these that was measured says what is lost in quality."""
COSTS: tuple[tuple[Family, str, str], ...] = (
    ("time", "latency_total/p50", "the median query"),
    ("memory", "index_bytes_per_document", "the index"),
)
"""What the metric is about, its name, and what it is of."""


def costs(scope: Scope) -> str:
    """One sentence on what the claim itself is not about; says so where the run did not measure it."""
    parts = [*_of_quality(scope)] if scope.family != "quality" else []
    wanted = [(name, what) for family, name, what in COSTS if family != scope.family]
    # A claim on memory asks for quality and time, one on time for quality and memory, one on quality for both others.
    parts += [text for name, what in wanted if (text := _of_cost(scope, name, what))]
    if not parts:
        sides = " and ".join(filter(None, (scope.claim.system, scope.claim.baseline)))
        return f"This run measured nothing else of {sides}."
    against = f"Against {scope.claim.baseline}: " if scope.claim.baseline is not None else ""
    text = against + "; ".join(parts) + "."
    return text if text.startswith("nDCG") else text[0].upper() + text[1:]


def _of_quality(scope: Scope) -> Iterator[str]:
    for name in QUALITY:
        ours = scope.record(scope.claim.system, name)
        if ours is None:
            continue
        if scope.claim.baseline is None:
            yield _among(scope, ours, label(name))
            return
        theirs = scope.record(scope.claim.baseline, name)
        if theirs is not None:
            gap = _gap(scope, name)
            bounds = f" [{gap[1]:+.3f}, {gap[2]:+.3f}]" if gap else ""
            change = ours.value - theirs.value if gap is None else gap[0]
            yield f"{label(name)} {ours.value:.3f} instead of {theirs.value:.3f} ({change:+.3f}{bounds})"
            return


def _gap(scope: Scope, name: str) -> tuple[float, float, float] | None:
    """The difference of both sides over the queries that both have, with its interval."""
    from harness.stats.means import DIFFERENCE, difference
    from harness.stats.strata import suite_mean

    run, sides = scope.run, [scope.claim.system, str(scope.claim.baseline)]
    tables = [run.shared(collection, name, sides)[1] for collection in scope.collections]
    known = [table for table in tables if table is not None and table.size]
    if not known or len(known) < len(tables):
        return None
    if scope.suite is None:
        value, low, high = difference(*known[0], confidence=run.confidence)
        return value, low, high
    weights = [scope.suite.weights()[collection] for collection in scope.collections]
    gaps = [ours - theirs for ours, theirs in known]
    return suite_mean(gaps, weights, confidence=run.confidence, limits=DIFFERENCE)


def _of_cost(scope: Scope, name: str, what: str) -> str:
    ours = scope.record(scope.claim.system, name)
    if ours is None:
        return ""
    each = " a document" if name.endswith("per_document") else ""
    if scope.claim.baseline is None:
        return _among(scope, ours, f"{what}{each}")
    theirs = scope.record(scope.claim.baseline, name)
    if theirs is None:
        return ""
    text = f"{what} takes {_valued(ours)}{each} instead of {_valued(theirs)}"
    text += f" ({ratio(ours.value / theirs.value)} times)" if theirs.value > 0 else ""
    cells = {(collection, system) for collection in scope.collections for system in (ours.system, theirs.system)}
    return f"{text}, timing disturbed" if name.startswith("latency") and cells & scope.run.disturbed.keys() else text


def _among(scope: Scope, ours: Record, what: str) -> str:
    """A value and its place among all systems that have one."""
    names = dict.fromkeys(row["name"] for row in scope.run.systems if row["collection"] in scope.collections)
    rows = [row for name in names if (row := scope.record(name, ours.metric)) is not None]
    text = f"{what} {_valued(ours)}"
    if len(rows) < 2:
        return text
    better = max if ours.direction == "higher" else min
    first = better(rows, key=lambda row: row.value)
    if first.value == ours.value:
        return f"{text}, the best of {len(rows)} systems"
    place = 1 + _ahead(rows, ours)
    return f"{text}, place {place} of {len(rows)} (best: {first.system}, {number(first.value, first.unit)})"


def _ahead(rows: Sequence[Record], ours: Record) -> int:
    sign = 1 if ours.direction == "higher" else -1
    return sum(sign * row.value > sign * ours.value for row in rows)


def _valued(row: Record) -> str:
    bounds = interval(row)
    return f"{number(row.value, row.unit)} {bounds}" if bounds else number(row.value, row.unit)
