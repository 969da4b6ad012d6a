"""A verdict in one sentence that can be quoted: systems, codecs, the difference with its interval, and the claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.evidence import in_one_process
from harness.claims.verdict import RATIOS
from harness.runs.metrics import is_foreign, metric_of
from harness.spec.claim import ABSOLUTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims.evidence import Side
    from harness.records import Record
    from harness.spec.claim import ClaimSpec

_UNITS = {"bytes": " bytes", "seconds": " s", "joules": " J"}


def finding(
    claim: ClaimSpec,
    sides: Sequence[Side],
    row: Record,
    value: float,
    ends: tuple[float, float] | None = None,
    interval: str = "",
) -> str:
    """The measured value or difference and the claimed one, without a full stop.

    Args:
        claim: From a spec.
        sides: Of its system, and of its baseline where it has one.
        row: Our value of the claim's metric.
        value: The value, reduction, ratio or difference.
        ends: Of its interval; None where it has none.
        interval: What kind of interval that is, such as "95% interval".
    """
    part, known = claim.metric.partition("/")[2], metric_of(row)
    level = f" ({row.method})" if known.unit == "bytes" else ""
    what = f"{known.label} {part}".strip() + level
    first, *others = (_named(side, codec=known.unit == "bytes") for side in sides)
    unit = _UNITS.get(known.unit, "")
    bounds = "" if ends is None else _bounds(claim, *ends, unit, interval)
    if claim.relation in ABSOLUTE:
        way = "at most" if claim.relation == "at_most" else "at least"
        return f"{what} of {first} is {_shown(value)}{unit}{bounds}; claimed: {way} {_shown(claim.bound)}{unit}"
    second = others[0]
    if claim.relation == "reduction_at_least":
        digits = reduction_digits(value, claim.bound)
        difference = f"is {abs(value):.{digits}%} {'below' if value >= 0 else 'above'} that of {second}{bounds}"
        return f"{what} of {first} {difference}; claimed: at least {claim.bound:.{digits}%} below"
    if claim.relation in RATIOS:
        way = "at most" if claim.relation == "ratio_at_most" else "at least"
        return (
            f"{what} of {first} is {value:.4g} times that of {second}{bounds}; claimed: {way} {claim.bound:.4g} times"
        )
    difference = f"is {abs(value):.4g}{unit} {'above' if value >= 0 else 'below'} that of {second}{bounds}"
    if claim.relation == "equivalent_within":
        return f"{what} of {first} {difference}; claimed: within ±{claim.bound:.4g}{unit}"
    way = "at most" if claim.relation == "difference_at_most" else "at least"
    return f"{what} of {first} {difference}; claimed: a difference of {way} {claim.bound:+.4g}{unit}"


def reduction_digits(value: float, bound: float) -> int:
    """Decimals of a reduction in per cent: 1, or 3 where these alone tell it from the bound."""
    return 1 if round(value, 3) != round(bound, 3) or value == bound else 3


def unsettled(claim: ClaimSpec, sides: Sequence[Side]) -> str:
    """Why a value that varies has no interval for a verdict, without a full stop."""
    if in_one_process(claim, sides):
        return "It was measured in one process, and processes differ (raise measure.processes)"
    rows = [side.record(claim.metric) for side in sides]
    if is_foreign(claim.metric):
        return "No installed package defines this metric, and the run states no interval with the claim's confidence"
    if any(row is None or row.ci_low is None or row.ci_high is None for row in rows):
        if any(row is not None and metric_of(row).sampled for row in rows):
            return "It is a mean over queries, and the run states no interval of it"
        return "It was measured once and varies from run to run"
    known = min(side.evidence.confidence for side in sides)
    if claim.confidence > known:
        return f"The intervals of this run have a confidence of {known:.3g} (measure.confidence), less than the claim's"
    return "Its interval reaches down to 0"


def smallest(claim: ClaimSpec, sides: Sequence[Side]) -> float | None:
    """The smallest share of difference in a claim's times that a null control can show; None without a null control."""
    base, _, part = claim.metric.partition("/")
    if not base.startswith("latency_"):
        return None
    name = f"smallest_effect/{base.removeprefix('latency_')} {part}"
    rows = [side.record(name) for side in sides]
    return max((row.value for row in rows if row is not None), default=None)


def hidden(effect: float) -> str:
    """That the value is too near the bound, without a full stop."""
    return f"The value is within {effect:.1%} of the claim's bound, and the null control cannot show such a difference"


def floor(claim: ClaimSpec, effect: float | None = None) -> str:
    """A sentence on the limits of a verdict on times; empty for other metrics."""
    if claim.metric.partition("/")[0].endswith("_cpu"):
        return " The interval is over processes, for the queries that were timed."
    return "" if effect is None else f" Differences below {effect:.1%} cannot be shown here (null control)."


def _named(side: Side, *, codec: bool) -> str:
    return f"{side.name} ({side.codec})" if codec and side.codec else side.name


def _shown(value: float) -> str:
    """Four digits; a whole number that needs more has all of them."""
    return f"{value:,.0f}" if abs(value) >= 1e4 and float(value).is_integer() else f"{value:.4g}"


def _bounds(claim: ClaimSpec, low: float, high: float, unit: str, interval: str) -> str:
    """The interval; of a difference with the signs of its ends."""
    if claim.relation == "reduction_at_least":
        return f" ({interval} of the reduction {low:.1%} to {high:.1%})"
    if claim.relation in RATIOS:
        return f" ({interval} {low:.4g} to {high:.4g})"
    if claim.relation in ABSOLUTE:
        return f" ({interval} {_shown(low)} to {_shown(high)}{unit})"
    return f" ({interval} {low:+.4g} to {high:+.4g}{unit})"
