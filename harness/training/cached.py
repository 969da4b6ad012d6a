"""Gradients of a batch: at once, in little memory (gradient caching, arXiv 2101.06983), or on many devices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from harness.training.devices import ALONE, Devices
from harness.training.flops import counter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.training.objectives import Batch, Objective


def backward(
    backbone: torch.nn.Module,
    objective: Objective,
    batch: Batch,
    done: float,
    size: int | None = None,
    devices: Devices = ALONE,
) -> tuple[float, dict[str, float]]:
    """Add the gradients of a whole batch's loss, as far as they come from this process's texts.

    Vectors are made apart from the loss, which gives the gradient of each; these are then carried into the weights. So
    the loss may look at vectors of other processes, and at more of them than there is memory for activations: with a
    `size`, vectors are first made without a graph, and a second time, `size` texts at a time, for the backward pass.
    The result differs from that of one large pass only by the order of additions.

    Returns:
        The loss, operations (a second pass over the texts counts as backward) and parts.
    """
    objective.start(batch)
    own = batch if devices.count == 1 else batch.only(devices.share(len(batch.lengths)))
    with torch.set_grad_enabled(size is None), counter() as forward:
        if size is None:
            hidden = backbone(own.ids.to(devices.device), own.lengths)
            made = [objective.vectors(rows, lengths) for rows, lengths in own.sides(hidden) if lengths]
        else:
            made = [objective.vectors(backbone(ids, lengths), lengths) for ids, lengths in chunks(own, size, devices)]
    mine = torch.cat(made)
    vectors = devices.gather(mine.detach(), len(batch.lengths)).requires_grad_()
    loss, parts = objective.compare(vectors[: batch.pairs], vectors[batch.pairs :], done)
    value = loss.item()
    if not math.isfinite(value):
        return value, parts
    with counter() as back:
        loss.backward()
        assert vectors.grad is not None  # noqa: S101 - they are what the loss is made of
        flow = vectors.grad[list(devices.share(len(vectors)))]
        if size is None:
            mine.backward(flow)
        else:
            begin = 0
            for ids, lengths in chunks(own, size, devices):
                objective.vectors(backbone(ids, lengths), lengths).backward(flow[begin : begin + len(lengths)])
                begin += len(lengths)
    operations = {"forward": float(forward.get_total_flops()), "backward": float(back.get_total_flops())}
    return value, {**devices.total(operations), **parts}


@torch.no_grad()
def ndcg(backbone: torch.nn.Module, objective: Objective, batch: Batch, size: int, devices: Devices = ALONE) -> float:
    """Mean nDCG@10 of finding each query's own passage among all passages of a batch; of equal scores, it comes last.

    All terms are looked at, and none is cut off.
    """
    objective.start(None)
    parts = chunks(batch, size, devices)
    vectors = torch.cat([objective.vectors(backbone(ids, lengths), lengths) for ids, lengths in parts])
    scores = vectors[: batch.pairs] @ vectors[batch.pairs :].T
    own = scores.diagonal()[:, None]
    ranks = (scores >= own).sum(1)
    return float(torch.where(ranks <= 10, 1 / torch.log2(ranks + 1.0), 0.0).mean())


def chunks(batch: Batch, size: int, devices: Devices) -> Iterator[tuple[torch.Tensor, Sequence[int]]]:
    """Packed ids and lengths of `size` texts at a time, on this process's device."""
    begin = 0
    for first in range(0, len(batch.lengths), size):
        lengths = batch.lengths[first : first + size]
        end = begin + sum(lengths)
        yield batch.ids[begin:end].to(devices.device), lengths
        begin = end
