"""All in which the sparse model and its dense twin differ while training: the head and the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from harness.training.max_head import active_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.training.params import TrainingParams


class Batch:
    """Tokens of queries followed by those of their passages, packed.

    Args:
        queries: Token ids of each query.
        passages: Token ids of each passage; the one at the same place answers the query, and those past the last query
            answer none.
    """

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

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of these vectors, and its parts for the log, when this share of the steps is done."""
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


def similarity(vectors: torch.Tensor) -> float:
    """Mean cosine of different rows; 0 for fewer than two."""
    unit = functional.normalize(vectors.detach().float(), dim=1)
    count = len(unit)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / max(count * (count - 1), 1))


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
    ) -> None:
        self.weight, self.bias, self.params = weight.detach(), bias, params
        self.log_scale, self.columns = log_scale, columns
        self.generator = torch.Generator().manual_seed(seed)
        self.terms: torch.Tensor | None = None
        self.share = torch.ones(1)

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """The bias and the scale of the terms."""
        bias = [] if self.bias is None else [(self.bias, self.params.bias_learning_rate)]
        return bias if self.log_scale is None else [*bias, (self.log_scale, self.params.scale_learning_rate)]

    def to(self, device: torch.device) -> None:
        """The head, and what is trained of it; the sample is drawn on the processor."""
        self.weight = self.weight.to(device)
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

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the three parts, active terms (estimated from those looked at), and how much alike passages are."""
        share = self.share
        main = contrast(queries @ passages.T)
        warm = self.params.regularise_warmup
        growth = 1.0 if warm == 0 else min(done / warm, 1.0) ** 2
        of_queries, of_passages = (flops(queries) * share).sum(), (flops(passages) * share).sum()
        loss = main + growth * (
            self.params.regularise_queries * of_queries + self.params.regularise_documents * of_passages
        )
        return loss, {
            "contrast": main.item(),
            "flops_queries": of_queries.item(),
            "flops_documents": of_passages.item(),
            "active_query": ((queries > 0) * share).sum().item() / len(queries),
            "active_document": ((passages > 0) * share).sum().item() / len(passages),
            "similarity": similarity(passages),
        }

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

    def compare(
        self, queries: torch.Tensor, passages: torch.Tensor, done: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the loss itself, and how much alike passages are."""
        main = contrast(queries @ passages.T / self.params.temperature)
        return main, {"contrast": main.item(), "similarity": similarity(passages)}

    def state(self) -> dict[str, torch.Tensor]:
        """There is none."""
        return {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """See `state`."""
