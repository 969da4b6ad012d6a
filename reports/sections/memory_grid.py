"""The memory claim taken apart: pairs of codecs on paper, the curve on which it holds, and what this run measured."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.claims import memory
from harness.claims.readings import AGAINST, CLAIMED, DIMENSIONS, TERMS_KEPT, readings
from harness.errors import UserError, allowed
from harness.markdown import markdown_table
from reports.figures.base import of_run
from reports.figures.memory_claim import claimed_reductions
from reports.formatting import number
from reports.sections import memory_budget, memory_claim
from reports.sections.measured_memory import MeasuredPart, Shade, measured, shade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData
    from reports.figures.base import Panel
    from reports.sections.memory_budget import MemoryBudget

FORMS = ("markdown", "csv", "json")
SUMMARISED = 3
"""Collections that the summary of what was measured names."""


@dataclass(frozen=True)
class GridTable:
    """Every pair of codecs at one shape: `rows` holds (numbers, [(weights, a cell a dense codec)])."""

    dimensions: int
    terms: float
    rows: Sequence[tuple[str, Sequence[tuple[str, Sequence[Shade]]]]]
    reached: Sequence[Shade]


@dataclass(frozen=True)
class ReadingRow:
    """One reading of the published claim: a cell for each dense codec of `AGAINST`."""

    label: str
    source: str
    bytes: str
    total: str
    cells: Sequence[Shade]


@dataclass(frozen=True)
class MemoryGrid:
    """All that the page shows of the memory claim; `terms` holds (terms a document, words), `default` a shape."""

    bound: float
    verdict: str
    here: Sequence[str]
    documents: str
    headline: Sequence[str]
    heads: Sequence[str]
    dimensions: Sequence[int]
    terms: Sequence[tuple[float, str]]
    default: tuple[int, int]
    tables: Sequence[GridTable]
    curve: Panel
    readings: Sequence[ReadingRow]
    against: Sequence[str]
    measured: Sequence[MeasuredPart]
    budgets: Sequence[MemoryBudget]


def section(run: RunData) -> MemoryGrid | None:
    """What the page shows of the memory claim; None where the run claims no reduction of the size of an index."""
    if not (bounds := claimed_reductions(run)):
        return None
    bound, claims = bounds[0], [claim for claim in run.facts["claims"] if claim["metric"].startswith("index_bytes")]
    dimensions, terms = _shapes(run)
    parts = [part for name in run.collections() if (part := measured(run, name, bound)) is not None]
    baselines = [other for claim in claims if (other := claim["baseline"]) is not None]
    return MemoryGrid(
        bound=bound,
        verdict=memory_claim.on_paper(bound),
        here=[text for part in parts[:SUMMARISED] for text in memory_claim.measured(part, baselines, bound)],
        documents=f"{memory.MS_MARCO:,}",
        headline=memory_claim.limits(bound),
        heads=[codec.label for codec in memory.DENSE.values()],
        dimensions=dimensions,
        terms=terms,
        default=(DIMENSIONS, TERMS_KEPT),
        tables=[GridTable(d, t, _rows(d, t, bound), _reached(d, t, bound)) for d in dimensions for t, _ in terms],
        curve=of_run(run, "memory-claim")[0],
        readings=_readings(bound),
        against=[memory.DENSE[name].label for name in AGAINST],
        measured=parts,
        budgets=[
            table
            for name in run.collections()
            if (table := memory_budget.budget(run, name, bound, baselines)) is not None
        ],
    )


def _reached(dimensions: int, terms: float, bound: float) -> list[Shade]:
    """How many sparse codecs reach the bound, a cell a dense codec."""
    total = len(memory.SPARSE)
    kinds = {0: "larger", total: "holds"}
    return [
        Shade(kinds.get(count, "smaller"), f"{count or 'none'} of {total}")
        for count in memory_claim.holding(dimensions, terms, bound).values()
    ]


def printed(form: str, dimensions: int, terms: float, documents: int, vocabulary: int, bound: float = CLAIMED) -> str:
    """The grid for a terminal or a spreadsheet: Markdown of one shape, CSV and JSON of one row a pair of codecs.

    Raises:
        UserError: The form is unknown, or the shape is impossible.
    """
    if form not in FORMS:
        raise UserError(f"there is no form {form!r} of the grid", key="--format", remedy=allowed(form, FORMS))
    try:
        cells = list(memory.grid((dimensions,), (terms,), documents, vocabulary))
    except ValueError as error:
        raise UserError(str(error), key="--dimensions, --terms, --documents, --vocabulary") from None
    flat = [{**asdict(cell), "reduction": cell.reduction, "source": "analytic"} for cell in cells]
    if form == "json":
        return json.dumps(flat, indent=1) + "\n"
    if form == "csv":
        import pandas as pd

        return pd.DataFrame(flat).to_csv(index=False, lineterminator="\n")
    by_pair = {(cell.dense, cell.sparse): cell for cell in cells}
    lines = [
        f"Analytic: {documents:,} documents, {terms:g} of {vocabulary:,} terms against {dimensions} dimensions.", "",
    ]  # fmt: skip
    rows = []
    for name, codec in memory.SPARSE.items():
        texts = [shade(by_pair[dense, name].reduction, bound).text for dense in memory.DENSE]
        rows.append([codec.label, *texts])
    needed = [memory.terms_for(bound, d, memory.AS_PUBLISHED, dimensions, documents, vocabulary) for d in memory.DENSE]
    texts = ["none" if limit is None else f"{limit:.0f}" for limit in needed]
    rows.append([f"terms for exactly {100 * bound:g}%, 32-bit numbers, 16-bit weights", *texts])
    head = ["sparse \\ dense", *(codec.label for codec in memory.DENSE.values())]
    return "\n".join([*lines, *markdown_table(head, rows)]) + "\n"


def _rows(dimensions: int, terms: float, bound: float) -> list[tuple[str, list[tuple[str, list[Shade]]]]]:
    """Codecs of the numbers, with codecs of the weights and a cell for each dense codec."""
    by_numbers: dict[str, list[tuple[str, list[Shade]]]] = {}
    for sparse, codec in memory.SPARSE.items():
        numbers, weights = codec.label.split(", ")
        cells = [shade(memory.cell(dense, sparse, dimensions, terms).reduction, bound) for dense in memory.DENSE]
        by_numbers.setdefault(numbers, []).append((weights, cells))
    return list(by_numbers.items())


def _shapes(run: RunData) -> tuple[list[int], list[tuple[float, str]]]:
    """Dimensions and terms of the grid, with dimensions of the run, terms of its claims' systems and its most terms."""
    widths = {int(row.value) for row in run.records if row.metric == "dimensions"}
    rows = [row for row in run.records if row.metric == "active_terms_document"]
    claimed = {claim["system"] for claim in run.facts["claims"]}
    largest = max(rows, key=lambda row: row.value, default=None)
    shown = [row for row in rows if row.system in claimed][:3] + ([largest] if largest else [])
    means = {round(row.value): row.system for row in shown}
    terms = {float(t): f"{t}" for t in memory.TERMS} | {
        float(t): f"{t} ({system}, measured)" for t, system in means.items() if t
    }
    return sorted({*memory.DIMENSIONS, *widths}), sorted(terms.items())


def _readings(bound: float) -> list[ReadingRow]:
    rows = []
    for reading in readings():
        spread = "" if reading.low == reading.high else f" to {number(reading.high, 'bytes')}"
        cells = []
        for dense in AGAINST:
            low, high = (shade(value, bound) for value in reading.reductions(dense))
            text = high.text if low == high else f"{high.text} to {low.text.lstrip('✗✓ ')}"
            cells.append(Shade(low.kind if low.kind == high.kind else "smaller", text))
        total = f"{reading.low * memory.MS_MARCO / 1e9:.0f}"
        total += f" to {reading.high * memory.MS_MARCO / 1e9:.0f} GB" if spread else " GB"
        rows.append(ReadingRow(reading.label, reading.source, number(reading.low, "bytes") + spread, total, cells))
    return rows
