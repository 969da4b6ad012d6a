"""What sparse and dense systems reach within a budget of memory: the claim's share of a float32 index, and more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.formatting import interval, label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Record
    from harness.runs.read import RunData

FACTORS = (1.0, 1.25, 1.5)
"""Multiples of the budget; the authors of Seismic tabulate budgets of memory in the same way."""
FAMILIES = ("sparse", "dense")
SIZE, QUALITY, LATENCY = "index_bytes_per_document", "ndcg@10", "latency_total/p50"


@dataclass(frozen=True)
class BudgetCell:
    """The best value of a family within a budget, its interval, and which system has it with what else."""

    text: str = "none fits"
    interval: str = ""
    system: str = ""


@dataclass(frozen=True)
class BudgetRow:
    """One budget: its multiple, its bytes a document, and two cells a family (quality, latency)."""

    factor: str
    bytes: str
    cells: Sequence[BudgetCell]


@dataclass(frozen=True)
class MemoryBudget:
    """The table of a collection; `twin` is the float32 index of which the budget is a share."""

    collection: str
    twin: str
    twin_bytes: str
    share: str
    heads: Sequence[str]
    rows: Sequence[BudgetRow]


def budget(run: RunData, collection: str, bound: float, baselines: Sequence[str]) -> MemoryBudget | None:
    """The table of a collection; None where it has no dense float32 index.

    Args:
        run: The run.
        collection: One of its collections.
        bound: The reduction that the run claims, as a share; the budget is the rest.
        baselines: Systems that the claims compare with. The first that is a dense float32 index is the twin, else the
            largest such index.
    """
    sizes = {row.system: row for row in run.records_with(collection, SIZE)}
    sparse = {row.system for row in run.records_with(collection, "active_terms_document")}
    fused = {system["name"] for system in run.systems if "fused" in system}
    alone = [name for name in run.names(collection) if name in sizes and name not in fused]
    plain = [
        system["name"]
        for system in run.systems
        if system["collection"] == collection and system.get("codec") == "float32"
        and system["name"] in sizes and system["name"] not in sparse
    ]  # fmt: skip
    if not plain:
        return None
    largest = max(plain, key=lambda name: sizes[name].value)
    twin = next((name for name in baselines if name in plain), largest)
    families = {family: [name for name in alone if (name in sparse) is (family == "sparse")] for family in FAMILIES}
    rows = []
    for factor in FACTORS:
        most = factor * (1 - bound) * sizes[twin].value
        fitting = [[name for name in families[family] if sizes[name].value <= most] for family in FAMILIES]
        cells = [_best(run, collection, names, metric) for names in fitting for metric in (QUALITY, LATENCY)]
        rows.append(BudgetRow(f"{factor:g} ×", number(most, "bytes"), cells))
    heads = [f"{family}: {label(metric)}" for family in FAMILIES for metric in (QUALITY, LATENCY)]
    return MemoryBudget(collection, twin, number(sizes[twin].value, "bytes"), f"{100 * (1 - bound):g}%", heads, rows)


def _best(run: RunData, collection: str, systems: Sequence[str], metric: str) -> BudgetCell:
    """The best of these systems; a quick one may rank badly, so that its quality stands beside it."""
    cells = run.cells()
    rows: list[Record] = [row for name in systems if (row := cells.get((collection, name, metric))) is not None]
    if not rows:
        return BudgetCell() if not systems else BudgetCell("–")
    first = (max if rows[0].direction == "higher" else min)(rows, key=lambda row: row.value)
    words = f"{first.system}, {number(cells[collection, first.system, SIZE].value, 'bytes')}"
    quality = cells.get((collection, first.system, QUALITY))
    if metric == LATENCY and quality is not None:
        words += f", {label(QUALITY)} {number(quality.value, quality.unit)}"
    if metric == LATENCY and (collection, first.system) in run.disturbed:
        words += ", timing disturbed"
    return BudgetCell(number(first.value, first.unit), interval(first), words)
