"""How costs grow with the collection: laws fitted to a run's sizes, and their values at other sizes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from harness.claims.memory import DENSE, LLAMA_TERMS, SPARSE
from harness.claims.readings import DIMENSIONS, TERMS_KEPT
from reports.figures.base import of_run
from reports.figures.growth import TARGETS, growths
from reports.formatting import ends, label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData
    from harness.stats.scaling import Law
    from reports.figures.base import Panel
    from reports.figures.growth import Growth

MACHINE_BYTES, USABLE = 64e9, 0.8
"""A machine of 64 GB of which four fifths are left to the index."""


@dataclass(frozen=True)
class GrowthRow:
    """What the page shows of one `Growth`.

    `error` is that of predicting the largest size from the others, None where they are too few; `inside` says whether
    that size lies inside its prediction interval. `cells` holds a prediction and its interval for each target.
    """

    system: str
    metric: str
    anchor: str
    law: str
    sizes: str
    error: str | None
    inside: bool
    cells: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Scaling:
    """All that the page shows of growth; `needs` has the rows of `needs`, `shape` (terms, dimensions)."""

    targets: Sequence[str]
    rows: Sequence[GrowthRow]
    figures: Sequence[Panel]
    needs: Sequence[tuple[str, str, list[tuple[float, int]]]]
    machine: str
    shape: tuple[int, int]


def section(run: RunData) -> Scaling | None:
    """What the page shows of growth; None where no system was run on three sizes of a collection."""
    growing = growths(run)
    if not growing:
        return None
    return Scaling(
        targets=[f"{size:,}" for size in TARGETS],
        rows=[_row(growth) for growth in growing],
        figures=of_run(run, "growth"),
        needs=needs(),
        machine=f"{MACHINE_BYTES / 1e9:.0f} GB, of which {USABLE:.0%} are left to the index",
        shape=(TERMS_KEPT, DIMENSIONS),
    )


def needs(targets: Sequence[int] = TARGETS) -> list[tuple[str, str, list[tuple[float, int]]]]:
    """What LACONIC-8B and a 4096-d dense model need on paper.

    Returns:
        (side, codec, (GB, machines) of each target), every codec once.
    """
    sparse = [
        ("sparse", codec.label, [codec.size(n, TERMS_KEPT, LLAMA_TERMS) for n in targets]) for codec in SPARSE.values()
    ]
    dense = [("dense", codec.label, [codec.size(n, DIMENSIONS) for n in targets]) for codec in DENSE.values()]
    return [
        (side, name, [(size / 1e9, ceil(size / (USABLE * MACHINE_BYTES))) for size in sizes])
        for side, name, sizes in (*sparse, *dense)
    ]


def law_text(law: Law, unit: str) -> str:
    """A law as people read it."""
    if law.form == "power":
        return f"grows as documents to the power {law.b:.2f}"
    return f"{number(law.a, unit)} + {number(law.b * 1e6, unit)} a million documents"


def _row(growth: Growth) -> GrowthRow:
    checked = growth.check()
    return GrowthRow(
        system=growth.system,
        metric=label(growth.metric),
        anchor=growth.metric.partition("/")[0],
        law=law_text(growth.law, growth.unit),
        sizes=f"{len(set(growth.sizes))} sizes, {growth.sizes[0]:,.0f} to {growth.sizes[-1]:,.0f}",
        error=None if checked is None else f"{checked[2]:+.1%}",
        inside=checked is not None and checked[0].low <= checked[1] <= checked[0].high,
        cells=[(number(p.value, growth.unit), ends(p.value, p.low, p.high, growth.unit)) for p in growth.predictions()],
    )
