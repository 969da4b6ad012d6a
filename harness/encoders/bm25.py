"""BM25 as sparse vectors, so that lexical search runs on the same index as learned sparse search."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.encoders import EncoderBase, EncoderTypeBase, FitInput, Progress, register
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.collections.base import Pair
    from harness.vectors import Kind

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    ]
)
_WORD = re.compile(r"\w+")


class Bm25Params(Params):
    """Parameters of BM25 (Robertson and Zaragoza 2009)."""

    k1: float = Field(default=0.9, ge=0)
    """How soon repeated terms stop to count."""
    b: float = Field(default=0.4, ge=0, le=1)
    """How much long documents are held down."""
    stemming: Literal["english", "none"] = "english"
    """Snowball stemmer."""
    stop_words: bool = True
    """Leave out 33 English function words."""


@register("bm25")
class Bm25(EncoderTypeBase):
    """Lexical baseline: weights in the documents' vectors, counts in the queries'."""

    Params: ClassVar[type[Params]] = Bm25Params
    kind: ClassVar[Kind] = "sparse"
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "snowballstemmer")
    params: Bm25Params

    def needs(self) -> FitInput:
        """Document frequencies come from the corpus that is searched."""
        return "corpus"

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Count documents, lengths and document frequencies."""
        if corpus is None:
            raise UserError("BM25 needs a corpus")
        frequencies: Counter[str] = Counter()
        documents = words = 0
        analyse = analyser(self.params)
        for text in corpus:
            terms = analyse(text)
            frequencies.update(set(terms))
            documents, words = documents + 1, words + len(terms)
            if progress and documents % 5000 == 0:
                progress(documents, None, "documents")
        names = sorted(frequencies)
        statistics = {
            "documents": documents,
            "mean_length": words / max(documents, 1),
            "terms": names,
            "frequencies": [frequencies[n] for n in names],
        }
        (directory / "bm25.json").write_text(json.dumps(statistics, ensure_ascii=False), encoding="utf-8")
        return {"terms": len(names), "documents": documents}

    def load(self, directory: Path, *, threads: int = 1) -> Bm25Encoder:
        """Open the statistics."""
        return Bm25Encoder(self.params, json.loads((directory / "bm25.json").read_text(encoding="utf-8")))


class Bm25Encoder(EncoderBase):
    """Weights by term; idf is Lucene's ln(1 + (N - n + 0.5) / (n + 0.5))."""

    kind: Kind = "sparse"

    def __init__(self, params: Bm25Params, statistics: dict[str, object]) -> None:
        self.params = params
        self.names: list[str] = list(statistics["terms"])  # type: ignore[call-overload]
        self.width = max(len(self.names), 1)
        self.columns = {name: column for column, name in enumerate(self.names)}
        counts = np.asarray(statistics["frequencies"], np.float64)
        total = float(statistics["documents"])  # type: ignore[arg-type]
        self.idf = np.log1p((total - counts + 0.5) / (counts + 0.5))
        self.mean_length = max(float(statistics["mean_length"]), 1e-9)  # type: ignore[arg-type]
        self.analyse = analyser(params)

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of idf * tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length))."""
        k1, b = self.params.k1, self.params.b

        def weight(column: int, count: int, length: int) -> float:
            norm = k1 * (1 - b + b * length / self.mean_length)
            return float(self.idf[column] * count * (k1 + 1) / (count + norm))

        return self._rows(texts, weight)

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of term counts; terms that no document has are dropped."""
        return self._rows(texts, lambda _column, count, _length: float(count))

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """Terms after stop words."""
        return [len(self.analyse(text)) for text in texts]

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Stems."""
        return [self.names[column] for column in columns]

    def _rows(self, texts: Sequence[str], weight: Callable[[int, int, int], float]) -> sparse.csr_matrix:
        data: list[float] = []
        indices: list[int] = []
        indptr = [0]
        for text in texts:
            stems = self.analyse(text)
            counted = sorted((self.columns[t], n) for t, n in Counter(stems).items() if t in self.columns)
            indices += [column for column, _ in counted]
            data += [weight(column, n, len(stems)) for column, n in counted]
            indptr.append(len(indices))
        parts = (np.asarray(data, np.float32), np.asarray(indices, np.int32), np.asarray(indptr, np.int64))
        return sparse.csr_matrix(parts, shape=(len(texts), self.width))


def analyser(params: Bm25Params) -> Callable[[str], list[str]]:
    """Text to terms: lower case, words, stop words, stems."""
    stop = STOP_WORDS if params.stop_words else frozenset()
    stem: Callable[[str], str] = str
    if params.stemming != "none":
        import snowballstemmer

        stem = cache(snowballstemmer.stemmer(params.stemming).stemWord)
    return lambda text: [stem(word) for word in _WORD.findall(text.lower()) if word not in stop]
