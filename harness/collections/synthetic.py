"""Documents that are numbers, for measuring how costs grow with size; a `synthetic` encoder draws their vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.collections import CollectionBase, Document, Judgement, Query, register
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = 1024
"""Queries are made from the first documents, so that collections of different sizes have the same queries."""


class SyntheticParams(Params):
    """Size of a synthetic collection."""

    documents: int = Field(ge=1, le=1_000_000_000)
    """How many; a smaller collection is the beginning of a larger one."""
    queries: int = Field(default=200, ge=1, le=100_000)
    """How many; each is made from one of the first 1,024 documents, which is its relevant one."""


@register("synthetic")
class Synthetic(CollectionBase):
    """Numbered documents without text; only a `synthetic` encoder gives them meaning."""

    Params: ClassVar[type[Params]] = SyntheticParams
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: SyntheticParams) -> None:
        self.params = params

    def fingerprint(self) -> str:
        """Nothing from outside decides it."""
        return ""

    def documents(self) -> Iterator[Document]:
        """The text is the number."""
        return (Document(f"d{n}", "", str(n)) for n in range(self.params.documents))

    def queries(self) -> Iterator[Query]:
        """The text is the query's number and that of its document."""
        return (Query(f"q{n}", f"{n} of {self._source(n)}") for n in range(self.params.queries))

    def judgements(self) -> Iterator[Judgement]:
        """A query's own document."""
        return (Judgement(f"q{n}", f"d{self._source(n)}", 1) for n in range(self.params.queries))

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        return {"source": "synthetic: quality on it says nothing about any model"}

    def _source(self, query: int) -> int:
        return query % min(SOURCES, self.params.documents)
