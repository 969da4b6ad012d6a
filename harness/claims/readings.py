"""What "71 % less index memory than an equivalent dense model" can mean for LACONIC-8B, from published figures.

LACONIC (arXiv 2601.01684) keeps 512 terms of 128,256 a document; its 8B backbone has hidden size 4096. No published
script measures the claim, so each way to read it is one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.claims.memory import DENSE, LLAMA_TERMS, MS_MARCO, SPARSE

CLAIMED = 0.71
TERMS_KEPT = 512
DIMENSIONS = 4096
AGAINST = ("fp32", "fp16", "int8", "pq8", "binary")


@dataclass(frozen=True)
class Reading:
    """Bytes a document of the sparse side by one reading, from `low` to `high`, and the source of these figures."""

    label: str
    low: float
    high: float
    source: Literal["analytic", "quoted"]

    def reductions(self, dense: str) -> tuple[float, float]:
        """Against 4096 dimensions in this codec, lowest first."""
        theirs = DENSE[dense].size(MS_MARCO, DIMENSIONS) / MS_MARCO
        return 1 - self.high / theirs, 1 - self.low / theirs


def readings() -> list[Reading]:
    """From the narrowest (postings on paper) to the widest (an engine at work)."""

    def postings(codec: str, label: str, copies: int = 1) -> Reading:
        size = copies * TERMS_KEPT * SPARSE[codec].posting(TERMS_KEPT, LLAMA_TERMS)
        return Reading(label, size, size, "analytic")

    def index(codec: str, label: str) -> Reading:
        size = SPARSE[codec].size(MS_MARCO, TERMS_KEPT, LLAMA_TERMS) / MS_MARCO
        return Reading(label, size, size, "analytic")

    def quoted(label: str, low: float, high: float) -> Reading:
        return Reading(label, low, high, "quoted")

    return [
        postings("32/float16", "Postings alone: 32-bit numbers, 16-bit weights"),
        postings("32/float32", "Postings alone: 32-bit numbers, 32-bit weights"),
        postings("32/float16", "The same postings twice: inverted lists and a forward index", copies=2),
        index("16/8-bit", "Whole index: 16-bit numbers in segments, 8-bit weights, offsets, scales"),
        index("compressed/8-bit", "Whole index: ideally compressed numbers, 8-bit weights, offsets, scales"),
        quoted("Seismic index of 100 to 150 GB, as its authors estimate", 100e9 / MS_MARCO, 150e9 / MS_MARCO),
        quoted("Seismic while loading, 20 to 25 KB a document, as its authors estimate", 20e3, 25e3),
    ]
