"""Where a small sparse model starts: which terms it has, and what each weighs before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from harness.encoders.backbones.batching import Tokeniser
from harness.training.max_head import max_logits
from harness.training.objectives import SparseObjective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.encoders.backbones.packed_encoder import Model
    from harness.training.params import TrainingParams

COUNTED = 20_000
"""Passages that document frequencies are counted in."""
FEW = 20
"""Fewer passages than this say nothing of a term's spread."""


@dataclass
class Terms:
    """A term's logit is ``scale * (head row x state + bias)``.

    Args:
        rows: Ids of the terms in use, ascending; all where None.
        bias: Of the terms in use; none where None.
        log_scale: Logarithm of their scale; no scale where None.
        inverse: Their inverse document frequency in the training passages, where it was counted.
        table: Logarithm of their weight in a query that holds them, where queries are looked up in a learnt table.
    """

    rows: torch.Tensor | None = None
    bias: torch.nn.Parameter | None = None
    log_scale: torch.nn.Parameter | None = None
    inverse: torch.Tensor | None = None
    table: torch.nn.Parameter | None = None

    def objective(self, model: Model, params: TrainingParams, seed: int) -> SparseObjective:
        """The loss that trains bias, scale and table."""
        head, columns = model.head, None
        if self.rows is not None:
            columns = torch.full((len(model.head),), -1).scatter(0, self.rows, torch.arange(len(self.rows)))
            head = model.head[self.rows]
        return SparseObjective(
            head,
            self.bias,
            params,
            seed,
            log_scale=self.log_scale,
            columns=columns,
            inverse=self.inverse,
            table=self.table,
        )

    def count(self, model: Model, passages: Sequence[str], *, table: bool) -> None:
        """Count the terms in the training passages, and begin a table of queries with the root of what that gives."""
        frequency, count = frequencies(model, passages)
        chosen = frequency if self.rows is None else frequency[self.rows]
        self.inverse = ((count - chosen + 0.5) / (chosen + 0.5)).log1p()
        if table and self.table is None:
            self.table = torch.nn.Parameter(self.inverse.sqrt().clamp(min=1e-3).log())

    def tensors(self, size: int) -> dict[str, torch.Tensor]:
        """`bias`, `scale` and `table` of a whole vocabulary, as far as there are any; 0 for terms not in use."""
        by_name: dict[str, torch.Tensor] = {}
        rows = torch.arange(size) if self.rows is None else self.rows
        for name, value in (
            ("bias", self.bias),
            ("scale", None if self.log_scale is None else self.log_scale.exp()),
            ("table", None if self.table is None else self.table.exp()),
        ):
            if value is not None:
                by_name[name] = torch.zeros(size).index_copy(0, rows, value.detach().float())
        return by_name


def trained(tensors: Mapping[str, torch.Tensor], *, table: bool) -> Terms:
    """The terms of an adapter, to train on.

    Args:
        tensors: ``terms.scale``, ``terms.bias`` and ``terms.table`` of the whole vocabulary, as far as there are any.
        table: Whether queries are looked up in a table that is learnt; else the adapter's is left out.
    """
    scale, bias, weights = (tensors.get(f"terms.{name}") for name in ("scale", "bias", "table"))
    rows = None if scale is None else scale.nonzero().squeeze(1)
    if rows is not None:
        scale, bias, weights = (None if each is None else each[rows] for each in (scale, bias, weights))
    return Terms(
        rows,
        None if bias is None else torch.nn.Parameter(bias.clone()),
        None if scale is None else torch.nn.Parameter(scale.log()),
        table=None if weights is None or not table else torch.nn.Parameter(weights.clamp(min=1e-3).log()),
    )


def frequencies(model: Model, passages: Sequence[str]) -> tuple[torch.Tensor, int]:
    """In how many of these passages, or of `COUNTED` evenly spaced ones, each term stands, and how many they are."""
    frequency = torch.zeros(len(model.head))
    counted = spread(passages, COUNTED)
    for ids in _ids(model, counted):
        frequency[list(set(ids))] += 1
    return frequency, len(counted)


def spread(items: Sequence[str], size: int) -> list[str]:
    """`size` of the items, evenly spaced; all where there are no more."""
    return [items[place * len(items) // size] for place in range(size)] if size < len(items) else list(items)


def biased(model: Model, passages: Sequence[str], *, deviations: float, batch_size: int) -> Terms:
    """The bias -(mean + deviations * standard deviation) of each term's largest logit over these passages."""
    count, total, squares = 0, torch.zeros(len(model.head)).double(), torch.zeros(len(model.head)).double()
    for _, largest in _largest(model, model.head, _ids(model, passages), batch_size):
        count, total, squares = count + len(largest), total + largest.sum(0), squares + largest.square().sum(0)
    mean = total / count
    deviation = ((squares - count * mean.square()) / max(count - 1, 1)).clamp(min=0).sqrt()
    return Terms(bias=torch.nn.Parameter(-(mean + deviations * deviation).float()))


def weighted(
    model: Model, passages: Sequence[str], *, size: int | None, deviations: float, weight: float, background: int
) -> Terms:
    """Scale and bias by two points of each term's largest logit.

    Passages without the term: their mean plus `deviations` standard deviations is where its weight begins. Passages
    that hold it: their mean gives the weight ``weight * sqrt(idf)``. A term that fewer than two background passages
    hold takes the usual distance between the two, in standard deviations.

    Args:
        model: Untrained.
        passages: Of the training pairs.
        size: Terms in use, those that most passages hold; all where None.
        deviations: See above.
        weight: See above.
        background: Passages that logits are taken from.
    """
    frequency, count = frequencies(model, passages)
    terms = frequency.argsort(descending=True, stable=True)[: size or len(frequency)].sort().values
    inverse = ((count - frequency[terms] + 0.5) / (frequency[terms] + 0.5)).log1p()

    chosen = _ids(model, spread(passages, background))
    column = torch.full((len(model.head),), len(terms))
    column[terms] = torch.arange(len(terms))
    sums = torch.zeros(2, 3, len(terms)).double()  # without and with the term: count, sum, sum of squares
    for places, largest in _largest(model, model.head[terms], chosen, 32):
        holds = torch.zeros(len(places), len(terms) + 1, dtype=torch.bool)
        for row, place in enumerate(places):
            holds[row, column[chosen[place]]] = True
        for side, mask in enumerate((~holds[:, :-1], holds[:, :-1])):
            part = largest * mask
            sums[side] += torch.stack([mask.sum(0).double(), part.sum(0), part.square().sum(0)])
    without, (held, held_sum, _) = sums[0], sums[1]
    # What nearly all passages hold has no passages without it: then all passages are taken.
    holders, total, squares = torch.where(without[0] >= FEW, without, sums.sum(0))
    mean = total / holders.clamp(min=1)
    deviation = (squares / holders.clamp(min=1) - mean.square()).clamp(min=1e-6).sqrt()
    begins = mean + deviations * deviation
    frequent = held >= 2
    distances = ((held_sum / held.clamp(min=1) - mean) / deviation)[frequent]
    usual = distances.median() if len(distances) else torch.tensor(9.0)
    # Two more passages at the usual distance keep a rare term from an accidental scale.
    own = (held_sum + 2 * (mean + usual * deviation)) / (held + 2)
    scale = torch.expm1(weight * inverse.double().sqrt()) / torch.maximum(own - begins, 0.5 * deviation)
    bias, log_scale = (torch.nn.Parameter(t.float()) for t in (-begins, scale.clamp(min=1e-6).log()))
    return Terms(terms, bias, log_scale)


def _ids(model: Model, passages: Sequence[str]) -> list[list[int]]:
    return Tokeniser(model.tokenizer, model.contract).ids(passages, "document")


def _largest(
    model: Model, head: torch.Tensor, ids: list[list[int]], batch_size: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    for places, states, lengths in model.states(ids, batch_size):
        yield places, max_logits(states, lengths, head).double()
