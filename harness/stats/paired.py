"""Paired comparison of two systems over the same queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def paired_randomisation(first: ArrayLike, second: ArrayLike, *, seed: int = 0, resamples: int = 10_000) -> float:
    """Two-sided p-value of Fisher's randomisation test on the mean difference (Smucker, Allan and Carterette 2007).

    Each pair's difference keeps or changes its sign; exact where 2^n is at most `resamples`, else sampled with seed.

    Args:
        first: One value a query.
        second: One value a query, the same queries.
        seed: Of the sampling.
        resamples: Sampled sign patterns.
    """
    from scipy import stats

    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if not difference.any():
        return 1.0
    found = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=resamples,
        batch=max(1, 4_000_000 // len(difference)),
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values for a family of tests (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
