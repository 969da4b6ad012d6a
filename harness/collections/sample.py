"""A seeded part of another collection, to measure how costs grow on real text."""

from __future__ import annotations

import hashlib
from heapq import nsmallest
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, JsonValue, field_validator

from harness.collections import CollectionBase, Document, EvaluationRules, HubData, Judgement, Pair, Query, register
from harness.collections._nested import named
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BARRED = ("mixture", "synthetic")
"""A mixture has nothing to search; a smaller synthetic collection is made as such."""


class SampleParams(Params):
    """What is sampled, and how much of it."""

    collection: dict[str, JsonValue]
    """The whole as it would stand in a spec: its `type` and parameters."""
    documents: int = Field(ge=1)
    """Documents that are kept: every relevant one, and others drawn at random. Give several by `matrix`."""
    seed: int = 1
    """Of the draw; a smaller sample with the same seed lies in every larger one."""

    @field_validator("collection")
    @classmethod
    def _with_defaults(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            _, params = named(value, BARRED)
        except UserError as error:
            raise ValueError(f"{error.key}: {error.what} ({error.remedy})") from None
        return {"type": value["type"], **params.model_dump(mode="json")}


@register("sample")
class Sample(CollectionBase):
    """All queries over a part of the documents.

    The relevant documents stay, so that samples of all sizes have the same queries; of the others those stay whose
    keyed BLAKE2 digests are the smallest. That needs no more memory than some hundred bytes for each document drawn.
    """

    Params: ClassVar[type[Params]] = SampleParams
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: SampleParams) -> None:
        self.params = params
        kind, whole = named(params.collection, BARRED)
        self.whole = kind(whole)
        self._relevant: set[str] = set()
        self._last: bytes | None = None

    @classmethod
    def modules(cls, params: SampleParams) -> tuple[str, ...]:
        """This module and those of the whole collection."""
        kind, whole = named(params.collection, BARRED)
        return (cls.__module__, *kind.modules(whole))

    @classmethod
    def libraries_with(cls, params: SampleParams) -> tuple[str, ...]:
        """Those of the whole collection."""
        kind, whole = named(params.collection, BARRED)
        return kind.libraries_with(whole)

    @classmethod
    def mteb_task(cls, params: SampleParams) -> str | None:
        """That of the whole collection."""
        kind, whole = named(params.collection, BARRED)
        return kind.mteb_task(whole)

    @classmethod
    def has_texts(cls, params: SampleParams) -> bool:
        """As the whole collection."""
        kind, whole = named(params.collection, BARRED)
        return kind.has_texts(whole)

    def warnings(self) -> list[str]:
        """What the whole collection warns of, once each though it is read several times."""
        return list(dict.fromkeys(self.whole.warnings()))

    def hub_data(self) -> Sequence[HubData]:
        """That of the whole collection."""
        return self.whole.hub_data()

    def fingerprint(self) -> str:
        """The whole collection's; the rest stands in the parameters."""
        return self.whole.fingerprint()

    def documents(self) -> Iterator[Document]:
        """The sample in the whole collection's order.

        Raises:
            UserError: The whole has fewer documents than are asked for, or more relevant ones.
        """
        self._draw()
        return (document for document in self.whole.documents() if self._kept(document.id))

    def queries(self) -> Iterator[Query]:
        """All queries; of their candidates those that are in the sample."""
        self._draw()
        for query in self.whole.queries():
            here = None if query.candidates is None else tuple(name for name in query.candidates if self._kept(name))
            yield query._replace(candidates=here)

    def rules(self) -> EvaluationRules:
        """Those of the whole collection."""
        return self.whole.rules()

    def judgements(self) -> Iterator[Judgement]:
        """Judgements of the documents that are kept: all but those of irrelevant ones that were not drawn."""
        self._draw()
        return (judgement for judgement in self.whole.judgements() if self._kept(judgement.document_id))

    def pairs(self) -> Iterator[Pair]:
        """All training pairs of the whole collection."""
        return iter(self.whole.pairs())

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        how = f"{self.params.documents} documents: every relevant one, others drawn with seed {self.params.seed}"
        return {**self.whole.description(), "sample": how}

    def _draw(self) -> None:
        """Find the largest digest that is kept."""
        if self._last is not None:
            return
        self._relevant = {judgement.document_id for judgement in self.whole.judgements() if judgement.relevance > 0}
        wanted, relevant, total = self.params.documents, 0, 0

        def others() -> Iterator[bytes]:
            nonlocal relevant, total
            for document in self.whole.documents():
                total += 1
                if document.id in self._relevant:
                    relevant += 1
                else:
                    yield self._digest(document.id)

        drawn = nsmallest(wanted, others())
        if wanted > total or wanted < relevant:
            raise UserError(
                f"cannot draw {wanted} of {total} documents, of which {relevant} are relevant",
                key="documents",
                remedy=f"ask for {relevant} to {total}",
            )
        self._last = drawn[wanted - relevant - 1] if wanted > relevant else b""

    def _kept(self, name: str) -> bool:
        return name in self._relevant or self._digest(name) <= (self._last or b"")

    def _digest(self, name: str) -> bytes:
        key = str(self.params.seed).encode()
        return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()
