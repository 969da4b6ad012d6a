"""How costs grow with the collection: laws fitted to a run's sizes, and what they say of sizes that it has not."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

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
        """At other sizes."""
        return [predict(self.law, size) for size in targets]

    def check(self, share: float = 1.0) -> tuple[Prediction, float, float] | None:
        """The largest size predicted from those up to a share of it; None where they are too few."""
        try:
            return held_out(self.sizes, self.values, share)
        except ValueError:
            return None


def growths(run: RunData) -> list[Growth]:
    """Every growing metric of every system that was run on three or more sizes of one collection."""
    points: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    units = {}
    for row in run.records:
        if row.metric in GROWING and row.value > 0:
            series, size = row.collection.partition("[")[0], run.facts["collections"][row.collection]["documents"]
            points.setdefault((series, row.system, row.metric), []).append((float(size), row.value))
            units[row.metric] = row.unit
    found = []
    for (series, system, name), values in points.items():
        if len({size for size, _ in values}) >= 3:
            sizes, costs = zip(*sorted(values), strict=True)  # one size may be there for several seeds
            found.append(Growth(series, system, name, units[name], sizes, costs, choose(sizes, costs)))
    return sorted(found, key=lambda one: (one.series, GROWING.index(one.metric)))


def section(run: RunData) -> dict[str, Any] | None:
    """All that the page shows of growth; None where no system was run on three sizes of a collection."""
    found = growths(run)
    if not found:
        return None
    return {
        "targets": [f"{size:,}" for size in TARGETS],
        "rows": [_shown(one) for one in found],
        "figures": [figure for name in ("index_bytes", "latency_search/p50") if (figure := _figure(found, name))],
        "needs": needs(),
        "machine": f"{MACHINE_BYTES / 1e9:.0f} GB, of which {USABLE:.0%} are left to the index",
        "shape": (TERMS_KEPT, DIMENSIONS),
    }


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


def _shown(one: Growth) -> dict[str, Any]:
    checked = one.check()
    return {
        "system": one.system,
        "metric": label(one.metric),
        "anchor": one.metric.partition("/")[0],
        "law": law_text(one.law, one.unit),
        "sizes": f"{len(set(one.sizes))} sizes, {one.sizes[0]:,.0f} to {one.sizes[-1]:,.0f}",
        "error": None if checked is None else f"{checked[2]:+.1%}",
        "inside": checked is not None and checked[0].low <= checked[1] <= checked[0].high,
        "cells": [
            (number(p.value, one.unit), f"[{number(p.low, one.unit)}, {number(p.high, one.unit)}]")
            for p in one.predictions()
        ],
    }


def _figure(found: Sequence[Growth], name: str) -> Figure | None:
    lines = [one for one in found if one.metric == name]
    if not lines:
        return None
    factor, unit = {"bytes": (1e-9, "GB"), "seconds": (1e3, "ms")}.get(lines[0].unit, (1.0, lines[0].unit))
    ends = [[p.value * factor for p in one.predictions()] for one in lines]
    values = [v * factor for one in lines for v in one.values] + [v for both in ends for v in both]
    plot = Plot(
        Axis.around("documents", [*(s for one in lines for s in one.sizes), TARGETS[-1]], log=True),
        Axis.around(f"{label(name)}, {unit}", values, log=True),
    )
    legend, rows = [], []
    for place, one in enumerate(lines):
        reach = [one.sizes[0] * (TARGETS[-1] / one.sizes[0]) ** (step / 40) for step in range(41)]
        plot.line([(size, one.law.at(size) * factor) for size in reach], colour(place), dash=1)
        for size, value in zip(one.sizes, one.values, strict=True):
            plot.point(size, value * factor, place, f"{one.system}, {size:,.0f} documents: {number(value, one.unit)}")
        legend.append((swatch(place), one.system))
        rows += [
            (one.system, f"{size:,.0f}", number(value, one.unit), "measured")
            for size, value in zip(one.sizes, one.values, strict=True)
        ]
        rows += [(one.system, f"{p.size:,.0f}", number(p.value, one.unit), "extrapolated") for p in one.predictions()]
    caption = f"{METRICS[name.partition('/')[0]].label} by number of documents: measured (marks), and the fitted laws."
    return Figure(caption, plot.svg(), legend, ("System", "Documents", label(name), "Source"), rows)
