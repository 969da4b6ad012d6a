"""All in which the sparse model and its dense twin differ while training: the head and the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from harness.training.distillation import distil
from harness.training.max_head import active_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.training.distillation import Taught
    from harness.training.params import TrainingParams

FREQUENT = 0.1
"""Least inverse document frequency that weights are divided by: no term counts for more than ten."""


class Batch:
    """Tokens of queries followed by those of their passages, packed.

    Args:
        queries: Token ids of each query.
        passages: Token ids of each passage; the one at the same place answers the query, and those past the last query
            answer none.

    `taught` holds what teachers say of the passages, where they say anything.
    """

    taught: Taught | None = None

    def __init__(self, queries: Sequence[Sequence[int]], passages: Sequence[Sequence[int]]) -> None:
        self.texts = texts = [*queries, *passages]
        self.pairs = len(queries)
        self.lengths = [len(text) for text in texts]
        self.ids = torch.tensor([token for text in texts for token in text])
        self.query_tokens = sum(self.lengths[: self.pairs])

    def only(self, places: Sequence[int]) -> Batch:
        """The texts at these ascending places."""
        chosen = [self.texts[place] for place in places]
        queries = sum(place < self.pairs for place in places)
        return Batch(chosen[:queries], chosen[queries:])

    def sides(self, hidden: torch.Tensor) -> tuple[tuple[torch.Tensor, list[int]], tuple[torch.Tensor, list[int]]]:
        """Packed rows and lengths of the queries, and of the passages."""
        queries = hidden[: self.query_tokens], self.lengths[: self.pairs]
        return queries, (hidden[self.query_tokens :], self.lengths[self.pairs :])


class Objective(Protocol):
    """A head and a loss."""

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """What the head itself trains, each with a factor on the learning rate."""
        ...

    def to(self, device: torch.device) -> None:
        """Move all that it holds."""
        ...

    def start(self, batch: Batch | None) -> None:
        """Begin a step: draw what is looked at in it; everything where there is no batch."""
        ...

    def vectors(self, hidden: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Packed states to one row a text, with gradients."""
        ...

    def looked_up(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor | None:
        """Packed token ids of queries to one row each, without the backbone; None where queries pass it too."""
        ...

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float, given: Taught | None = None
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of these vectors, and its parts for the log, when this share of the steps is done.

        Args:
            queries: One row each.
            passages: One row each.
            done: Share of the micro-batches that are seen, this one included.
            given: What teachers say of the passages.
        """
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must hold besides the parameters."""
        ...

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from there."""
        ...


def contrast(scores: torch.Tensor) -> torch.Tensor:
    """InfoNCE: each query (row) must prefer its own passage (the column at its place) to all others."""
    return functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def learn(
    scores: torch.Tensor, params: TrainingParams, given: Taught | None
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """InfoNCE, and what teachers say beside it where the settings want that; the loss and its parts."""
    main = contrast(scores)
    if params.distillation is None or given is None:
        return main, {"contrast": main}
    total, parts = distil(scores, given.to(scores.device), params.distillation)
    return params.distillation.contrast * main + total, {"contrast": main, **parts}


def similarity(vectors: torch.Tensor) -> float:
    """Mean cosine of different rows; 0 for fewer than two."""
    unit = functional.normalize(vectors.detach().float(), dim=1)
    count = len(unit)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / max(count * (count - 1), 1))


def read(figures: dict[str, torch.Tensor]) -> dict[str, float]:
    """The numbers of these tensors, which a device is waited for once."""
    values: list[float] = torch.stack([tensor.detach().float() for tensor in figures.values()]).tolist()
    return dict(zip(figures, values, strict=True))


def flops(vectors: torch.Tensor) -> torch.Tensor:
    """For every term the square of its mean weight (arXiv 2004.05665, equation 4)."""
    return vectors.mean(0).square()


class SparseObjective:
    """InfoNCE on inner products plus FLOPS terms whose weights grow with the square of the step.

    Args:
        weight: LM head, terms x hidden size; not trained.
        bias: Bias of the terms, trained where given.
        params: Settings.
        seed: Of the sample of terms.
        log_scale: Logarithm of a factor on each term's logit (with its bias), trained where given.
        columns: Rows of `weight` by token id, -1 for a token that is no term; the ids themselves where left out.
        inverse: Inverse document frequency of each row; needed with `regularise_idf`.
        table: Logarithm of each row's weight in a query that holds the term. Where given, queries are looked up in
            it, it is trained, and queries have no FLOPS term: their weights are as many as their tokens.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.nn.Parameter | None,
        params: TrainingParams,
        seed: int,
        *,
        log_scale: torch.nn.Parameter | None = None,
        columns: torch.Tensor | None = None,
        inverse: torch.Tensor | None = None,
        table: torch.nn.Parameter | None = None,
    ) -> None:
        self.weight, self.bias, self.params = weight.detach(), bias, params
        self.log_scale, self.columns, self.table = log_scale, columns, table
        self.divisor = inverse.clamp(min=FREQUENT) if params.regularise_idf and inverse is not None else torch.ones(1)
        self.generator = torch.Generator().manual_seed(seed)
        self.terms: torch.Tensor | None = None
        self.share = torch.ones(1)

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """The bias and the scale of the terms, and the table of the queries."""
        own = (
            (self.bias, self.params.bias_learning_rate),
            (self.log_scale, self.params.scale_learning_rate),
            (self.table, self.params.table_learning_rate),
        )
        return [(parameter, factor) for parameter, factor in own if parameter is not None]

    def to(self, device: torch.device) -> None:
        """The head, and what is trained of it; the sample is drawn on the processor."""
        self.weight, self.divisor = self.weight.to(device), self.divisor.to(device)
        for parameter, _ in self.parameters():
            parameter.data = parameter.data.to(device)

    def start(self, batch: Batch | None) -> None:
        """Draw the terms that this step looks at."""
        terms, share = (None, torch.ones(1)) if batch is None else self._sample(batch)
        self.terms = None if terms is None else terms.to(self.weight.device)
        self.share = share.to(self.weight.device)

    def vectors(self, hidden: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Weights of the terms looked at."""
        terms = self.terms
        weight = self.weight if terms is None else self.weight[terms]
        bias = None if self.bias is None else (self.bias if terms is None else self.bias[terms])
        scale = None if self.log_scale is None else (self.log_scale if terms is None else self.log_scale[terms]).exp()
        return active_terms(hidden.float(), lengths, weight, bias, scale)

    def looked_up(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor | None:
        """The weight of each term that a query holds, once, however often it does."""
        if self.table is None:
            return None
        rows = ids.cpu() if self.columns is None else self.columns[ids.cpu()]
        if self.terms is not None:
            places = torch.full((len(self.weight) + 1,), -1)
            places[self.terms.cpu()] = torch.arange(len(self.terms))
            rows = places[rows]  # what is no term has the last place, which is none
        texts = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))[rows >= 0]
        weights = (self.table if self.terms is None else self.table[self.terms]).exp()
        held = weights.new_zeros(len(lengths), len(weights))
        held[texts.to(held.device), rows[rows >= 0].to(held.device)] = 1.0
        return held * weights

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float, given: Taught | None = None
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the parts, active terms (estimated from those looked at), and how much alike passages are."""
        share = self.share
        loss, parts = learn(queries @ passages.T, self.params, given)
        warm = self.params.regularise_warmup
        growth = 1.0 if warm == 0 else min(done / warm, 1.0) ** 2
        divisor = self.divisor if self.terms is None or len(self.divisor) == 1 else self.divisor[self.terms]
        of_queries, of_passages = ((flops(side) / divisor.square() * share).sum() for side in (queries, passages))
        of_both = self.params.regularise_documents * of_passages
        if self.table is None:
            of_both = of_both + self.params.regularise_queries * of_queries
        figures = {
            **parts,
            "flops_queries": of_queries,
            "flops_documents": of_passages,
            "active_query": ((queries > 0) * share).sum() / len(queries),
            "active_document": ((passages > 0) * share).sum() / len(passages),
        }
        return loss + growth * of_both, {**read(figures), "similarity": similarity(passages)}

    def state(self) -> dict[str, torch.Tensor]:
        """Of the generator that draws terms."""
        return {"generator": self.generator.get_state()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """See `state`."""
        self.generator.set_state(state["generator"])

    def _sample(self, batch: Batch) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Terms looked at, and how many terms each stands for: sums over them estimate those over all without bias."""
        total, size = self.weight.shape[0], self.params.sampled_terms
        if size is None or size >= total:
            return None, torch.ones(1)
        own = batch.ids.unique() if self.columns is None else self.columns[batch.ids].unique()
        own = own[own >= 0]
        others = torch.ones(total, dtype=torch.bool)
        others[own] = False
        rest = others.nonzero().squeeze(1)
        drawn = rest[torch.randperm(len(rest), generator=self.generator)[: max(size - len(own), 1)]]
        share = torch.cat([torch.ones(len(own)), torch.full((len(drawn),), len(rest) / len(drawn))])
        return torch.cat([own, drawn]), share


class DenseObjective:
    """InfoNCE on cosines divided by a temperature.

    Args:
        pool: Packed states and lengths to one normalised row a text.
        params: Settings.
    """

    def __init__(self, pool: Callable[[torch.Tensor, Sequence[int]], torch.Tensor], params: TrainingParams) -> None:
        self.pool, self.params = pool, params

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """Pooling has none."""
        return []

    def to(self, device: torch.device) -> None:
        """Pooling holds nothing."""

    def start(self, batch: Batch | None) -> None:
        """Nothing is drawn."""

    def vectors(self, hidden: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Pooled states."""
        return self.pool(hidden.float(), lengths)

    def looked_up(self, ids: torch.Tensor, lengths: Sequence[int]) -> None:
        """Queries pass the backbone."""

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float, given: Taught | None = None
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the parts of the loss, and how much alike passages are."""
        loss, parts = learn(queries @ passages.T / self.params.temperature, self.params, given)
        return loss, {**read(parts), "similarity": similarity(passages)}

    def state(self) -> dict[str, torch.Tensor]:
        """There is none."""
        return {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """See `state`."""
