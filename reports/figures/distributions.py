"""Distributions drawn: shares of queries within a time, densities of times and of numbers of terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, colour, swatch
from reports.figures.trade_off import briefly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.runs.large_files import Counts
    from harness.runs.read import RunData

FIRSTS = {
    "first_query_seconds": "first query of a fresh process, files cached",
    "cold_first_query_seconds": "the same, files not cached",
}
_SIGNS = (2, 4)
"""Markers of the first queries."""


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


def latency_curves(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """Share of queries answered within a time, one curve a system."""
    times = _times(run, collection, side)
    if not times:
        return None
    ends = [row.at(rank) for row in times.values() for rank in (0, len(row) - 1)]
    x = Axis.around("milliseconds", ends, log=True)
    plot = Plot(x, Axis("share of queries", 0, 1, percent=True))
    legend, rows = [], []
    for place, (system, row) in enumerate(times.items()):
        shares = np.linspace(0, 1, min(len(row), 50))
        shown = row.values[(shares * (len(row) - 1)).astype(int)]
        plot.line(list(zip(shown.tolist(), shares.tolist(), strict=True)), colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), system))
        rows.append((system, *(f"{row.quantile(q):.3f}" for q in (0.1, 0.25, 0.5, 0.75, 0.9))))
    return Figure(caption, plot.svg(), legend, ("System (ms)", "10 %", "25 %", "50 %", "75 %", "90 %"), rows)


def latency_ridges(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """The density of the times of each system, one above the other: the median, and first queries, cold and warm."""
    times = _times(run, collection, side)
    if not times:
        return None
    cells, firsts = run.cells(), {}
    for name, words in FIRSTS.items() if side == "total" else ():
        rows = {s: cells[collection, s, name].value * 1e3 for s in times if (collection, s, name) in cells}
        if rows:
            firsts[words] = rows
    return _ridges(times, caption, "milliseconds", log=True, signs=firsts)


def term_ridges(counts: Mapping[str, Counts], caption: str) -> Figure | None:
    """The density of the numbers of active terms of each system's vectors."""
    spreads = {
        system: Spread(np.asarray(terms, np.float64), np.cumsum(vectors))
        for system, (terms, vectors) in counts.items()
        if len(terms)
    }
    return _ridges(spreads, caption, "active terms", log=False) if spreads else None


def _ridges(
    spreads: Mapping[str, Spread],
    caption: str,
    axis: str,
    *,
    log: bool,
    signs: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Densities; `signs`: words -> single values by system that are marked on their lines."""
    extra = dict(signs or {})
    values = [row.quantile(q) for row in spreads.values() for q in (0.002, 0.998)]
    x = Axis.around(axis, [*values, *(v for rows in extra.values() for v in rows.values())], log=log)
    plot = Plot(x, rows=briefly(list(spreads)), row_height=36)
    edges = np.geomspace(x.low, x.high, 60) if x.log else np.linspace(x.low, x.high, 60)
    middles = np.sqrt(edges[1:] * edges[:-1]) if x.log else (edges[1:] + edges[:-1]) / 2
    rows = []
    for place, (system, row) in enumerate(spreads.items()):
        heights = np.convolve(row.histogram(edges), np.asarray([1, 2, 3, 2, 1]) / 9, mode="same")
        shares = (heights / max(heights.max(), 1e-12)).tolist()
        visible = [i for i, share in enumerate(shares) if share > 0.004]
        part = slice(max(visible[0] - 1, 0), visible[-1] + 2)
        plot.ridge(place, list(zip(middles[part].tolist(), shares[part], strict=True)), place)
        low, middle, high = (row.quantile(q) for q in (0.05, 0.5, 0.95))
        plot.tick(place, middle)
        for sign, (words, singles) in enumerate(extra.items()):
            if system in singles:
                title = f"{system}, {words}: {singles[system]:.4g}"
                plot.sign(place, singles[system], _SIGNS[sign], title, hollow=bool(sign))
        marks = [f"{singles[system]:.4g}" if system in singles else "–" for singles in extra.values()]
        rows.append((system, f"{low:.4g}", f"{middle:.4g}", f"{high:.4g}", f"{len(row):,}", *marks))
    head = (f"System ({axis})", "5 % below", "median", "95 % below", "values", *extra)
    legend = [(swatch(_SIGNS[sign], kind="s-ink" + " hollow" * bool(sign)), words) for sign, words in enumerate(extra)]
    return Figure(caption, plot.svg(), legend, head, rows)


def _times(run: RunData, collection: str, side: str) -> dict[str, Spread]:
    """Milliseconds by system."""
    return run.once(
        ("times", collection, side),
        lambda: {
            system: Spread(np.sort(run.latency[collection, system][side], axis=None) * 1e3)
            for system in run.names(collection)
            if (collection, system) in run.latency
        },
    )
