"""The curves of each training: loss, active terms, FLOPS terms and validation, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, colour, swatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.runs.read import RunData

LOGGED = {
    "loss": "Loss, relative to the first: losses of different scores are not comparable.",
    "validation_ndcg@10": "nDCG@10 on the pairs held out of training.",
    "active_document": "Active terms of a passage in the batch, before the largest are chosen.",
    "active_query": "Active terms of a query in the batch, before the largest are chosen.",
    "flops_documents": "FLOPS term of the passages, before its weight.",
    "flops_queries": "FLOPS term of the queries, before its weight.",
    "similarity": "Mean cosine of different passages of a batch: near 1, the model collapsed.",
}
MOST = 300
"""Points of a line, besides the last one; a reader cannot see more."""


def curves(run: RunData) -> list[Figure]:
    """One figure for each value that any training logged, one line an encoder."""
    figures = []
    for name, caption in LOGGED.items():
        lines = {
            encoder: [(float(row["step"]), float(row[name])) for row in rows if "step" in row and name in row]
            for encoder, rows in run.training.items()
        }
        lines = {encoder: points for encoder, points in lines.items() if points}
        if name == "loss":
            lines = {encoder: points for encoder, points in lines.items() if points[0][1]}
        if lines:
            figures.append(_figure(name, caption, lines, list(run.training)))
    return figures


def _figure(
    name: str, caption: str, lines: Mapping[str, Sequence[tuple[float, float]]], encoders: Sequence[str]
) -> Figure:
    """Colours follow the encoder, not its place among those that logged this value."""
    first = {encoder: points[0][1] if name == "loss" else 1.0 for encoder, points in lines.items()}
    drawn = {encoder: [(x, y / first[encoder]) for x, y in points] for encoder, points in lines.items()}
    x = Axis.around("step", [step for points in drawn.values() for step, _ in points])
    axis = "loss / first loss" if name == "loss" else name.replace("_", " ")
    plot = Plot(x, Axis.around(axis, [y for points in drawn.values() for _, y in points]))
    legend, rows = [], []
    for encoder, points in drawn.items():
        place = encoders.index(encoder)
        every = -(-len(points) // MOST)
        plot.line([*points[:-1:every], points[-1]], colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), encoder))
        values = lines[encoder]
        rows.append((encoder, f"{values[-1][0]:g}", f"{values[0][1]:.4g}", f"{values[-1][1]:.4g}"))
    return Figure(caption, plot.svg(), legend, ("Encoder", "Last step", "First", "Last"), rows)
