"""A sparse encoder of two models, one for documents and one for queries, over the same vocabulary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scipy import sparse

from harness.encoders.backbones.separate_queries import SeparateQueries
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.encoders.base import Encoder, Probe, Role

PER_SIDE = ("parameters", "weight bytes")
"""Facts of a model that a report has of the query side besides."""


class TwoModels(SeparateQueries):
    """Each side by its own model; a process that answers queries never opens that of the documents.

    Args:
        documents: Opens the encoder of the documents, with the first of them.
        queries: The encoder of the queries.
    """

    def __init__(self, documents: Callable[[], Encoder], queries: Encoder) -> None:
        super().__init__(documents)
        self.queries, self.width = queries, queries.width

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms."""
        return sparse.csr_matrix(self.queries.encode_queries(texts))

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """As the model of the role sees them."""
        return self._side(role).count_tokens(texts, role)

    def count_query_flops(self, tokens: int) -> float:
        """Of a query."""
        return self.queries.count_query_flops(tokens)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Of the vocabulary that both have."""
        return self.queries.terms(columns)

    def parameters(self) -> Mapping[str, float | str]:
        """Of the documents' model; number and bytes of weights are those of both, and of the query side besides."""
        facts, queries = dict(self.documents.parameters()), self.queries.parameters()
        for name in PER_SIDE:
            whole, own = facts.get(name, 0.0), queries.get(name, 0.0)
            if isinstance(whole, float) and isinstance(own, float):
                facts |= {name: whole + own, f"query {name}": own}
        return facts

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """These come next."""
        self._side(role).expect(texts, role)

    def probe(self) -> Probe | None:
        """A look into the documents' model, and into that of the queries."""
        documents, queries = self.documents.probe(), self.queries.probe()
        return documents if documents is None else replace(documents, queries=queries)

    def _side(self, role: Role) -> Encoder:
        return self.queries if role == "query" else self.documents


def check_vocabularies(documents: Encoder, queries: Encoder) -> None:
    """See to it that a column is the same term on both sides.

    Raises:
        UserError: It is not.
    """
    widths = documents.width, queries.width
    columns = range(min(widths))
    different = [c for c, a, b in zip(columns, documents.terms(columns), queries.terms(columns), strict=True) if a != b]
    if different or widths[0] != widths[1]:
        what = f"{widths[0]} columns and {widths[1]}" if not different else f"other terms in {len(different)} columns"
        raise UserError(
            f"the models of documents and of queries have {what}",
            key="query_model",
            remedy="use two models that were trained together",
        )
