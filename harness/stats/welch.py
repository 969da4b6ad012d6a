"""Means of several samples with variances of their own (Welch 1947): their sum, and the ratio of two of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    sides = [np.asarray(side, np.float64) for side in (head, base)]
    for side in sides:
        if side.ndim != 1 or len(side) < 2 or not np.isfinite(side).all() or (side <= 0).any():
            raise ValueError("each side needs two or more positive, finite values")
    value = float(sides[0].mean() / sides[1].mean())
    # Of the log of a mean the variance is that of the mean over its square (delta method).
    reach = reach_of(
        [(float(side.var(ddof=1) / len(side) / side.mean() ** 2), len(side) - 1) for side in sides], confidence
    )
    return value, value * math.exp(-reach), value * math.exp(reach)


def reach_of(parts: Sequence[tuple[float, int]], confidence: float) -> float:
    """Half of the width of the interval of a sum of independent means; 0 where nothing varies.

    Args:
        parts: Of each mean its variance and its degrees of freedom.
        confidence: Of the interval.
    """
    total = sum(variance for variance, _ in parts)
    return student(freedom_of(parts), confidence) * math.sqrt(total) if total > 0 else 0.0


def freedom_of(parts: Sequence[tuple[float, int]]) -> float:
    """The degrees of freedom of a sum of independent means (Satterthwaite 1946); infinity where nothing varies.

    Args:
        parts: Of each mean its variance and its degrees of freedom.
    """
    lost = sum(variance**2 / degrees for variance, degrees in parts if variance > 0)
    return sum(variance for variance, _ in parts) ** 2 / lost if lost > 0 else math.inf


def student(freedom: float, confidence: float) -> float:
    """How many standard errors the interval of a mean reaches to each side."""
    from scipy.special import ndtri, stdtrit  # a tenth of the import time of scipy.stats

    share = (1 + confidence) / 2
    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))
