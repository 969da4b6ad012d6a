"""What a family of systems costs where it is as good as another system."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from harness.stats.bootstrap import weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Estimate: TypeAlias = tuple[float, float, float]
RESAMPLES = 1000


class Matched(NamedTuple):
    """The cost at equal quality, and its ratio to the other's own cost, each (value, low, high).

    `inf` where the family does not get there.
    """

    cost: Estimate
    ratio: Estimate


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
    theirs: float,
    *,
    drawn: Floats | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Matched:
    """`cost_at_gain` at another system's mean gain, with a percentile bootstrap interval.

    Gains: the same queries are drawn for the family and for the other system, so that what makes a query hard cancels.
    Costs: counts have no chance in them; of times `drawn` holds what else might have been measured, and each draw of
    the gains meets one of the costs. Whether slow queries are the hard ones is left out of account.

    Args:
        costs: One a member, positive.
        gains: Members x queries.
        target: One a query, of the system to be equalled.
        theirs: The cost of that system, positive.
        drawn: Resamples x (members, then the other system), positive, see `harness.stats.levels.drawn_percentile`;
            None for costs that do not vary.
        confidence: Of the intervals.
        seed: Of the resampling.
        resamples: Number of resamples; as many as `drawn` has.

    Raises:
        ValueError: There is no member or query, a cost is not positive, or the shapes differ.
    """
    prices, table, other = (np.asarray(values, np.float64) for values in (costs, gains, target))
    if table.ndim != 2 or not table.size or table.shape != (len(prices), len(other)) or min(*prices, theirs) <= 0:
        raise ValueError("positive costs, gains of members x queries and a target of the same queries are needed")
    if drawn is not None and (drawn.shape != (resamples, len(prices) + 1) or not drawn.min() > 0):
        raise ValueError("drawn costs must be positive, resamples x members and the other system")
    value = cost_at_gain(prices, table.mean(axis=1), float(other.mean()))
    shares = weights(len(other), seed, resamples)
    found = _reached(prices if drawn is None else drawn[:, :-1], shares @ table.T, shares @ other)
    ratios = found / (theirs if drawn is None else drawn[:, -1])
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    (low, high), (least, most) = (
        map(float, np.quantile(values, ends, method="inverted_cdf")) for values in (found, ratios)
    )
    return Matched((value, low, high), (value / theirs, least, most))


def _reached(costs: Floats, gains: Floats, targets: Floats) -> Floats:
    """For each row of gains (draws x members; costs alike, or one row for all) where its target is reached."""
    prices = np.broadcast_to(costs, gains.shape)
    order = np.argsort(prices, axis=1, kind="stable")
    prices = np.log(np.take_along_axis(prices, order, axis=1))
    best = np.maximum.accumulate(np.take_along_axis(gains, order, axis=1), axis=1)
    beyond = best >= targets[:, None]
    place = np.where(beyond.any(axis=1), beyond.argmax(axis=1), gains.shape[1])
    found = np.full(len(targets), np.inf)
    first = place == 0
    found[first] = prices[first, 0]
    rows = np.flatnonzero((place > 0) & (place < gains.shape[1]))
    after = place[rows]
    # The last member that raised the best gain so far: those between add nothing for what they cost.
    level = best[rows, after - 1]
    before = (best[rows] >= level[:, None]).argmax(axis=1)
    share = (targets[rows] - level) / (best[rows, after] - level)
    found[rows] = prices[rows, before] + share * (prices[rows, after] - prices[rows, before])
    reached: Floats = np.exp(found)
    return reached
