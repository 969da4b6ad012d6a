"""A large batch in little memory: gradient caching (Gao et al., arXiv 2101.06983) and validation, both in chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from harness.training.flops import counter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.training.objectives import Batch, Objective


def backward(
    backbone: torch.nn.Module, objective: Objective, batch: Batch, done: float, size: int
) -> tuple[float, dict[str, float]]:
    """Add a whole batch's gradients while the activations of `size` texts at most are held.

    The vectors of all texts are made without a graph, the loss gives the gradient of each, and a second pass carries
    these into the weights, chunk by chunk. The result is that of one large pass but for the order of additions.

    Returns:
        The loss, operations (the second pass over the texts counts as backward) and parts.
    """
    objective.start(batch)
    with torch.no_grad(), counter() as forward:
        made = [objective.vectors(backbone(ids, lengths), lengths) for ids, lengths in chunks(batch, size)]
    vectors = torch.cat(made).requires_grad_()
    loss, parts = objective.compare(vectors[: batch.pairs], vectors[batch.pairs :], done)
    value = loss.item()
    if not math.isfinite(value):
        return value, parts
    with counter() as back:
        loss.backward()
        assert vectors.grad is not None  # noqa: S101 - they are what the loss is made of
        begin = 0
        for ids, lengths in chunks(batch, size):
            objective.vectors(backbone(ids, lengths), lengths).backward(vectors.grad[begin : begin + len(lengths)])
            begin += len(lengths)
    operations = {"forward": float(forward.get_total_flops()), "backward": float(back.get_total_flops())}
    return value, {**operations, **parts}


@torch.no_grad()
def ndcg(backbone: torch.nn.Module, objective: Objective, batch: Batch, size: int) -> float:
    """Mean nDCG@10 of finding each query's own passage among all passages of a batch; of equal scores, it comes last.

    All terms are looked at, and none is cut off.
    """
    objective.start(None)
    vectors = torch.cat([objective.vectors(backbone(ids, lengths), lengths) for ids, lengths in chunks(batch, size)])
    scores = vectors[: batch.pairs] @ vectors[batch.pairs :].T
    own = scores.diagonal()[:, None]
    ranks = (scores >= own).sum(1)
    return float(torch.where(ranks <= 10, 1 / torch.log2(ranks + 1.0), 0.0).mean())


def chunks(batch: Batch, size: int) -> Iterator[tuple[torch.Tensor, Sequence[int]]]:
    """Packed ids and lengths of `size` texts at a time."""
    begin = 0
    for first in range(0, len(batch.lengths), size):
        lengths = batch.lengths[first : first + size]
        end = begin + sum(lengths)
        yield batch.ids[begin:end], lengths
        begin = end
