"""What a family of systems costs where it is as good as another system."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
RESAMPLES = 1000


class Matched(NamedTuple):
    """The cost at equal quality with its interval; `inf` where the family does not get there."""

    value: float
    low: float
    high: float


def cost_at_gain(costs: ArrayLike, gains: ArrayLike, target: float) -> float:
    """The smallest cost at which a family reaches a gain, between its members on the logarithm of the cost.

    Only members that gain more than all cheaper ones count.

    Args:
        costs: One a member, positive.
        gains: One a member.
        target: The gain that is to be reached.

    Returns:
        The cheapest member's cost where even that reaches the target; infinity where none does.
    """
    return float(_reached(np.asarray(costs, np.float64), np.asarray(gains, np.float64)[None], np.asarray([target]))[0])


def matched_cost(
    costs: ArrayLike,
    gains: Floats,
    target: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Matched:
    """`cost_at_gain` at another system's mean gain, with a percentile bootstrap interval over the queries.

    The same queries are drawn for the family and for the other system, so that what makes a query hard cancels. The
    costs are taken as they are: bytes have no chance in them, and times have less than quality has.

    Args:
        costs: One a member, positive.
        gains: Members x queries.
        target: One a query, of the system to be equalled.
        confidence: Of the interval.
        seed: Of the resampling.
        resamples: Number of resamples.

    Raises:
        ValueError: There is no member or query, a cost is not positive, or the shapes differ.
    """
    prices, table, other = (np.asarray(values, np.float64) for values in (costs, gains, target))
    if table.ndim != 2 or not table.size or table.shape != (len(prices), len(other)) or prices.min() <= 0:
        raise ValueError("positive costs, gains of members x queries and a target of the same queries are needed")
    value = cost_at_gain(prices, table.mean(axis=1), float(other.mean()))
    weights = _weights(len(other), seed, resamples)
    drawn = _reached(prices, weights @ table.T, weights @ other)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    return Matched(value, float(low), float(high))


@lru_cache(maxsize=2)
def _weights(queries: int, seed: int, resamples: int) -> Floats:
    """How often each query is drawn, as a share: resamples x queries. A report asks for the same many times."""
    drawn = np.random.default_rng(seed).integers(queries, size=(resamples, queries))
    counts = np.zeros((resamples, queries))
    np.add.at(counts, (np.arange(resamples)[:, None], drawn), 1 / queries)
    return counts


def _reached(costs: Floats, gains: Floats, targets: Floats) -> Floats:
    """For each row of gains (draws x members) the cost at which its target is reached."""
    order = np.argsort(costs, kind="stable")
    prices, best = np.log(costs[order]), np.maximum.accumulate(gains[:, order], axis=1)
    beyond = best >= targets[:, None]
    place = np.where(beyond.any(axis=1), beyond.argmax(axis=1), len(costs))
    found = np.full(len(targets), np.inf)
    first = place == 0
    found[first] = prices[0]
    rows = np.flatnonzero((place > 0) & (place < len(costs)))
    after = place[rows]
    # The last member that raised the best gain so far: those between add nothing for what they cost.
    level = best[rows, after - 1]
    before = (best[rows] >= level[:, None]).argmax(axis=1)
    share = (targets[rows] - level) / (best[rows, after] - level)
    found[rows] = prices[before] + share * (prices[after] - prices[before])
    reached: Floats = np.exp(found)
    return reached
