"""Distribution-free intervals of quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.stats.bootstrap import checked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def quantile_interval(values: ArrayLike, q: float, *, confidence: float = 0.95) -> tuple[float, float, float] | None:
    """A quantile with the interval between two order statistics (Conover 1999, section 3.2): (value, low, high).

    It assumes independent observations and nothing about their distribution; it covers at least `confidence`.

    Args:
        values: Observations, one dimension.
        q: Between 0 and 1, both excluded.
        confidence: Of the interval.

    Returns:
        None where the sample is too small for such an interval: no order statistic is sure enough to lie beyond.

    Raises:
        ValueError: No or not finite values, or q not between 0 and 1.
    """
    from scipy import stats

    if not 0 < q < 1:
        raise ValueError(f"a quantile between 0 and 1 is needed, not {q}")
    data = np.sort(checked(values))
    n, tail = len(data), (1 - confidence) / 2
    # The number of observations below the true quantile is binomial(n, q).
    low = int(stats.binom.ppf(tail, n, q)) - 1
    high = int(stats.binom.ppf(1 - tail, n, q))
    if low < 0 or high >= n:
        return None
    return float(np.quantile(data, q)), float(data[low]), float(data[high])
