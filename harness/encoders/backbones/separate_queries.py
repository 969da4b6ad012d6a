"""What sparse encoders have in common whose queries need no model of documents."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from scipy import sparse

from harness.encoders.base import EncoderBase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.encoders.base import Encoder
    from harness.vectors import Kind


class SeparateQueries(EncoderBase):
    """Documents by a model of their own, which a process that answers queries never opens.

    Args:
        documents: Opens the encoder of the documents, with the first of them.
    """

    kind: Kind = "sparse"

    def __init__(self, documents: Callable[[], Encoder]) -> None:
        self._open = documents

    @cached_property
    def documents(self) -> Encoder:
        """The encoder of the documents."""
        return self._open()

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms, by the documents' model."""
        return sparse.csr_matrix(self.documents.encode_documents(texts))

    def count_flops(self, tokens: int) -> float:
        """Of a document."""
        return self.documents.count_flops(tokens)
