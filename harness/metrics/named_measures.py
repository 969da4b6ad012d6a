"""Metrics of quality by the names that ir_measures gives them, such as ``AP`` or ``P@5``."""

from __future__ import annotations

import difflib
import math
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from harness.metrics.base import Metric, QualityMetricBase

if TYPE_CHECKING:
    from ir_measures import Measure

    from harness.metrics.base import Direction, QualityMetric

LIBRARIES = ("ir-measures", "pytrec_eval-terrier")
COUNTED = ("NumQ", "NumRel", "NumRet")
"""Measures that count; all others are shares from 0 to 1."""


@cache
def named_measure(name: str) -> type[QualityMetric] | None:
    """The metric of a name of ir_measures; None where it knows no such measure, or cannot compute it here.

    Args:
        name: A measure as ir_measures writes it, without a slash.
    """
    measure = _parsed(name)
    if measure is None or "/" in name or not _computable(measure):
        return None
    unit, direction = _unit(measure)

    class NamedMeasure(QualityMetricBase):
        """A measure that ir_measures computes."""

        definition: ClassVar[Metric] = Metric(
            name,
            name,
            unit,
            direction,
            f"{measure} as ir_measures defines and computes it, mean over queries; a query without results counts 0.",
            sampled=direction == "neither" or unit == "count",
        )
        libraries: ClassVar[tuple[str, ...]] = LIBRARIES
        method: ClassVar[str] = f"ir_measures {measure}"

    NamedMeasure.measure = str(measure)
    return NamedMeasure


def nearest_measure(name: str) -> str:
    """The name of ir_measures nearest to one that it does not know, with the same cut-off; empty where none is near."""
    from ir_measures import measures

    known = [spelling for spelling in measures.registry if spelling.isascii()]
    known.sort(key=lambda spelling: spelling == measures.registry[spelling].NAME)  # the usual spelling wins
    base = name.partition("@")[0].partition("(")[0]
    folded = {spelling.casefold(): spelling for spelling in known}
    near = difflib.get_close_matches(base.casefold(), folded, n=1, cutoff=0.5)
    nearest = f"{folded[near[0]]}{name[len(base) :]}" if near else ""
    return nearest if nearest and named_measure(nearest) else ""


def cut_off(name: str) -> float:
    """How many documents of a query a metric looks at, by the end of its name (``@10``); infinite without one."""
    _, at, count = name.rpartition("@")
    return int(count) if at and count.isdecimal() else math.inf


def _parsed(name: str) -> Measure | None:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, ValueError, AssertionError, TypeError, AttributeError, KeyError, RecursionError, MemoryError):
        return None
    return measure


def _computable(measure: Measure) -> bool:
    """Whether a provider that is installed here computes it."""
    from ir_measures import DefaultPipeline

    return bool(DefaultPipeline.supports(measure))


def _unit(measure: Measure) -> tuple[str, Direction]:
    if measure.NAME in COUNTED:
        return "count", "higher" if measure.NAME == "NumRet" and "rel" in measure.params else "neither"
    return "fraction", "neither" if measure.NAME == "Judged" else "higher"
