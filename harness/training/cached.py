"""Gradients of a batch: at once, in little memory (gradient caching, arXiv 2101.06983), or on many devices."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import torch

from harness.training.devices import ALONE, Devices
from harness.training.flops import counter
from harness.training.objectives import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.training.objectives import Objective


def backward(
    backbone: torch.nn.Module,
    objective: Objective,
    batch: Batch,
    done: float,
    size: int | None = None,
    devices: Devices = ALONE,
    *,
    weight: float = 1.0,
) -> tuple[float, dict[str, float]]:
    """Add the gradients of a whole batch's loss, as far as they come from this process's texts.

    Vectors are made apart from the loss, which gives the gradient of each; these are then carried into the weights. So
    the loss may look at vectors of other processes, and at more of them than there is memory for activations: with a
    `size`, vectors are first made without a graph, and a second time, `size` texts at a time, for the backward pass.
    The result differs from that of one large pass only by the order of additions. With a `weight`, that share of the
    gradients is added.

    Returns:
        The loss, operations (a second pass over the texts counts as backward) and parts.
    """
    objective.start(batch)
    own = batch if devices.count == 1 else batch.only(devices.share(len(batch.lengths)))
    looked, rest = _looked_up(objective, own, devices)
    total = len(batch.lengths) - (batch.pairs if looked else 0)
    # Drawn here, so that a second pass over the texts leaves out the same inputs of the adapters as the first.
    seed = int(torch.randint(2**62, ()))
    made: Iterator[torch.Tensor]
    with torch.set_grad_enabled(size is None), counter() as forward:
        if size is None:
            hidden = backbone(rest.ids.to(devices.device), rest.lengths)
            made = (objective.vectors(rows, lengths) for rows, lengths in rest.sides(hidden) if lengths)
        else:
            made = _made(backbone, objective, chunks(rest, size, devices, total), seed)
        mine = torch.cat([*looked, *made])
    vectors = devices.gather(mine.detach(), len(batch.lengths))
    # Both sides add to one tensor: each would have one of all rows if they were parts of a leaf.
    gradient = torch.zeros_like(vectors)
    sides = [vectors[: batch.pairs].requires_grad_(), vectors[batch.pairs :].requires_grad_()]
    sides[0].grad, sides[1].grad = gradient[: batch.pairs], gradient[batch.pairs :]
    loss, parts = objective.compare(sides[0], sides[1], done, batch.taught)
    value = loss.item()
    if not math.isfinite(value):
        return value, parts
    with counter() as back:
        (loss * weight).backward()
        flow = gradient[devices.number :: devices.count]
        if size is None:
            mine.backward(flow)
        else:
            begin = 0
            # One part's graph at a time: the next is made when that of the one before it is gone.
            for rows in chain(looked, _made(backbone, objective, chunks(rest, size, devices, total), seed)):
                rows.backward(flow[begin : begin + len(rows)])
                begin += len(rows)
    operations = {"forward": float(forward.get_total_flops()), "backward": float(back.get_total_flops())}
    return value, {**devices.total(operations), **parts}


@torch.no_grad()
def ndcg(backbone: torch.nn.Module, objective: Objective, batch: Batch, size: int, devices: Devices = ALONE) -> float:
    """Mean nDCG@10 of finding each query's own passage among all passages of a batch; of equal scores, it comes last.

    All terms are looked at, and none is cut off.
    """
    objective.start(None)
    looked, rest = _looked_up(objective, batch, devices)
    made = (objective.vectors(backbone(ids, lengths), lengths) for ids, lengths in chunks(rest, size, devices))
    vectors = torch.cat([*looked, *made])
    scores = vectors[: batch.pairs] @ vectors[batch.pairs :].T
    own = scores.diagonal()[:, None]
    ranks = (scores >= own).sum(1)
    return float(torch.where(ranks <= 10, 1 / torch.log2(ranks + 1.0), 0.0).mean())


def _looked_up(objective: Objective, batch: Batch, devices: Devices) -> tuple[list[torch.Tensor], Batch]:
    """Vectors of the queries, if they need no backbone, and the texts that need it."""
    if not batch.pairs:
        return [], batch
    rows = objective.looked_up(batch.ids[: batch.query_tokens].to(devices.device), batch.lengths[: batch.pairs])
    return ([], batch) if rows is None else ([rows], Batch([], batch.texts[batch.pairs :]))


def _made(
    backbone: torch.nn.Module,
    objective: Objective,
    parts: Iterable[tuple[torch.Tensor, Sequence[int]]],
    seed: int,
) -> Iterator[torch.Tensor]:
    """Vectors of one part after the other; what is random in them is decided by the seed."""
    for number, (ids, lengths) in enumerate(parts):
        torch.manual_seed(seed + number)
        yield objective.vectors(backbone(ids, lengths), lengths)


def chunks(
    batch: Batch, size: int, devices: Devices, total: int | None = None
) -> Iterator[tuple[torch.Tensor, Sequence[int]]]:
    """Packed ids and lengths of `size` texts at a time, on this process's device.

    Args:
        batch: Of this process.
        size: Texts at a time, at most.
        devices: Processes that share weights gather them for each chunk, so all of them need equally many.
        total: Texts of all processes where each has its share of them.
    """
    count = len(batch.lengths)
    firsts = list(range(0, count, size))
    if devices.sharded and total is not None:
        parts = math.ceil(math.ceil(total / devices.count) / size)
        firsts = [number * count // parts for number in range(parts)]
    begin = 0
    for first, last in zip(firsts, [*firsts[1:], count], strict=True):
        lengths = batch.lengths[first:last]
        end = begin + sum(lengths)
        yield batch.ids[begin:end].to(devices.device), lengths
        begin = end
