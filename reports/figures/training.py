"""The curves of each training: loss, active terms, FLOPS terms and validation, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

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


@dataclass(frozen=True, kw_only=True)
class TrainingCurve(Panel):
    """What trainings logged, a line for each encoder.

    Attributes:
        lines: (step, value) by encoder; at least one each. The values of "loss" are drawn relative to the first.
        encoders: All of the run: their places give the colours, so that an encoder has one in all panels.
    """

    lines: Mapping[str, Sequence[tuple[float, float]]]
    encoders: Sequence[str]

    def drawn_lines(self) -> dict[str, list[tuple[float, float]]]:
        """At most `MOST` points of each line and the last one."""
        shown = {}
        for encoder, points in self.lines.items():
            first = points[0][1] if self.metric == "loss" else 1.0
            every = -(-len(points) // MOST)
            shown[encoder] = [(x, y / first) for x, y in (*points[:-1:every], points[-1])]
        return shown

    def table(self) -> Table:
        """First and last value of each line, as logged."""
        rows = [
            (encoder, f"{points[-1][0]:g}", f"{points[0][1]:.4g}", f"{points[-1][1]:.4g}")
            for encoder, points in self.lines.items()
        ]
        return Table(("Encoder", "Last step", "First", "Last"), rows)

    def draw(self, ax: Axes) -> Drawn:
        """A line for each encoder."""
        shown = self.drawn_lines()
        axis = "loss / first loss" if self.metric == "loss" else self.metric.replace("_", " ")
        every = [point for points in shown.values() for point in points]
        frame(ax, Scale.around("step", [x for x, _ in every]), Scale.around(axis, [y for _, y in every]))
        drawn = Drawn()
        for encoder, points in shown.items():
            place = self.encoders.index(encoder)
            marks.line(ax, points, place, dash=place, gid=f"curve-{place}")
            drawn.keys.append(Key(encoder, "line", place))
        return drawn


@register("training")
class Training(FigureKindBase):
    """Loss, validation and active terms of each training, step by step."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """A panel for each value that any training logged."""
        panels = []
        for name, caption in LOGGED.items():
            lines = {
                encoder: [(float(row["step"]), float(row[name])) for row in rows if "step" in row and name in row]
                for encoder, rows in run.training.items()
            }
            lines = {encoder: points for encoder, points in lines.items() if points}
            if name == "loss":
                lines = {encoder: points for encoder, points in lines.items() if points[0][1]}
            if lines:
                panels.append(TrainingCurve(caption=caption, metric=name, lines=lines, encoders=list(run.training)))
        return [Sheet("training", panels)] if panels else []
