"""A curve of settings that were tried on the same queries: what else it might have been."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from harness.stats.bootstrap import weights
from harness.stats.levels import drawn_mean_times
from harness.stats.matching import RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"


class DrawnCurve(NamedTuple):
    """Resamples x settings: mean cost, and mean gain."""

    costs: Floats
    gains: Floats


def drawn_curve(
    gains: Floats,
    scored: Ints,
    times: Sequence[Floats],
    timed: Ints,
    queries: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> DrawnCurve:
    """Means of all settings under other queries, and in other processes.

    A draw has the same queries for the gains and the times of all settings: a query that is hard, or slow, or both, is
    so for all of them. Not every query needs to be scored or timed; each mean is over those of a draw that are.

    Args:
        gains: Settings x scored queries.
        scored: Numbers of the scored queries.
        times: Of each setting processes x timed queries (x repeats); positive.
        timed: Numbers of the timed queries.
        queries: How many there are in all.
        seed: Of the resampling.
        resamples: Number of draws.

    Raises:
        ValueError: A time is missing or not positive, or the shapes differ.
    """
    if gains.shape != (len(times), len(scored)):
        raise ValueError("gains of settings x scored queries are needed, and times of each setting")
    drawn = weights(queries, seed, resamples)
    costs = drawn_mean_times(times, _shares(drawn, timed), seed=seed)
    return DrawnCurve(costs, np.asarray(_shares(drawn, scored) @ gains.T))


def _shares(drawn: Floats, some: Ints) -> Floats:
    """The share that each of some queries has among those of them that were drawn; equal ones where none was."""
    own = drawn[:, some]
    total = own.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, own / np.where(total > 0, total, 1.0), 1 / len(some)))
