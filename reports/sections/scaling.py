"""How costs grow with the collection: laws fitted to a run's sizes, and their values at other sizes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from harness.claims.memory import DENSE, LLAMA_TERMS, MS_MARCO, SPARSE
from harness.claims.readings import DIMENSIONS, TERMS_KEPT
from harness.metrics import METRICS
from harness.stats.scaling import Law, Prediction, choose, held_out, predict
from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, colour, swatch
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData

MS_MARCO_V2 = 138_364_198
"""Passages of MS MARCO v2."""
TARGETS = (MS_MARCO, MS_MARCO_V2)
GROWING = (
    "index_bytes",
    "resident_bytes",
    "build_seconds",
    "build_peak_bytes",
    "latency_search/p50",
    "latency_search/p99",
    "flops_search",
    "postings_touched",
)
MACHINE_BYTES, USABLE = 64e9, 0.8
"""A machine of 64 GB of which four fifths are left to the index."""


@dataclass(frozen=True)
class Growth:
    """One metric of one system over the sizes of a collection."""

    series: str
    system: str
    metric: str
    unit: str
    sizes: Sequence[float]
    values: Sequence[float]
    law: Law

    def predictions(self, targets: Sequence[float] = TARGETS) -> list[Prediction]:
        """The law's values at other sizes."""
        return [predict(self.law, size) for size in targets]

    def check(self, share: float = 1.0) -> tuple[Prediction, float, float] | None:
        """The largest size predicted from those up to a share of it; None where they are too few."""
        try:
            return held_out(self.sizes, self.values, share)
        except ValueError:
            return None


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
    figures: Sequence[Figure]
    needs: Sequence[tuple[str, str, list[tuple[float, int]]]]
    machine: str
    shape: tuple[int, int]


def growths(run: RunData) -> list[Growth]:
    """Every growing metric of every system that was run on three or more sizes of one collection."""
    points: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    units = {}
    for row in run.records:
        if row.metric in GROWING and row.value > 0:
            series, size = row.collection.partition("[")[0], run.facts["collections"][row.collection]["documents"]
            points.setdefault((series, row.system, row.metric), []).append((float(size), row.value))
            units[row.metric] = row.unit
    growing = []
    for (series, system, name), values in points.items():
        if len({size for size, _ in values}) >= 3:
            sizes, costs = zip(*sorted(values), strict=True)  # one size may be there for several seeds
            growing.append(Growth(series, system, name, units[name], sizes, costs, choose(sizes, costs)))
    return sorted(growing, key=lambda growth: (growth.series, GROWING.index(growth.metric)))


def section(run: RunData) -> Scaling | None:
    """What the page shows of growth; None where no system was run on three sizes of a collection."""
    growing = growths(run)
    if not growing:
        return None
    return Scaling(
        targets=[f"{size:,}" for size in TARGETS],
        rows=[_row(growth) for growth in growing],
        figures=[figure for name in ("index_bytes", "latency_search/p50") if (figure := _figure(growing, name))],
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
        cells=[
            (number(p.value, growth.unit), f"[{number(p.low, growth.unit)}, {number(p.high, growth.unit)}]")
            for p in growth.predictions()
        ],
    )


def _figure(growing: Sequence[Growth], name: str) -> Figure | None:
    lines = [growth for growth in growing if growth.metric == name]
    if not lines:
        return None
    factor, unit = {"bytes": (1e-9, "GB"), "seconds": (1e3, "ms")}.get(lines[0].unit, (1.0, lines[0].unit))
    ends = [[p.value * factor for p in growth.predictions()] for growth in lines]
    values = [v * factor for growth in lines for v in growth.values] + [v for both in ends for v in both]
    plot = Plot(
        Axis.around("documents", [*(s for growth in lines for s in growth.sizes), TARGETS[-1]], log=True),
        Axis.around(f"{label(name)}, {unit}", values, log=True),
    )
    legend, rows = [], []
    for place, growth in enumerate(lines):
        reach = [growth.sizes[0] * (TARGETS[-1] / growth.sizes[0]) ** (step / 40) for step in range(41)]
        plot.line([(size, growth.law.at(size) * factor) for size in reach], colour(place), dash=1)
        for size, value in zip(growth.sizes, growth.values, strict=True):
            plot.point(
                size, value * factor, place, f"{growth.system}, {size:,.0f} documents: {number(value, growth.unit)}"
            )
        legend.append((swatch(place), growth.system))
        rows += [
            (growth.system, f"{size:,.0f}", number(value, growth.unit), "measured")
            for size, value in zip(growth.sizes, growth.values, strict=True)
        ]
        rows += [
            (growth.system, f"{p.size:,.0f}", number(p.value, growth.unit), "extrapolated")
            for p in growth.predictions()
        ]
    caption = f"{METRICS[name.partition('/')[0]].label} by number of documents: measured (marks), and the fitted laws."
    return Figure(caption, plot.svg(), legend, ("System", "Documents", label(name), "Source"), rows)
