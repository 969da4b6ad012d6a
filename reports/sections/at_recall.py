"""What each engine's search takes at a recall, and the recall that it reaches in a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.curves import drawn_curve
from harness.stats.matching import cost_at_gain, costs_at_gain, ends_of, gain_at_cost, gains_at_cost
from harness.stats.means import FEWEST
from reports.figures.recall_speed import engines
from reports.formatting import TOO_WIDE, label, number, says_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.runs.read import RunData
    from harness.stats.curves import DrawnCurve
    from reports.figures.recall_speed import Engine

TARGETS = (0.90, 0.95, 0.99)
NEVER = "not reached"
ORDER = "flops_encode_query"
"""A metric that every query has, in the order in which they are asked."""


@dataclass(frozen=True)
class AtRecallRow:
    """One engine: how it was swept, what disturbed its timing, and (text, interval) a column."""

    name: str
    settings: str
    note: str
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class AtRecall:
    """The table: `heads` holds a column for each recall, then for each latency; `confidence` is of the intervals."""

    metric: str
    heads: Sequence[str]
    rows: Sequence[AtRecallRow]
    confidence: float


def section(run: RunData, collection: str) -> AtRecall | None:
    """The table of a collection; None for a run without a sweep."""
    shown = engines(run, collection)
    if not shown:
        return None
    budgets = round_latencies([setting.latency.value for engine in shown for setting in engine.settings])
    metric = label(shown[0].settings[0].recall.metric)
    heads = [f"Latency at {target:.2f}" for target in TARGETS]
    heads += [f"Recall in {number(budget, 'seconds')}" for budget in budgets]
    return AtRecall(metric, heads, [_row(run, collection, engine, budgets) for engine in shown], run.confidence)


def round_latencies(seconds: Sequence[float]) -> list[float]:
    """Up to three latencies of one digit, 1, 2 or 5, that lie within those given and divide them about equally."""
    low, high = math.log10(min(seconds)), math.log10(max(seconds))
    steps = [
        digit * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for digit in (1, 2, 5)
        if low <= math.log10(digit * 10.0**power) <= high
    ]
    wanted = [low + share * (high - low) for share in (0.25, 0.5, 0.75)]
    return sorted({min(steps, key=lambda step: abs(math.log10(step) - place)) for place in wanted}) if steps else []


def _row(run: RunData, collection: str, engine: Engine, budgets: Sequence[float]) -> AtRecallRow:
    apart = [s.system for s in engine.settings if (collection, s.system) in run.disturbed]
    costs = [setting.latency.value for setting in engine.settings]
    gains = [setting.recall.value for setting in engine.settings]
    drawn = _drawn(run, collection, engine)
    confidence = run.confidence

    def cell(value: float, draws: NDArray[np.float64] | None, text: Callable[[float], str]) -> tuple[str, str]:
        if draws is None:
            return text(value), ""
        low, high = ends_of(draws, confidence)
        if text is _seconds and math.isfinite(high) and says_nothing(value, high, "seconds"):
            return text(value), TOO_WIDE
        return text(value), "" if low == high == value else f"[{text(low)}, {text(high)}]"

    def latency(target: float) -> tuple[str, str]:
        draws = None if drawn is None else costs_at_gain(drawn.costs, drawn.gains, target)
        words, ends = cell(cost_at_gain(costs, gains, target), draws, _seconds)
        quickest = min(range(len(costs)), key=costs.__getitem__)
        return ("at most " if engine.swept and gains[quickest] >= target else "") + words, ends

    def recall(budget: float) -> tuple[str, str]:
        draws = None if drawn is None else gains_at_cost(drawn.costs, drawn.gains, budget)
        return cell(gain_at_cost(costs, gains, budget), draws, _share)

    return AtRecallRow(
        name=engine.name,
        settings=f"{len(engine.settings)} settings" if engine.swept else "",
        note=f"timing disturbed: {', '.join(apart)}" if apart else "",
        cells=[*map(latency, TARGETS), *map(recall, budgets)],
    )


def _drawn(run: RunData, collection: str, engine: Engine) -> DrawnCurve | None:
    """What else the engine's settings might have given; None where the run does not hold what that needs.

    That is the recall and the times of each query, and the order in which the queries were asked: times are numbered.
    """
    systems = [setting.system for setting in engine.settings]
    numbers = {query: n for n, query in enumerate(run.quality.get((collection, systems[0], ORDER), {}))}
    times = [run.latency[collection, name]["search"] for name in systems if (collection, name) in run.latency]
    scored, gains = run.shared(collection, engine.settings[0].recall.metric, systems)
    if gains is None or len(times) < len(systems) or len({table.shape[1] for table in times}) > 1:
        return None
    count = times[0].shape[1]
    if min(count, len(scored)) < FEWEST or count > len(numbers) or not numbers.keys() >= set(scored):
        return None
    places = np.asarray([numbers[query] for query in scored], np.int64)
    return drawn_curve(gains, places, times, np.arange(count), len(numbers))


def _seconds(value: float) -> str:
    return number(value, "seconds") if math.isfinite(value) else NEVER


def _share(value: float) -> str:
    return number(value, "fraction") if math.isfinite(value) else NEVER
