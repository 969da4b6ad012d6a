"""The curve on which a claimed reduction of memory holds exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.claims import memory
from harness.claims.readings import TERMS_KEPT
from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from harness.runs.read import RunData

CURVES = ("fp32", "fp16", "int8", "pq4", "binary")
WIDTHS = [64 * n for n in (*range(2, 16), *range(16, 65, 4))]
"""Dimensions at which a curve is computed."""
LEAST = 2
"""Terms a document from which curves are drawn."""
PAIRS = 6
"""Pairs of a run that are shown."""


@dataclass(frozen=True, kw_only=True)
class MemoryClaim(Panel):
    """Terms a document at which a sparse index takes exactly `bound` less than a dense one, by dimensions.

    Attributes:
        bound: The claimed reduction, 0 to 1.
        points: (name, dimensions, terms) of pairs of systems.
    """

    bound: float
    points: Sequence[tuple[str, float, float]] = ()

    def curves(self) -> Mapping[str, list[tuple[float, float]]]:
        """(dimensions, terms) by dense codec; analytic."""
        return {
            name: [
                (float(width), terms)
                for width in WIDTHS
                if (terms := memory.terms_for(self.bound, name, memory.AS_PUBLISHED, width) or 0.0) >= LEAST
            ]
            for name in CURVES
        }

    def table(self) -> Table:
        """A row for each dense codec, a column for each number of dimensions."""
        head = ("Terms a document, dense codec", *(f"{width} dimensions" for width in memory.DIMENSIONS))
        rows = []
        for name, line in self.curves().items():
            at = dict(line)
            cells = (f"{at[width]:.0f}" if width in at else "none" for width in memory.DIMENSIONS)
            rows.append((memory.DENSE[name].label, *cells))
        return Table(head, rows)

    def draw(self, ax: Axes) -> Drawn:
        """Curves, the terms that LACONIC keeps, and the run's pairs."""
        x = Scale("dimensions of the dense vector", 120, 4300, log=True)
        frame(ax, x, Scale("terms a document", LEAST, 1100, log=True))
        marks.line(ax, [(x.low, TERMS_KEPT), (x.high, TERMS_KEPT)], None, dash=2, thin=True, gid="kept")
        keys = []
        for place, (name, line) in enumerate(self.curves().items()):
            if line:
                marks.line(ax, line, place, dash=place, gid=f"curve-{name}")
            keys.append(Key(f"against {memory.DENSE[name].label}", "line", place))
        keys.append(Key(f"{TERMS_KEPT} terms, as LACONIC keeps", "line", None, shape=2))
        places = [len(CURVES) + number for number in range(len(self.points))]
        if self.points:
            marks.points(ax, [(width, terms) for _, width, terms in self.points], places)
        keys += [
            Key(f"{name} (this run)", "marker", place) for (name, _, _), place in zip(self.points, places, strict=True)
        ]
        tips = [f"{name}: {terms:.0f} terms, {width:.0f} dimensions" for name, width, terms in self.points]
        return Drawn(keys=keys, tips={"points": tips})


@register("memory-claim")
class MemoryClaims(FigureKindBase):
    """Terms a document at which the claimed reduction of memory is reached, by dimensions and dense codec."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """One, where the run claims a reduction of the size of an index."""
        bounds = claimed_reductions(run)
        return [Sheet("memory-claim", [curve(bounds[0], _points(run))])] if bounds else []


def claimed_reductions(run: RunData) -> list[float]:
    """The reductions of the size of an index that the run claims, 0 to 1."""
    claims = [claim for claim in run.facts.get("claims", ()) if claim["metric"].startswith("index_bytes")]
    return [float(bound) for claim in claims if (bound := claim.get("reduction_at_least")) is not None]


def curve(bound: float, points: Sequence[tuple[str, float, float]] = ()) -> MemoryClaim:
    """The panel of a claimed reduction; `points`: (name, dimensions, terms)."""
    caption = (
        f"On the line of a dense codec the sparse index takes exactly {100 * bound:g}% less; below it the claim holds. "
        "32-bit numbers, 16-bit weights; analytic."
    )
    return MemoryClaim(caption=caption, metric="index_bytes", bound=bound, points=points)


def _points(run: RunData) -> list[tuple[str, float, float]]:
    """Pairs that the run claims something about: (names, dimensions, terms)."""
    cells, places = run.cells(), {}
    for claim in run.facts["claims"]:
        if (other := claim["baseline"]) is None:
            continue
        for collection in run.collections():
            terms = cells.get((collection, claim["system"], "active_terms_document"))
            width = cells.get((collection, other, "dimensions"))
            if terms and width and terms.value >= LEAST:
                places[f"{claim['system']} against {other}, {collection}"] = (width.value, terms.value)
    return [(name, *place) for name, place in places.items()][:PAIRS]
