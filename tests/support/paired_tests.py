"""Textbook tests of paired samples, straight from scipy: what the tests hold the fast forms against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.bootstrap import differences

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Test:
    """A test's statistic and p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests: the p-value of "the difference is not inside the margin", and the verdict on it."""

    p_value: float
    equivalent: bool


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

    difference = differences(first, second)
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


def paired_t(first: ArrayLike, second: ArrayLike) -> Test:
    """Student's paired t-test, two-sided. Equal pairs throughout give p = 1, a constant difference p = 0."""
    from scipy import stats

    difference = differences(first, second)
    if len(difference) < 2 or np.ptp(difference) == 0:
        same = len(difference) < 2 or not difference.any()
        return Test(0.0 if same else float(np.copysign(np.inf, difference[0])), 1.0 if same else 0.0)
    found = stats.ttest_1samp(difference, 0.0)
    return Test(float(found.statistic), float(found.pvalue))


def tost(first: ArrayLike, second: ArrayLike, margin: float, *, confidence: float = 0.95) -> Equivalence:
    """Are two systems the same within a margin? Two one-sided paired t-tests (Schuirmann 1987).

    Args:
        first: One value a query.
        second: One value a query, the same queries.
        margin: Largest difference of the means, either way, that would not matter; positive.
        confidence: Of the verdict; alpha is 1 - confidence for each side.

    Raises:
        ValueError: The margin is not positive.
    """
    from scipy import stats

    if not margin > 0:
        raise ValueError(f"a positive margin is needed, not {margin}")
    difference = differences(first, second)
    if len(difference) < 2:
        return Equivalence(1.0, False)
    if np.ptp(difference) == 0:
        inside = abs(float(difference[0])) < margin
        return Equivalence(0.0 if inside else 1.0, inside)
    above = stats.ttest_1samp(difference, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(difference, margin, alternative="less").pvalue
    p_value = float(max(above, below))
    return Equivalence(p_value, p_value < 1 - confidence)


def effect_size(first: ArrayLike, second: ArrayLike) -> float:
    """Mean difference in standard deviations of the differences (Cohen's d_z, 1988); 0 where there is no difference."""
    difference = differences(first, second)
    mean = float(difference.mean())
    spread = float(np.std(difference, ddof=1)) if len(difference) > 1 else 0.0
    if spread == 0:
        return 0.0 if mean == 0 else float(np.copysign(np.inf, mean))
    return mean / spread
