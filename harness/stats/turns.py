"""Two things timed in turns, query by query: their ratio, with an interval that single bad processes do not widen."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Estimate: TypeAlias = tuple[float, float, float]


def ratio_in_turns(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """How many times as long the first one takes as the second: (value, low, high).

    A ratio is of one query's two times in one pass. They are milliseconds apart, so what slows the machine for longer
    falls on both. Each pair of processes counts by the median of its ratios. The estimate is the
    median over pairs, because a few processes have an unlucky layout of memory. Its interval is that of the order
    statistics (the inverted sign test; Thompson 1936). It needs no assumption about the noise. It covers at least as
    often as `confidence` says, unless there are too few pairs for any interval to do so.

    Args:
        first: Pairs x passes x queries, positive; row i was timed in turns with row i of `second`.
        second: The same shape.
        confidence: Of the interval.

    Raises:
        ValueError: Shapes differ, or a value is not positive.
    """
    left, right = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if left.shape != right.shape or left.ndim != 3 or not left.size or not min(left.min(), right.min()) > 0:
        raise ValueError("two arrays of positive times are needed, pairs x passes x queries")
    ratios = np.sort(np.median(np.log(left / right).reshape(len(left), -1), axis=1))
    low, high = _limits(ratios, confidence)
    return float(np.exp(np.median(ratios))), float(np.exp(low)), float(np.exp(high))


def coverage(pairs: int) -> float:
    """How sure an interval of this many pairs can be at most: it misses where all lie on one side of the median."""
    return 1 - 0.5 ** (pairs - 1)


def _limits(ordered: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """The innermost order statistics that cover the median often enough; the outermost where none do."""
    from scipy import stats

    count = len(ordered)
    out = int(stats.binom.ppf((1 - confidence) / 2, count, 0.5))
    while out > 0 and 2 * stats.binom.cdf(out - 1, count, 0.5) > 1 - confidence:
        out -= 1
    out = max(out, 1)
    return float(ordered[out - 1]), float(ordered[count - out])
