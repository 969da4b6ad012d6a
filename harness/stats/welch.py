"""Two sides that were each measured in several processes: the ratio of their means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Estimate = tuple[float, float, float]
"""(value, low, high)."""


def ratio_of_means(head: ArrayLike, base: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Ratio of two means of independent processes, with the interval of Welch's t on the log scale.

    Args:
        head: One value a process, positive, one dimension, at least two.
        base: Likewise; the numbers of processes may differ.
        confidence: Of the interval.

    Returns:
        (mean of head / mean of base, low, high).

    Raises:
        ValueError: A side has fewer than two values, or one that is not positive and finite.
    """
    from scipy.special import stdtrit

    sides = [np.asarray(side, np.float64) for side in (head, base)]
    for side in sides:
        if side.ndim != 1 or len(side) < 2 or not np.isfinite(side).all() or (side <= 0).any():
            raise ValueError("each side needs two or more positive, finite values")
    value = float(sides[0].mean() / sides[1].mean())
    # Of the log of a mean the variance is that of the mean over its square (delta method).
    parts = [float(side.var(ddof=1) / len(side) / side.mean() ** 2) for side in sides]
    total = sum(parts)
    if total == 0:
        return value, value, value
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(total)
    return value, value * math.exp(-reach), value * math.exp(reach)
