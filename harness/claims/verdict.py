"""The verdict on a claim: its word, its numbers and its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.spec.claim import Relation

Word: TypeAlias = Literal["supported", "contradicted", "inconclusive", "not comparable", "not measured"]
Numbers: TypeAlias = tuple[float, float, float]
"""(value, low, high)."""
RATIOS = ("reduction_at_least", "ratio_at_most", "ratio_at_least")


@dataclass(frozen=True)
class Estimate:
    """What a relation bounds (value, reduction, ratio or difference), with its interval in numbers and words."""

    value: float
    low: float
    high: float
    interval: str = ""
    """Such as "95% interval"; empty where the value is exact."""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of the interval; None where the value is exact."""
        return (self.low, self.high) if self.interval else None


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim on one collection or suite.

    `value`, `low` and `high` are of the quantity that the relation bounds (value, reduction, ratio or difference); None
    where there is none. `sentence` can be quoted. `collection` is the suite's name for a claim on a suite.
    """

    claim: str
    collection: str
    word: Word
    sentence: str
    bound: float
    value: float | None = None
    low: float | None = None
    high: float | None = None


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: all supported; 1: one is contradicted; 2: one has another word, or there are none."""
    words = {verdict.word for verdict in verdicts}
    if "contradicted" in words:
        return 1
    return 0 if words == {"supported"} else 2


def word_of(relation: Relation, bound: float, low: float, high: float) -> Word:
    """Supported: the whole interval satisfies the relation. Contradicted: none of it does. Inconclusive: neither."""
    if relation == "equivalent_within":
        inside, outside = -bound < low and high < bound, high <= -bound or low >= bound
    elif relation.endswith("at_least"):
        inside, outside = low >= bound, high < bound
    else:
        inside, outside = high <= bound, low > bound
    return "supported" if inside else "contradicted" if outside else "inconclusive"


def as_relation(relation: Relation, ratio: Numbers) -> Numbers:
    """A ratio with its interval as the relation bounds it: itself, or the reduction."""
    value, low, high = ratio
    return (1 - value, 1 - high, 1 - low) if relation == "reduction_at_least" else (value, low, high)


def point(relation: Relation, ours: float, theirs: float | None = None) -> float:
    """What a relation bounds: of one value itself, of two their reduction, ratio or difference."""
    if theirs is None:
        return ours
    if relation in RATIOS:
        return 1 - ours / theirs if relation == "reduction_at_least" else ours / theirs
    return ours - theirs
