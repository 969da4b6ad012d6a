"""Of many negatives of a training pair, those that its teachers rank highest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.steps.prepare import open_pairs
from harness.pipeline.steps.result import StepResult

if TYPE_CHECKING:
    from harness.collections.base import Pair
    from harness.encoders.base import Progress

REPORTED = 1000
"""Pairs between two reports."""


@dataclass(frozen=True)
class Hardest(StepResult):
    """Pairs with fewer negatives: how many pairs, and negatives a pair, mean."""

    pairs: int
    negatives: float


def keep_hardest(*, out: str, pairs: str, count: int, report: Progress) -> Hardest:
    """Write the pairs anew as a `PairTable`, each with the negatives that `hardest` leaves it.

    Args:
        out: Folder to write to.
        pairs: Folder with the pairs.
        count: Negatives of a pair at most.
        report: Progress.
    """
    from harness.collections.pair_table import FILE, PairWriter

    source, total = open_pairs(Path(pairs)), 0
    with PairWriter(Path(out) / FILE) as writer:
        for pair in source:
            chosen = hardest(pair, count)
            writer.add(chosen)
            total += len(chosen.negatives)
            if writer.count % REPORTED == 0:
                report(writer.count, len(source), "pairs")
    return Hardest(len(source), total / max(len(source), 1))


def hardest(pair: Pair, count: int) -> Pair:
    """The pair with the negatives that the mean of its teachers ranks highest, and with their scores.

    Each teacher's scores are brought between 0 and 1 over the pair's passages before the mean is taken, as
    `training.distillation` does without weights. Of equal means, the earlier negative comes first.

    Args:
        pair: A pair without scores stays as it is.
        count: Negatives at most.
    """
    if not pair.scores or len(pair.negatives) <= count:
        return pair
    scores = np.asarray(pair.scores)
    low, high = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
    means = ((scores - low) / np.maximum(high - low, 1e-9)).mean(0)
    first = len(pair.positives)
    places = np.argsort(-means[first:], kind="stable")[:count].tolist()
    columns = [*range(first), *(first + place for place in places)]
    return pair._replace(
        negatives=tuple(pair.negatives[place] for place in places),
        scores=tuple(tuple(teacher[column] for column in columns) for teacher in pair.scores),
    )
