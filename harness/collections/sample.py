"""A seeded part of another collection, to measure how costs grow on real text."""

from __future__ import annotations

import hashlib
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from harness.collections import CollectionBase, Document, Judgement, Pair, Query, register
from harness.collections._nested import opened
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator

BARRED = ("mixture", "synthetic")
"""A mixture has nothing to search; a smaller synthetic collection is made as such."""


class SampleParams(Params):
    """What is sampled, and how much of it."""

    collection: dict[str, Any]
    """The whole as it would stand in a spec: its `type` and parameters."""
    documents: int = Field(ge=1)
    """Documents that are kept: every relevant one, and others drawn at random. Give several by `matrix`."""
    seed: int = 1
    """Of the draw; a smaller sample with the same seed lies in every larger one."""

    @field_validator("collection")
    @classmethod
    def _opens(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            whole: Any = opened(value, BARRED)
        except UserError as error:
            raise ValueError(f"{error.key}: {error.what} ({error.remedy})") from None
        return {"type": value["type"], **whole.params.model_dump(mode="json")}


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
        self.whole: Any = opened(params.collection, BARRED)
        self._relevant: set[str] = set()
        self._last: bytes | None = None

    @classmethod
    def modules(cls, params: SampleParams) -> tuple[str, ...]:
        """This module and those of the whole collection."""
        whole: Any = opened(params.collection, BARRED)
        return (cls.__module__, *whole.modules(whole.params))

    @classmethod
    def libraries_with(cls, params: SampleParams) -> tuple[str, ...]:
        """Those of the whole collection."""
        whole: Any = opened(params.collection, BARRED)
        return tuple(whole.libraries_with(whole.params))

    def warnings(self) -> list[str]:
        """What the whole collection warns of, once each though it is read several times."""
        return list(dict.fromkeys(self.whole.warnings()))

    def fingerprint(self) -> str:
        """The whole collection's; the rest stands in the parameters."""
        return str(self.whole.fingerprint())

    def documents(self) -> Iterator[Document]:
        """The sample in the whole collection's order.

        Raises:
            UserError: The whole has fewer documents than are asked for, or more relevant ones.
        """
        self._draw()
        return (document for document in self.whole.documents() if self._kept(document.id))

    def queries(self) -> Iterator[Query]:
        """All queries."""
        return iter(self.whole.queries())

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
                f"a sample of {wanted} documents is asked for; there are {total}, of which {relevant} are relevant",
                key="documents",
                remedy=f"ask for {relevant} to {total}",
            )
        self._last = drawn[wanted - relevant - 1] if wanted > relevant else b""

    def _kept(self, name: str) -> bool:
        return name in self._relevant or self._digest(name) <= (self._last or b"")

    def _digest(self, name: str) -> bytes:
        key = str(self.params.seed).encode()
        return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()
