"""What a family of systems costs where it is as good as asked, and how good it is for a cost."""

from __future__ import annotations

import math
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


def gain_at_cost(costs: ArrayLike, gains: ArrayLike, budget: float) -> float:
    """The highest gain that a family reaches for a cost: the inverse of `cost_at_gain`.

    Args:
        costs: One a member, positive.
        gains: One a member.
        budget: The cost that may be spent, positive.

    Returns:
        The best member's gain where the budget pays for it; minus infinity where it pays for no member.
    """
    prices, values = np.asarray(costs, np.float64), np.asarray(gains, np.float64)
    order = np.lexsort((-values, prices))
    raises = [
        place for place, best in zip(order, np.maximum.accumulate(values[order]), strict=True) if values[place] == best
    ]
    front = [place for number, place in enumerate(raises) if not number or values[place] > values[raises[number - 1]]]
    if not front or budget < prices[front[0]]:
        return -math.inf
    return float(np.interp(math.log(budget), np.log(prices[front]), values[front]))


def costs_at_gain(costs: Floats, gains: Floats, target: float) -> Floats:
    """`cost_at_gain` of many draws at once.

    Args:
        costs: Draws x members, positive.
        gains: Draws x members.
        target: The gain that is to be reached.
    """
    return _reached(costs, gains, np.full(len(gains), target))


def gains_at_cost(costs: Floats, gains: Floats, budget: float) -> Floats:
    """`gain_at_cost` of many draws at once.

    Args:
        costs: Draws x members, positive.
        gains: Draws x members.
        budget: The cost that may be spent, positive.
    """
    order = np.lexsort((-gains, costs), axis=1)
    prices, best = np.log(np.take_along_axis(costs, order, axis=1)), np.take_along_axis(gains, order, axis=1)
    best = np.maximum.accumulate(best, axis=1)
    paid = (prices <= math.log(budget)).sum(axis=1)
    bought = np.full(len(costs), -np.inf)
    rows = np.flatnonzero(paid)
    level = best[rows, paid[rows] - 1]
    bought[rows] = level
    raises = best[rows] > level[:, None]
    between = raises.any(axis=1)  # a dearer member gains more: the budget lies between the two
    rows, level, after = rows[between], level[between], raises[between].argmax(axis=1)
    # The member that reached the level first: those between add nothing for what they cost.
    before = (best[rows] >= level[:, None]).argmax(axis=1)
    least, most = prices[rows, before], prices[rows, after]
    bought[rows] += (math.log(budget) - least) / (most - least) * (best[rows, after] - level)
    return bought


def ends_of(drawn: Floats, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of draws; an end is a draw, as there is nothing between a cost and "out of reach"."""
    ordered = np.sort(drawn)
    low, high = (
        max(math.ceil(len(ordered) * share - 1e-9) - 1, 0) for share in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    return float(ordered[low]), float(ordered[high])


def matched_cost(
    costs: ArrayLike,
    gains: Floats,
    target: ArrayLike,
    other_cost: float,
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
        other_cost: The cost of that system, positive.
        drawn: Resamples x (members, then the other system), positive, see `harness.stats.levels.drawn_percentiles`;
            None for costs that do not vary.
        confidence: Of the intervals.
        seed: Of the resampling.
        resamples: Number of resamples; that of `drawn` where it is given.

    Raises:
        ValueError: There is no member or query, a cost is not positive, or the shapes differ.
    """
    table, other = np.asarray(gains, np.float64), np.asarray(target, np.float64)
    if table.ndim != 2 or not table.size or table.shape[1:] != other.shape:
        raise ValueError("gains of members x queries and a target of the same queries are needed")
    both = np.vstack([table, other])
    means = drawn_means(both, seed=seed, resamples=resamples)
    return matched_means(costs, both.mean(axis=1), means, other_cost, drawn=drawn, confidence=confidence)


def drawn_means(table: Floats, *, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """Means of systems x queries over drawn queries, the same ones for all: resamples x systems."""
    return np.asarray(weights(table.shape[1], seed, resamples) @ table.T)


def matched_means(
    costs: ArrayLike,
    gains: Floats,
    drawn_gains: Floats,
    other_cost: float,
    *,
    drawn: Floats | None = None,
    confidence: float = 0.95,
) -> Matched:
    """`matched_cost` where the means are known.

    Args:
        costs: One a member, positive.
        gains: Mean gains of the members, then of the other system.
        drawn_gains: Resamples x the same, see `drawn_means`.
        other_cost: The cost of the other system, positive.
        drawn: As `matched_cost` takes it.
        confidence: Of the intervals.

    Raises:
        ValueError: A cost is not positive, or the shapes differ.
    """
    prices = np.asarray(costs, np.float64)
    if not len(prices) or gains.shape != (len(prices) + 1,) or min(*prices, other_cost) <= 0:
        raise ValueError("positive costs are needed, one a member, and a gain of each member and of the other system")
    if drawn is not None and (drawn.shape != drawn_gains.shape or not drawn.min() > 0):
        raise ValueError("drawn costs must be positive, resamples x members and the other system")
    value = cost_at_gain(prices, gains[:-1], float(gains[-1]))
    reached = _reached(prices if drawn is None else drawn[:, :-1], drawn_gains[:, :-1], drawn_gains[:, -1])
    ratios = reached / (other_cost if drawn is None else drawn[:, -1])
    low, high = ends_of(reached, confidence)
    return Matched((value, low, high), (value / other_cost, *ends_of(ratios, confidence)))


def _reached(costs: Floats, gains: Floats, targets: Floats) -> Floats:
    """For each row of gains (draws x members; costs alike, or one row for all) where its target is reached."""
    order = np.argsort(costs, axis=-1, kind="stable")
    if costs.ndim == 1:
        prices, gains = np.broadcast_to(np.log(costs[order]), gains.shape), gains[:, order]
    else:
        prices, gains = np.log(np.take_along_axis(costs, order, axis=1)), np.take_along_axis(gains, order, axis=1)
    best = np.maximum.accumulate(gains, axis=1)
    beyond = best >= targets[:, None]
    place = np.where(beyond.any(axis=1), beyond.argmax(axis=1), gains.shape[1])
    logs = np.full(len(targets), np.inf)
    first = place == 0
    logs[first] = prices[first, 0]
    rows = np.flatnonzero((place > 0) & (place < gains.shape[1]))
    after = place[rows]
    # The last member that raised the best gain so far: those between add nothing for what they cost.
    level = best[rows, after - 1]
    before = (best[rows] >= level[:, None]).argmax(axis=1)
    share = (targets[rows] - level) / (best[rows, after] - level)
    logs[rows] = prices[rows, before] + share * (prices[rows, after] - prices[rows, before])
    reached: Floats = np.exp(logs)
    return reached
