"""The memory claim taken apart: pairs of codecs on paper, the curve on which it holds, and what this run measured."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.claims import memory
from harness.claims.readings import AGAINST, CLAIMED, DIMENSIONS, TERMS_KEPT, readings
from harness.errors import UserError, allowed
from harness.markdown import markdown_table
from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, colour, swatch
from reports.formatting import number
from reports.sections import memory_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData

FORMS = ("markdown", "csv", "json")
CURVES = ("fp32", "fp16", "int8", "pq4", "binary")


TOLD = 3
"""Collections that the summary of what was measured tells of."""
LEAST = 2
"""Terms a document from which the curve is drawn."""


@dataclass(frozen=True)
class Shade:
    """A reduction as people read it: `kind` is "holds", "smaller" (less memory, but not enough) or "larger"."""

    kind: str
    text: str


def shade(reduction: float, bound: float) -> Shade:
    """Words and kind of a reduction; a larger sparse index is given as a factor."""
    if reduction >= bound:
        return Shade("holds", f"✓ {reduction:.0%} less")
    if reduction >= 0:
        # As many digits as tell it from the bound: "71% less" would not be less than 71 %.
        digits = next((d for d in range(4) if f"{reduction:.{d}%}" != f"{bound:.{d}%}"), 4)
        return Shade("smaller", f"{reduction:.{digits}%} less" if reduction >= 0.005 else "as large")
    times = f"{1 - reduction:.1f}"
    return Shade("larger", "✗ as large" if times == "1.0" else f"✗ {times}× larger")


def section(run: RunData) -> dict[str, Any] | None:
    """All that the page shows of the memory claim; None where the run claims nothing about the size of an index."""
    bounds = [c["reduction_at_least"] for c in run.facts["claims"] if c["metric"].startswith("index_bytes")]
    bounds = [bound for bound in bounds if bound is not None]
    if not bounds:
        return None
    bound = float(bounds[0])
    shapes = _shapes(run)
    parts = [found for name in run.collections() if (found := measured(run, name, bound)) is not None]
    baselines = [str(c["baseline"]) for c in run.facts["claims"] if c["metric"].startswith("index_bytes")]
    return {
        "bound": bound,
        "verdict": memory_claim.on_paper(bound),
        "here": [text for part in parts[:TOLD] for text in memory_claim.measured(part, baselines, bound)],
        "documents": f"{memory.MS_MARCO:,}",
        "headline": memory_claim.limits(bound),
        "heads": [codec.label for codec in memory.DENSE.values()],
        "dimensions": shapes[0],
        "terms": shapes[1],
        "default": (DIMENSIONS, TERMS_KEPT),
        "tables": [
            {"dimensions": d, "terms": t, "rows": _rows(d, t, bound), "reached": _reached(d, t, bound)}
            for d in shapes[0]
            for t, _ in shapes[1]
        ],
        "curve": curve(bound, _points(run)),
        "readings": _readings(bound),
        "against": [memory.DENSE[name].label for name in AGAINST],
        "measured": parts,
    }


def _reached(dimensions: int, terms: float, bound: float) -> list[Shade]:
    """How many sparse codecs reach the bound, a cell a dense codec."""
    total = len(memory.SPARSE)
    kinds = {0: "larger", total: "holds"}
    return [
        Shade(kinds.get(count, "smaller"), f"{count or 'none'} of {total}")
        for count in memory_claim.holding(dimensions, terms, bound).values()
    ]


def measured(run: RunData, collection: str, bound: float) -> dict[str, Any] | None:
    """Measured bytes a document of every sparse system against every dense one, with what the codecs cost in nDCG."""
    cells = run.cells()
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for system in run.systems:
        size = cells.get((collection, system["name"], "index_bytes_per_document"))
        if system["collection"] != collection or size is None:
            continue
        terms = cells.get((collection, system["name"], "active_terms_document"))
        quality = cells.get((collection, system["name"], "ndcg@10"))
        sides[terms is not None].append(
            {
                "name": system["name"],
                "encoder": system.get("encoder_base", system["encoder"]),
                "bytes": size.value,
                "text": number(size.value, "bytes"),
                "terms": f"{terms.value:.0f} terms" if terms else "",
                "ndcg": quality.value if quality else None,
            }
        )
    if not (sides[True] and sides[False]):
        return None
    for one in (*sides[True], *sides[False]):
        one["cost"] = _cost(one, [*sides[True], *sides[False]])
    rows = []
    for ours in sides[True]:
        shades = [shade(1 - ours["bytes"] / theirs["bytes"], bound) for theirs in sides[False]]
        gaps = [_gap(ours["ndcg"], theirs["ndcg"]) for theirs in sides[False]]
        rows.append({"system": ours, "cells": list(zip(shades, gaps, strict=True))})
    return {"collection": collection, "dense": sides[False], "rows": rows}


def curve(bound: float, points: Sequence[tuple[str, float, float]] = ()) -> Figure:
    """Terms a document at which the reduction is exactly the bound, by dimensions; `points`: (name, x, y)."""
    dimensions = [64 * n for n in (*range(2, 16), *range(16, 65, 4))]
    lines = {
        name: [
            (float(d), terms)
            for d in dimensions
            if (terms := memory.terms_for(bound, name, memory.AS_PUBLISHED, d) or 0.0) >= LEAST
        ]
        for name in CURVES
    }
    x = Axis("dimensions of the dense vector", 120, 4300, log=True)
    plot = Plot(x, Axis("terms a document", LEAST, 1100, log=True))
    plot.level(y=TERMS_KEPT)
    plot.note(130, TERMS_KEPT * 1.12, f"{TERMS_KEPT} terms, as LACONIC keeps", kind="soft")
    legend, rows = [], []
    for place, (name, line) in enumerate(lines.items()):
        plot.line(line, colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), f"against {memory.DENSE[name].label}"))
        at = dict(line)
        rows.append((memory.DENSE[name].label, *(f"{at[d]:.0f}" if d in at else "none" for d in memory.DIMENSIONS)))
    for place, (name, width, terms) in enumerate(points, start=len(CURVES)):
        plot.point(width, terms, place, f"{name}: {terms:.0f} terms, {width:.0f} dimensions")
        legend.append((swatch(place), f"{name} (this run)"))
    caption = (
        f"On the line of a dense codec the sparse index takes exactly {bound:.0%} less; below it the claim holds. "
        "32-bit numbers, 16-bit weights; analytic."
    )
    head = ("Terms a document, dense codec", *(f"{d} dimensions" for d in memory.DIMENSIONS))
    return Figure(caption, plot.svg(), legend, head, rows)


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
        file = io.StringIO()
        writer = csv.DictWriter(file, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return file.getvalue()
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
    rows.append([f"terms for exactly {bound:.0%}, 32-bit numbers, 16-bit weights", *texts])
    head = ["sparse \\ dense", *(codec.label for codec in memory.DENSE.values())]
    return "\n".join([*lines, *markdown_table(head, rows)]) + "\n"


def _rows(dimensions: int, terms: float, bound: float) -> list[tuple[str, list[tuple[str, list[Shade]]]]]:
    """Codecs of the numbers, with codecs of the weights and a cell for each dense codec."""
    found: dict[str, list[tuple[str, list[Shade]]]] = {}
    for sparse, codec in memory.SPARSE.items():
        numbers, weights = codec.label.split(", ")
        cells = [shade(memory.cell(dense, sparse, dimensions, terms).reduction, bound) for dense in memory.DENSE]
        found.setdefault(numbers, []).append((weights, cells))
    return list(found.items())


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


def _points(run: RunData) -> list[tuple[str, float, float]]:
    """Pairs that the run claims something about: (names, dimensions, terms)."""
    cells, found = run.cells(), {}
    for claim in run.facts["claims"]:
        for collection in run.collections():
            terms = cells.get((collection, claim["system"], "active_terms_document"))
            width = cells.get((collection, claim["baseline"], "dimensions"))
            if terms and width and terms.value >= 2:
                found[f"{claim['system']} against {claim['baseline']}, {collection}"] = (width.value, terms.value)
    return [(name, *place) for name, place in found.items()][:6]


def _readings(bound: float) -> list[dict[str, Any]]:
    rows = []
    for one in readings():
        spread = "" if one.low == one.high else f" to {number(one.high, 'bytes')}"
        cells = []
        for dense in AGAINST:
            low, high = (shade(value, bound) for value in one.reductions(dense))
            text = high.text if low == high else f"{high.text} to {low.text.lstrip('✗✓ ')}"
            cells.append(Shade(low.kind if low.kind == high.kind else "smaller", text))
        total = one.high * memory.MS_MARCO / 1e9
        rows.append(
            {
                "label": one.label, "source": one.source, "bytes": number(one.low, "bytes") + spread,
                "total": f"{one.low * memory.MS_MARCO / 1e9:.0f}" + (f" to {total:.0f}" if spread else "") + " GB",
                "cells": cells,
            }
        )  # fmt: skip
    return rows


def _cost(one: dict[str, Any], systems: Sequence[dict[str, Any]]) -> str:
    """NDCG against the largest index of the same encoder: what codec and truncation cost."""
    same = [s for s in systems if s["encoder"] == one["encoder"] and s["ndcg"] is not None]
    if one["ndcg"] is None or len(same) < 2:
        return ""
    largest = max(same, key=lambda s: s["bytes"])
    return "the reference" if largest is one else f"{one['ndcg'] - largest['ndcg']:+.3f}"


def _gap(ours: float | None, theirs: float | None) -> str:
    return "" if ours is None or theirs is None else f"nDCG@10 {ours - theirs:+.3f}"
