"""A run's scores beside published scores of the same model and task, with pass, near or fail."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed
from harness.markdown import escaped, markdown_table
from harness.runs.suites import over
from harness.spec.suite import Suite
from reports.exports.mteb_tasks import AGGREGATE, parts_of_aggregate, task_of
from reports.exports.quoted import read_quoted
from reports.exports.standings import standings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.runs.read import RunData
    from reports.exports.standings import Standing

Word: TypeAlias = Literal["pass", "near", "fail"]
METRIC = "ndcg@10"
NEAR, FAR = 0.005, 0.02
"""Differences of nDCG@10 up to which a score passes, and up to which it is near."""


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
        scores: CSV: a column of models, then one of nDCG@10 a task. A task of several parts, such as
            CQADupstackRetrieval, is their mean, given where all of them were run.

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


def beside(run: RunData, scores: Path) -> tuple[list[Compared], list[Standing]]:
    """What `compared` and `standings` say; a file may have the run's systems, or rivals of a suite's mean, or both.

    Raises:
        UserError: The file is broken or has neither.
    """
    ranks = standings(run, scores)
    named = {name for name, _ in read_quoted(scores, [task for _, task in _scores(run)], needed=False)}
    if ranks and not named & {name for name, _ in _scores(run)}:
        return [], ranks
    return compared(run, scores), ranks


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
    scores = {
        (system, task_of(run, collection)): row.value
        for (collection, system, name), row in run.cells().items()
        if name == METRIC
    }
    for system in dict.fromkeys(name for name, _ in scores):
        if parts := parts_of_aggregate(run, system):
            scores[system, AGGREGATE] = fmean(run.cells()[part, system, METRIC].value for part in parts)
        for suite in run.suites:
            for task, own in suite.tasks.items():
                row = over(run, Suite(task, {part: (part,) for part in own}), system, METRIC)
                if row is not None:
                    scores[system, task] = row.value
    return scores
