"""What is searched: documents, queries and judgements, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.spec.params import Params


class Document(NamedTuple):
    """One document; what is encoded is `full_text`."""

    id: str
    title: str
    text: str

    @property
    def full_text(self) -> str:
        """Title and text joined as mteb and BEIR join them: ``(title + " " + text).strip()``."""
        return f"{self.title} {self.text}".strip()


class Query(NamedTuple):
    """One query."""

    id: str
    text: str


class Judgement(NamedTuple):
    """How relevant (0: not) a document is to a query."""

    query_id: str
    document_id: str
    relevance: int


class Pair(NamedTuple):
    """One training pair with any hard negatives."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()


class Sizes(NamedTuple):
    """How much text a collection has, known or counted before it is read for a run."""

    documents: int
    queries: int
    document_characters: float
    """Mean of a document, title included."""
    query_characters: float
    """Mean of a query."""


@runtime_checkable
class Collection(Protocol):
    """A source of documents, queries and judgements. Nothing is held in memory whole: the three are iterators.

    A class registers itself with ``@collections.register("name")``, is made from its `Params`, and may be iterated more
    than once. What is wrong with the data raises `UserError` with file and line.
    """

    Params: ClassVar[type[Params]]

    def fingerprint(self) -> str:
        """What decides the content, cheaply: a digest of files, or names and versions. Part of the stage's key.

        Raises:
            UserError: The source is missing or cannot be had offline.
        """
        ...

    def documents(self) -> Iterator[Document]:
        """All documents, in a fixed order."""
        ...

    def queries(self) -> Iterator[Query]:
        """All queries of the split, in a fixed order."""
        ...

    def judgements(self) -> Iterator[Judgement]:
        """All judgements of the split."""
        ...

    def pairs(self) -> Iterator[Pair]:
        """Training pairs that share no document with the test side; empty where the source has none."""
        ...

    def description(self) -> Mapping[str, str]:
        """Facts for the report: kind of task, source, licence, how it was sampled. Keys are short labels."""
        ...
