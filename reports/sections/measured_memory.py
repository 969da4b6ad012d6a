"""Index bytes of a run's sparse systems against its dense ones, with what codecs and truncation cost in nDCG@10."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData


@dataclass(frozen=True)
class Shade:
    """A reduction as people read it: `kind` is "holds", "smaller" (less memory, but not enough) or "larger"."""

    kind: str
    text: str


@dataclass(frozen=True)
class MeasuredSystem:
    """One index of the run: its bytes a document, as a number and in words; terms kept; nDCG@10 where it is known.

    `encoder` names the encoder before truncation and codec; `cost` is what these cost in nDCG@10 (see `_cost`).
    """

    name: str
    encoder: str
    bytes: float
    text: str
    terms: str
    ndcg: float | None
    cost: str = ""


@dataclass(frozen=True)
class MeasuredRow:
    """One sparse system with a cell a dense one: the reduction, and the difference in nDCG@10."""

    system: MeasuredSystem
    cells: Sequence[tuple[Shade, str]]


@dataclass(frozen=True)
class MeasuredPart:
    """All sparse systems of a collection against all dense ones."""

    collection: str
    dense: Sequence[MeasuredSystem]
    rows: Sequence[MeasuredRow]


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


def measured(run: RunData, collection: str, bound: float) -> MeasuredPart | None:
    """Measured bytes a document of every sparse system against every dense one, with what the codecs cost in nDCG."""
    cells = run.cells()
    sides: dict[bool, list[MeasuredSystem]] = {True: [], False: []}
    for system in run.systems:
        size = cells.get((collection, system["name"], "index_bytes_per_document"))
        if system["collection"] != collection or size is None or "fused" in system:
            continue  # a fusion has an index of either kind
        terms = cells.get((collection, system["name"], "active_terms_document"))
        quality = cells.get((collection, system["name"], "ndcg@10"))
        sides[terms is not None].append(
            MeasuredSystem(
                name=system["name"],
                encoder=system.get("encoder_base", system["encoder"]),
                bytes=size.value,
                text=number(size.value, "bytes"),
                terms=f"{terms.value:.0f} terms" if terms else "",
                ndcg=quality.value if quality else None,
            )
        )
    if not (sides[True] and sides[False]):
        return None
    both = [*sides[True], *sides[False]]
    sparse, dense = ([replace(system, cost=_cost(system, both)) for system in sides[side]] for side in (True, False))
    rows = []
    for ours in sparse:
        shades = [shade(1 - ours.bytes / theirs.bytes, bound) for theirs in dense]
        gaps = [_gap(ours.ndcg, theirs.ndcg) for theirs in dense]
        rows.append(MeasuredRow(ours, list(zip(shades, gaps, strict=True))))
    return MeasuredPart(collection, dense, rows)


def _cost(system: MeasuredSystem, systems: Sequence[MeasuredSystem]) -> str:
    """NDCG@10 against the largest index of the same encoder: what codec and truncation cost."""
    same = [(s.bytes, s.ndcg, s) for s in systems if s.encoder == system.encoder and s.ndcg is not None]
    if system.ndcg is None or len(same) < 2:
        return ""
    _, ndcg, largest = max(same, key=lambda s: s[0])
    return "the reference" if largest is system else f"{system.ndcg - ndcg:+.3f}"


def _gap(ours: float | None, theirs: float | None) -> str:
    return "" if ours is None or theirs is None else f"nDCG@10 {ours - theirs:+.3f}"
