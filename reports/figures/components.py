"""Horizontal bars of several parts, one bar a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, no_metric, register
from reports.figures.scales import Scale, frame
from reports.figures.series import colour, hatch, paper
from reports.figures.texts import briefly
from reports.formatting import SIZES, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from harness.runs.read import RunData

Parts: TypeAlias = dict[str, dict[str, float]]
"""The value of each system, by part in the order of drawing."""
TIMES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
SERVICE = ("encoder", "index", "identifiers", "query")
"""Components of `service_bytes`, in the order in which they are opened."""


@dataclass(frozen=True, kw_only=True)
class Components(Panel):
    """A bar of several parts for each system.

    Attributes:
        systems: Names in the order of the rows; each has a value of some part.
        parts: Of each bar; values are not negative.
        unit: "bytes" or "seconds".
    """

    systems: Sequence[str]
    parts: Parts
    unit: str

    def row_names(self) -> Sequence[str]:
        """The systems."""
        return self.systems

    def totals(self) -> list[float]:
        """The length of each bar."""
        return [sum(values.get(system, 0.0) for values in self.parts.values()) for system in self.systems]

    def table(self) -> Table:
        """A row for each system, a column for each part, and the sum."""
        rows = [
            [
                system,
                *(number(values[system], self.unit) if system in values else "–" for values in self.parts.values()),
                number(total, self.unit),
            ]
            for system, total in zip(self.systems, self.totals(), strict=True)
        ]
        return Table(("System", *self.parts, "Sum"), rows)

    def draw(self, ax: Axes) -> Drawn:
        """Bars from the left, part beside part."""
        from matplotlib import rcParams
        from matplotlib.collections import PolyCollection

        totals, steps = self.totals(), SIZES if self.unit == "bytes" else TIMES
        name, size = next(((name, size) for name, size in steps if max(totals) >= size), steps[-1])
        frame(ax, Scale.around(name, [total / size for total in totals], zero=True), briefly(self.systems))
        starts, tips = [0.0] * len(self.systems), {}
        for place, (part, values) in enumerate(self.parts.items()):
            bars, words = [], []
            for row, system in enumerate(self.systems):
                if values.get(system):
                    left, right = starts[row], starts[row] + values[system] / size
                    bars.append([(left, row - 0.32), (right, row - 0.32), (right, row + 0.32), (left, row + 0.32)])
                    words.append(f"{system}, {part}: {number(values[system], self.unit)}")
                    starts[row] = right
            drawn = PolyCollection(
                bars, facecolors=colour(place), edgecolors=paper(), linewidths=rcParams["patch.linewidth"],
                hatch=hatch(place) or None, gid=f"part-{place}",
            )  # fmt: skip
            ax.add_collection(drawn, autolim=False)
            tips[f"part-{place}"] = words
        return Drawn(keys=[Key(part, "fill", place) for place, part in enumerate(self.parts)], tips=tips)


@register("components")
class ComponentsKind(FigureKindBase):
    """Memory and time of each system by their parts: the index, the whole service, a query."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """The service, the index and the mean time of a query."""
        return [
            Sheet("components", [panel], heading, collection, metric)
            for collection in run.collections()
            for metric, heading in (
                ("index_bytes", "Memory"), ("service_bytes", "Whole service"), ("latency_total", "Whole query"),
            )
            if (panel := cls.panel(run, collection, metric))
        ]  # fmt: skip

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """Of "index_bytes", "service_bytes" or "latency_total".

        Raises:
            UserError: It is another metric.
        """
        match metric or "index_bytes":
            case "index_bytes":
                return components(run, collection, metric, index_parts(run, collection), "Index bytes by component.")
            case "service_bytes":
                caption = "Memory of the whole service: encoder, index, identifiers and what a query adds at its peak."
                return components(run, collection, metric, service_parts(run, collection), caption)
            case "latency_total":
                caption = "Mean time of a query, end to end."
                return components(run, collection, metric, time_parts(run, collection), caption, "seconds")
        raise no_metric(metric, ("index_bytes", "service_bytes", "latency_total"))


def components(
    run: RunData, collection: str, metric: str, parts: Parts, caption: str, unit: str = "bytes"
) -> Components | None:
    """Bars of the systems that have a value, in the order of the run; None where none has."""
    systems = [name for name in run.names(collection) if any(values.get(name) for values in parts.values())]
    if not systems:
        return None
    return Components(
        caption=caption, collection=collection, metric=metric, systems=systems, parts=parts, unit=unit
    )  # fmt: skip


def index_parts(run: RunData, collection: str) -> Parts:
    """Bytes of the index by the engine's own components."""
    parts: Parts = {}
    for row in run.records_of(collection):
        base, _, part = row.metric.partition("/")
        if base == "index_bytes" and part and row.value:
            parts.setdefault(part, {})[row.system] = row.value
    return parts


def service_parts(run: RunData, collection: str) -> Parts:
    """Resident bytes of each part of a service."""
    return _parts(run, collection, {part: f"service_bytes/{part}" for part in SERVICE})


def time_parts(run: RunData, collection: str) -> Parts:
    """Mean seconds of encoding and of search; means add up, percentiles do not."""
    return _parts(run, collection, {"encoding": "latency_encode/mean", "search": "latency_search/mean"})


def _parts(run: RunData, collection: str, metrics: Mapping[str, str]) -> Parts:
    """The values of each part's metric, of the systems that have all of them."""
    cells = run.cells()
    systems = [s for s in run.names(collection) if all((collection, s, metric) in cells for metric in metrics.values())]
    return {part: {s: cells[collection, s, metric].value for s in systems} for part, metric in metrics.items()}
