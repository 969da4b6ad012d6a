"""What each engine's search takes at a recall, and the recall that it reaches in a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.matching import cost_at_gain, gain_at_cost
from reports.figures.recall_speed import engines
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.records import Record
    from harness.runs.read import RunData
    from reports.figures.recall_speed import Engine

TARGETS = (0.90, 0.95, 0.99)
NEVER = "not reached"


@dataclass(frozen=True)
class AtRecallRow:
    """One engine: how it was swept, what disturbed its timing, and (text, interval) a column."""

    name: str
    settings: str
    note: str
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class AtRecall:
    """The table: `heads` holds a column for each recall, then for each latency."""

    metric: str
    heads: Sequence[str]
    rows: Sequence[AtRecallRow]


def section(run: RunData, collection: str) -> AtRecall | None:
    """The table of a collection; None for a run without a sweep."""
    shown = engines(run, collection)
    if not shown:
        return None
    budgets = round_latencies([setting.latency.value for engine in shown for setting in engine.settings])
    metric = label(shown[0].settings[0].recall.metric)
    heads = [f"Latency at {target:.2f}" for target in TARGETS]
    heads += [f"Recall in {number(budget, 'seconds')}" for budget in budgets]
    return AtRecall(metric, heads, [_row(run, collection, engine, budgets) for engine in shown])


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
    costs = _ends([setting.latency for setting in engine.settings], lower_is_better=True)
    gains = _ends([setting.recall for setting in engine.settings], lower_is_better=False)

    def cell(at: Callable[[Sequence[float], Sequence[float]], float], text: Callable[[float], str]) -> tuple[str, str]:
        value, best, worst = (at(cost, gain) for cost, gain in zip(costs, gains, strict=True))
        same = value == best == worst
        return text(value), "" if same else f"[{text(min(best, worst))}, {text(max(best, worst))}]"

    def latency(target: float) -> tuple[str, str]:
        words, ends = cell(lambda cost, gain: cost_at_gain(cost, gain, target), _seconds)
        quickest = min(range(len(costs[0])), key=costs[0].__getitem__)
        return ("at most " if engine.swept and gains[0][quickest] >= target else "") + words, ends

    def recall(budget: float) -> tuple[str, str]:
        return cell(lambda cost, gain: gain_at_cost(cost, gain, budget), _share)

    return AtRecallRow(
        name=engine.name,
        settings=f"{len(engine.settings)} settings" if engine.swept else "",
        note=f"timing disturbed: {', '.join(apart)}" if apart else "",
        cells=[*map(latency, TARGETS), *map(recall, budgets)],
    )


def _ends(rows: Sequence[Record], *, lower_is_better: bool) -> tuple[list[float], list[float], list[float]]:
    """Values, favourable ends and unfavourable ends; a value stands for an end that is unknown or not positive."""
    lows = [row.ci_low if row.ci_low is not None and row.ci_low > 0 else row.value for row in rows]
    highs = [row.value if row.ci_high is None else row.ci_high for row in rows]
    values = [row.value for row in rows]
    return (values, lows, highs) if lower_is_better else (values, highs, lows)


def _seconds(value: float) -> str:
    return number(value, "seconds") if math.isfinite(value) else NEVER


def _share(value: float) -> str:
    return number(value, "fraction") if math.isfinite(value) else NEVER
