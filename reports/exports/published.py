"""A run's scores beside published scores of the same model and task, with pass, near or fail."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed
from harness.markdown import escaped, markdown_table
from reports.exports.quoted import read_quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.runs.read import RunData

Word: TypeAlias = Literal["pass", "near", "fail"]
NEAR, FAR = 0.005, 0.02
"""Differences of nDCG@10 up to which a score passes, and up to which it is near."""
PART = "CQADupstack"


@dataclass(frozen=True)
class Compared:
    """One model on one task."""

    model: str
    task: str
    ours: float
    published: float

    @property
    def word(self) -> Word:
        """How near the score is to the published one, above or below it."""
        gap = round(abs(self.ours - self.published), 6)
        return "pass" if gap <= NEAR else "near" if gap <= FAR else "fail"


def compared(run: RunData, scores: Path) -> list[Compared]:
    """Every system with a row of its name in the file, on every task with a column.

    Args:
        run: Its systems are named as the file's first column names models (``owner/model``).
        scores: CSV: a column of models, then one of nDCG@10 a task. CQADupstackRetrieval is the mean of its twelve
            parts, given where all of them were run.

    Raises:
        UserError: The file is broken, no column is a task of the run, or no row is one of its systems.
    """
    ours = _scores(run)
    tasks = list(dict.fromkeys(task for _, task in ours))
    rows = dict(read_quoted(scores, tasks))
    names = list(dict.fromkeys(name for name, _ in ours))
    if not set(names) & set(rows):
        raise UserError(
            f"no row is a system of this run ({', '.join(names[:5])})", file=scores,
            remedy=f"give the systems of the spec the names of the rows; {allowed(names[0] if names else '', rows)}",
        )  # fmt: skip
    return [
        Compared(name, task, value, rows[name][task])
        for (name, task), value in ours.items()
        if name in rows and task in rows[name]
    ]


def printed(comparisons: Sequence[Compared]) -> str:
    """A Markdown table, and the counts."""
    rows = [
        (
            escaped(row.model), escaped(row.task), f"{row.ours:.4f}", f"{row.published:.4f}",
            f"{row.ours - row.published:+.4f}", row.word,
        )
        for row in comparisons
    ]  # fmt: skip
    lines = markdown_table(("model", "task", "ours", "published", "difference", ""), rows, left=(0, 1, 5))
    counts = ", ".join(f"{sum(row.word == word for row in comparisons)} {word}" for word in ("pass", "near", "fail"))
    lines.append(f"\n{counts} (pass: within {NEAR}, near: within {FAR} of nDCG@10)")
    return "\n".join(lines) + "\n"


def _scores(run: RunData) -> dict[tuple[str, str], float]:
    scores = {}
    for (collection, system, metric), row in run.cells().items():
        if metric == "ndcg@10":
            scores[system, _task(run, collection)] = row.value
    for system in dict.fromkeys(name for name, _ in scores):
        parts = [value for (name, task), value in scores.items() if name == system and task.startswith(PART)]
        if len(parts) == 12:
            scores[system, "CQADupstackRetrieval"] = fmean(parts)
    return scores


def _task(run: RunData, collection: str) -> str:
    """The task's name in mteb, or the collection's own."""
    about = run.facts["collections"].get(collection, {}).get("description", {})
    return str(about["task"].split(" of mteb ")[0]) if " of mteb " in about.get("task", "") else collection
