"""Densities of times and of numbers of terms, one above the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reports.figures import marks
from reports.figures.base import Drawn, Key, Panel, Table, no_metric
from reports.figures.scales import Scale, frame
from reports.figures.series import colour, ink
from reports.figures.texts import briefly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from harness.runs.read import RunData

SIDES = {"total": "encoded and searched", "encode": "encoded", "search": "searched"}
"""What is timed, in words."""
SHAPES = (2, 4)
"""Markers of single values on the rows' lines."""
BINS = 50


@dataclass(frozen=True)
class Spread:
    """Values in ascending order; `ends` counts those up to each, itself included, None where each occurs once."""

    values: NDArray[np.float64]
    ends: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.ends[-1]) if self.ends is not None else len(self.values)

    def at(self, rank: int) -> float:
        """The value of this rank, from 0."""
        place = rank if self.ends is None else int(self.ends.searchsorted(rank, side="right"))
        return float(self.values[place])

    def quantile(self, q: float) -> float:
        """Linear between the ranks like numpy's, without sorting again."""
        place = (len(self) - 1) * q
        rank = int(place)
        low, high = self.at(rank), self.at(min(rank + 1, len(self) - 1))
        return low + (high - low) * (place - rank)

    def histogram(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many values lie between two edges, the last one included."""
        places = np.append(self.values.searchsorted(edges[:-1]), self.values.searchsorted(edges[-1], side="right"))
        ends = places if self.ends is None else np.concatenate([[0], self.ends])[places]
        return np.diff(ends).astype(float)


@dataclass(frozen=True, kw_only=True)
class Ridges(Panel):
    """The density of the values of each system.

    Attributes:
        spreads: By system, in the order of the rows.
        unit: Words of the axis.
        log: Whether the axis is logarithmic.
        singles: Words -> values by system that are marked on their lines.
    """

    spreads: Mapping[str, Spread]
    unit: str
    log: bool
    singles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    row_height = 3.0

    def row_names(self) -> Sequence[str]:
        """The systems."""
        return list(self.spreads)

    def scale(self) -> Scale:
        """The horizontal axis."""
        values = [spread.quantile(q) for spread in self.spreads.values() for q in (0.002, 0.998)]
        values += [value for row in self.singles.values() for value in row.values()]
        return Scale.around(self.unit, values, log=self.log)

    def density(self, system: str) -> list[tuple[float, float]]:
        """(value, share of the highest density) where there is any."""
        x = self.scale()
        edges = np.geomspace(x.low, x.high, BINS) if x.log else np.linspace(x.low, x.high, BINS)
        middles = np.sqrt(edges[1:] * edges[:-1]) if x.log else (edges[1:] + edges[:-1]) / 2
        counts = self.spreads[system].histogram(edges)
        heights = np.convolve(counts, np.asarray([1, 2, 3, 2, 1]) / 9, mode="same")
        shares = heights / max(float(heights.max()), 1e-12)
        visible = np.flatnonzero(shares > 0.004)
        part = slice(max(int(visible[0]) - 1, 0), int(visible[-1]) + 2)
        return list(zip(middles[part].tolist(), shares[part].tolist(), strict=True))

    def table(self) -> Table:
        """Quantiles of each system, how many values it has, and its single values."""
        rows = []
        for system, spread in self.spreads.items():
            ends = (f"{spread.quantile(q):.4g}" for q in (0.05, 0.5, 0.95))
            single = (f"{row[system]:.4g}" if system in row else "–" for row in self.singles.values())
            rows.append((system, *ends, f"{len(spread):,}", *single))
        return Table((f"System ({self.unit})", "5 % below", "median", "95 % below", "values", *self.singles), rows)

    def draw(self, ax: Axes) -> Drawn:
        """An area on the line of each row, with the median, and marks of single values."""
        from matplotlib import rcParams
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.colors import to_rgba_array

        frame(ax, self.scale(), briefly(list(self.spreads)))
        areas, medians, shades = [], [], []
        for row, (system, spread) in enumerate(self.spreads.items()):
            ground, shape = row + 0.4, self.density(system)
            areas.append(
                [(shape[0][0], ground), *((x, ground - 0.8 * share) for x, share in shape), (shape[-1][0], ground)]
            )
            middle = spread.quantile(0.5)
            medians.append([(middle, ground + 0.05), (middle, ground - 0.84)])
            shades.append(colour(row))
        width = float(rcParams["lines.linewidth"])
        fills = to_rgba_array(shades, 0.35)
        drawn_areas = PolyCollection(
            areas, facecolors=fills, edgecolors=shades, linewidths=0.75 * width, closed=False, gid="areas"
        )
        ax.add_collection(drawn_areas, autolim=False)
        ax.add_collection(LineCollection(medians, colors=ink(), linewidths=0.6 * width, gid="medians"), autolim=False)
        drawn = Drawn()
        for number, (words, single) in enumerate(self.singles.items()):
            sign, hollow = SHAPES[number % len(SHAPES)], bool(number)
            rows = [(place, system) for place, system in enumerate(self.spreads) if system in single]
            marks.points(
                ax, [(single[system], place + 0.4) for place, system in rows], [None] * len(rows),
                shapes=[sign] * len(rows), hollow=[hollow] * len(rows), gid=f"singles-{number}",
            )  # fmt: skip
            drawn.tips[f"singles-{number}"] = [f"{system}, {words}: {single[system]:.4g}" for _, system in rows]
            drawn.keys.append(Key(words, colour=None, shape=sign, hollow=hollow))
        return drawn


def times(run: RunData, collection: str, side: str) -> dict[str, Spread]:
    """Milliseconds of every timed query by system.

    Raises:
        UserError: `side` is none of `SIDES`.
    """
    if side not in SIDES:
        raise no_metric(side, SIDES)
    return run.once(
        ("times", collection, side),
        lambda: {
            system: Spread(np.sort(run.latency[collection, system][side], axis=None) * 1e3)
            for system in run.names(collection)
            if (collection, system) in run.latency
        },
    )
