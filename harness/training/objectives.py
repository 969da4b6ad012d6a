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
        passages: Token ids of each passage; the one at the same place answers the query.
    """

    def __init__(self, queries: Sequence[Sequence[int]], passages: Sequence[Sequence[int]]) -> None:
        texts = [*queries, *passages]
        self.pairs = len(queries)
        self.lengths = [len(text) for text in texts]
        self.ids = torch.tensor([token for text in texts for token in text])
        self.query_tokens = sum(self.lengths[: self.pairs])

    def halves(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The queries' and the passages' rows of packed states."""
        return hidden[: self.query_tokens], hidden[self.query_tokens :]


class Objective(Protocol):
    """A head and a loss."""

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """What the head itself trains, each with a factor on the learning rate."""
        ...

    def loss(self, hidden: torch.Tensor, batch: Batch, done: float) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch, and its parts for the log, when this share of the steps is done."""
        ...


def contrast(scores: torch.Tensor) -> torch.Tensor:
    """InfoNCE: each query (row) must prefer its own passage (column) to all others."""
    return functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


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

    def parameters(self) -> list[tuple[torch.nn.Parameter, float]]:
        """The bias and the scale of the terms."""
        found = [] if self.bias is None else [(self.bias, self.params.bias_learning_rate)]
        return found if self.log_scale is None else [*found, (self.log_scale, self.params.scale_learning_rate)]

    def loss(self, hidden: torch.Tensor, batch: Batch, done: float) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the three parts, and active terms among those looked at."""
        terms, share = self._sample(batch)
        weight = self.weight if terms is None else self.weight[terms]
        bias = None if self.bias is None else (self.bias if terms is None else self.bias[terms])
        scale = None if self.log_scale is None else (self.log_scale if terms is None else self.log_scale[terms]).exp()
        queries, passages = (
            active_terms(half, lengths, weight, bias, scale)
            for half, lengths in zip(
                batch.halves(hidden), (batch.lengths[: batch.pairs], batch.lengths[batch.pairs :]), strict=True
            )
        )
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
            "active_query": ((queries > 0) * share).sum().item() / batch.pairs,
            "active_document": ((passages > 0) * share).sum().item() / batch.pairs,
        }

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

    def loss(self, hidden: torch.Tensor, batch: Batch, done: float) -> tuple[torch.Tensor, dict[str, float]]:
        """Logged: the loss itself."""
        queries, passages = batch.halves(hidden)
        scores = self.pool(queries, batch.lengths[: batch.pairs]) @ self.pool(passages, batch.lengths[batch.pairs :]).T
        main = contrast(scores / self.params.temperature)
        return main, {"contrast": main.item()}
