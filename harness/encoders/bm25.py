"""BM25 as sparse vectors, so that lexical search runs on the same index as learned sparse search."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.encoders import EncoderBase, EncoderTypeBase, FitInput, Progress, register
from harness.encoders._words import LEFT_OUT, TEXTS, UNKNOWN, WORD, Words
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "pystemmer", "scipy")
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
        numbers: dict[str, int] = {}
        stem_of = stemmer(self.params)
        frequencies = np.zeros(1 << 12, np.int64)
        documents = length = 0

        def term_of(word: str) -> int:
            stem = stem_of(word)
            return LEFT_OUT if stem is None else numbers.setdefault(stem, len(numbers))

        for counted in Words(term_of).count(_reported(corpus, progress)):
            if len(numbers) > len(frequencies):
                frequencies = np.pad(frequencies, (0, 2 * len(numbers) - len(frequencies)))
            np.add.at(frequencies, counted.terms, 1)
            documents, length = documents + len(counted.lengths), length + int(counted.lengths.sum())
        names = sorted(numbers)
        statistics = {
            "documents": documents,
            "mean_length": length / max(documents, 1),
            "terms": names,
            "frequencies": frequencies[[numbers[name] for name in names]].tolist(),
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
        self._stem_of, self._words = stemmer(params), Words(self._column)
        self._counted: tuple[list[str], list[int]] = [], []

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of idf * tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length))."""
        k1, b = self.params.k1, self.params.b
        parts, lengths = [], []
        for counted in self._words.count(texts):
            lengths += counted.lengths.tolist()
            norms = k1 * (1 - b + b * counted.lengths / self.mean_length)
            divisors = counted.counts + np.repeat(norms, np.diff(counted.indptr))
            data = (self.idf[counted.terms] * counted.counts * (k1 + 1) / divisors).astype(np.float32)
            shape = len(counted.lengths), self.width
            parts.append(sparse.csr_matrix((data, counted.terms, counted.indptr), shape=shape))
        if len(texts) <= TEXTS:  # more of them would be kept from being freed
            self._counted = list(texts), lengths
        return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix(np.zeros((0, self.width), np.float32))

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of term counts; terms that no document has are dropped.

        Words are looked up one by one: for a single short text that takes less time than the compiled loops.
        """
        counted = [
            sorted(Counter(self.columns[t] for t in self.analyse(text) if t in self.columns).items()) for text in texts
        ]
        indptr = np.cumsum([0, *map(len, counted)], dtype=np.int64)
        indices = np.asarray([column for row in counted for column, _ in row], np.int32)
        data = np.asarray([count for row in counted for _, count in row], np.float32)
        return sparse.csr_matrix((data, indices, indptr), shape=(len(texts), self.width))

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """Terms after stop words; those of documents that were encoded last are known."""
        if role == "query":
            return [len(self.analyse(text)) for text in texts]
        if self._counted[0] == list(texts):
            return list(self._counted[1])
        return [length for counted in self._words.count(texts) for length in counted.lengths.tolist()]

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Stems."""
        return [self.names[column] for column in columns]

    def _column(self, word: str) -> int:
        stem = self._stem_of(word)
        return LEFT_OUT if stem is None else self.columns.get(stem, UNKNOWN)


def stemmer(params: Bm25Params) -> Callable[[str], str | None]:
    """The term of a word in lower case; None for a function word that is left out."""
    stop = STOP_WORDS if params.stop_words else frozenset()
    stem: Callable[[str], str] = str
    if params.stemming != "none":
        import Stemmer

        # Callers remember words; the library's own memory of them takes more time than stemming.
        stem = Stemmer.Stemmer(params.stemming, maxCacheSize=0).stemWord
    return lambda word: None if word in stop else stem(word)


def analyser(params: Bm25Params) -> Callable[[str], list[str]]:
    """Text to terms: lower case, words, stop words, stems."""
    stem_of = cache(stemmer(params))
    return lambda text: [stem for word in WORD.findall(text.lower()) if (stem := stem_of(word)) is not None]


def _reported(corpus: Iterable[str], progress: Progress | None) -> Iterator[str]:
    """The texts; every 5,000 of them are reported."""
    for number, text in enumerate(corpus, 1):
        yield text
        if progress and number % 5000 == 0:
            progress(number, None, "documents")
