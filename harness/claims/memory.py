"""How many bytes an index takes on paper, by codecs, dimensions and terms, and where a claim holds.

This is arithmetic; nothing is measured here. An index is its vectors and the tables that they cannot be read without:
code books, ranges, offsets of the posting lists, scales of the weights. Graph links, forward indexes, summaries and
document identifiers are what an engine adds, and are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, log2
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MS_MARCO = 8_841_823
"""Passages of MS MARCO; most papers give index sizes for this collection."""
LLAMA_TERMS = 128_256
"""Vocabulary of Llama 3: LACONIC's terms."""
DIMENSIONS = (384, 768, 1024, 2048, 3072, 4096)
TERMS = (64, 128, 256, 512)
SEGMENT = 1 << 16
"""Documents whose numbers fit 16 bits."""


@dataclass(frozen=True)
class DenseCodec:
    """Bits that one dimension of one vector takes, and bytes a dimension that all vectors share."""

    label: str
    bits: float
    shared: int = 0

    def size(self, documents: int, dimensions: int) -> float:
        """Bytes of the index; a vector fills whole bytes."""
        return documents * ceil(dimensions * self.bits / 8) + self.shared * dimensions


@dataclass(frozen=True)
class SparseCodec:
    """Bytes of a posting's document number (None: compressed) and of its weight.

    `segmented`: numbers count from the start of a segment of 65,536 documents, and every segment has offsets (and
    scales) of its own. `scaled`: a float32 scale a term, without which the stored weights mean nothing.
    """

    label: str
    number: float | None
    weight: float
    segmented: bool = False
    scaled: bool = False

    def posting(self, terms: float, vocabulary: int) -> float:
        """Bytes of one posting."""
        number = gap_bits(min(terms / vocabulary, 1.0)) / 8 if self.number is None else self.number
        return number + self.weight

    def size(self, documents: int, terms: float, vocabulary: int) -> float:
        """Bytes of the index: postings, offsets (4 bytes a term in a segment, 8 otherwise) and scales."""
        segments = ceil(documents / SEGMENT) if self.segmented else 1
        offsets = (vocabulary + 1) * (4 if self.segmented else 8)
        scales = vocabulary * 4 if self.scaled else 0
        return documents * terms * self.posting(terms, vocabulary) + segments * (offsets + scales)


DENSE: dict[str, DenseCodec] = {
    "fp32": DenseCodec("float32", 32),
    "fp16": DenseCodec("float16", 16),
    "int8": DenseCodec("int8", 8, shared=8),
    "pq4": DenseCodec("PQ, 1 byte per 4 dimensions", 2, shared=1024),
    "pq8": DenseCodec("PQ, 1 byte per 8 dimensions", 1, shared=1024),
    "pq16": DenseCodec("PQ, 1 byte per 16 dimensions", 0.5, shared=1024),
    "binary": DenseCodec("binary", 1),
}
_WEIGHTS = (("float32", 4.0, False), ("float16", 2.0, False), ("8-bit", 1.0, True), ("4-bit", 0.5, True))
_NUMBERS: tuple[tuple[str, float | None, bool], ...] = (
    ("32-bit numbers", 4.0, False),
    ("16-bit numbers", 2.0, True),
    ("compressed numbers", None, False),
)
SPARSE: dict[str, SparseCodec] = {
    f"{number.split(maxsplit=1)[0].removesuffix('-bit')}/{weight}": SparseCodec(
        f"{number}, {weight} weights", size, bytes_, segmented, scaled
    )
    for (number, size, segmented), (weight, bytes_, scaled) in product(_NUMBERS, _WEIGHTS)
}
AS_PUBLISHED = "32/float16"
"""The plainest reading: a posting is a 32-bit number and a 16-bit weight."""


@dataclass(frozen=True)
class Cell:
    """One pair of codecs at one shape; bytes are of a document, `reduction` is 1 - sparse / dense."""

    dense: str
    sparse: str
    dimensions: int
    terms: float
    dense_bytes: float
    sparse_bytes: float

    @property
    def reduction(self) -> float:
        """Negative where the dense index is the smaller one."""
        return 1 - self.sparse_bytes / self.dense_bytes


def cell(
    dense: str, sparse: str, dimensions: int, terms: float, documents: int = MS_MARCO, vocabulary: int = LLAMA_TERMS
) -> Cell:
    """One pair of codecs.

    Raises:
        ValueError: A count is not positive, or more terms are kept than there are.
    """
    if min(documents, dimensions, vocabulary) < 1 or not 0 <= terms <= vocabulary:
        raise ValueError("documents, dimensions and vocabulary must be positive, terms between 0 and the vocabulary")
    return Cell(
        dense,
        sparse,
        dimensions,
        terms,
        DENSE[dense].size(documents, dimensions) / documents,
        SPARSE[sparse].size(documents, terms, vocabulary) / documents,
    )


def grid(
    dimensions: Sequence[int] = DIMENSIONS,
    terms: Sequence[float] = TERMS,
    documents: int = MS_MARCO,
    vocabulary: int = LLAMA_TERMS,
) -> Iterator[Cell]:
    """Every pair of codecs at every shape."""
    for shape in product(DENSE, SPARSE, dimensions, terms):
        yield cell(*shape, documents=documents, vocabulary=vocabulary)


def terms_for(
    reduction: float,
    dense: str,
    sparse: str,
    dimensions: int,
    documents: int = MS_MARCO,
    vocabulary: int = LLAMA_TERMS,
) -> float | None:
    """Mean terms a document at which the reduction is exactly this; with fewer it is larger.

    Returns:
        None where the offsets alone are too large; the whole vocabulary where even that is small enough.
    """
    codec = SPARSE[sparse]
    if codec.number is not None:  # a straight line
        shared = codec.size(documents, 0, vocabulary)
        budget = (1 - reduction) * DENSE[dense].size(documents, dimensions) - shared
        return min(budget / documents / codec.posting(0, vocabulary), float(vocabulary)) if budget >= 0 else None

    from scipy.optimize import brentq

    def excess(terms: float) -> float:
        return reduction - cell(dense, sparse, dimensions, terms, documents, vocabulary).reduction

    if excess(0) > 0:
        return None
    if excess(vocabulary) <= 0:
        return float(vocabulary)
    return float(brentq(excess, 0, vocabulary, xtol=1e-6))


def gap_bits(density: float) -> float:
    """Bits that a document number takes in an ideally coded list with this share of all documents.

    The entropy of independent coin flips over the flips that hit. Lists of unequal density need less on average, by
    concavity, so with the mean density this bounds an ideal coder from above; a real coder adds its own overhead.
    """
    if density <= 0 or density >= 1:
        return 0.0
    rest = 1 - density
    return -(density * log2(density) + rest * log2(rest)) / density
