"""Learning from the scores that teachers gave the passages of a query, beside the contrast with other passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.training.params import Distillation


@dataclass(frozen=True)
class Taught:
    """What teachers say of the own passages of some of a batch's queries.

    Args:
        queries: Numbers of these queries, int64.
        places: Queries x most passages of one, int64: the passage's number in the batch. A query's positive comes
            first; a query with fewer passages is filled up with its positive.
        known: Of the same shape: whether there is a passage, and not a filling.
        scores: Teachers x queries x most passages, float32; what stands for a filling does not matter.
    """

    queries: torch.Tensor
    places: torch.Tensor
    known: torch.Tensor
    scores: torch.Tensor

    def to(self, device: torch.device) -> Taught:
        """The same on a device."""
        return Taught(*(tensor.to(device) for tensor in (self.queries, self.places, self.known, self.scores)))


def taught(negatives: Sequence[int], scores: Sequence[Sequence[Sequence[float]]]) -> Taught | None:
    """The teachers' scores of a batch whose passages are the positives of all queries, then all negatives in order.

    Args:
        negatives: How many each query has.
        scores: Of each query: of each teacher: of its positive and its negatives. Empty for a query without scores.

    Returns:
        None where no query has scores of two passages.

    Raises:
        UserError: Queries have different numbers of teachers.
    """
    queries = [number for number, teachers in enumerate(scores) if teachers and negatives[number]]
    if not queries:
        return None
    if len(teachers := {len(scores[number]) for number in queries}) > 1:
        raise UserError(
            f"the pairs have scores of {min(teachers)} to {max(teachers)} teachers",
            key="pairs",
            remedy="let the same teachers score all pairs",
        )
    starts, total = [], len(negatives)
    for count in negatives:
        starts.append(total)
        total += count
    widest = 1 + max(negatives[number] for number in queries)
    places, known = torch.empty(len(queries), widest, dtype=torch.int64), torch.zeros(len(queries), widest).bool()
    values = torch.zeros(teachers.pop(), len(queries), widest)
    for row, number in enumerate(queries):
        count = negatives[number]
        places[row] = number
        places[row, 1 : count + 1] = torch.arange(starts[number], starts[number] + count)
        known[row, : count + 1] = True
        values[:, row, : count + 1] = torch.tensor(scores[number])
    return Taught(torch.tensor(queries), places, known, values)


def mixed(given: Taught, params: Distillation) -> torch.Tensor:
    """One score for each passage out of all teachers' scores: queries x most passages, float32.

    Raises:
        UserError: There are more or fewer weights than teachers.
    """
    scores = given.scores
    weights = torch.tensor(params.teachers or (1.0,) * len(scores), device=scores.device)
    if len(weights) != len(scores):
        raise UserError(
            f"the pairs have scores of {len(scores)} teachers, and there are {len(weights)} weights",
            key="training.distillation.teachers",
            remedy="give one weight for each teacher, or leave them out",
        )
    if params.normalise == "min-max":
        low = scores.masked_fill(~given.known, torch.inf).amin(-1, keepdim=True)
        high = scores.masked_fill(~given.known, -torch.inf).amax(-1, keepdim=True)
        scores = (scores - low) / (high - low).clamp(min=1e-9)
    # No matrix product: autocast would round it to bfloat16.
    return params.scale * (weights[:, None, None] * scores).sum(0) / weights.sum()


def distil(scores: torch.Tensor, given: Taught, params: Distillation) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The weighted sum of both losses, and each of them where it has a weight.

    Args:
        scores: Of the model: queries x passages of the batch.
        given: What the teachers say.
        params: Which losses count.
    """
    own = scores[given.queries[:, None], given.places]
    target = mixed(given, params)
    parts: dict[str, torch.Tensor] = {}
    total = scores.new_zeros(())
    if params.kl:
        ours, theirs = (
            functional.log_softmax((side / params.temperature).masked_fill(~given.known, -1e9), 1)
            for side in (own, target)
        )
        parts["kl"] = (theirs.exp() * (theirs - ours)).masked_fill(~given.known, 0.0).sum(1).mean()
        total = total + params.kl * parts["kl"]
    if params.margin_mse:
        ours, theirs = (side[:, :1] - side[:, 1:] for side in (own, target))
        parts["margin_mse"] = (ours - theirs)[given.known[:, 1:]].square().mean()
        total = total + params.margin_mse * parts["margin_mse"]
    return total, parts
