"""Scores that a teacher gives the passages of training pairs, for distillation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.pipeline.steps.mine import PartArguments, pairs_encoder
from harness.pipeline.steps.prepare import open_pairs
from harness.pipeline.steps.result import StepResult

if TYPE_CHECKING:
    from harness.encoders.base import Progress

BLOCK = 256
"""Pairs whose texts are encoded at a time."""


@dataclass(frozen=True)
class Scored(StepResult):
    """Pairs with the scores of one more teacher: how many pairs and passages, repeated ones counted again."""

    pairs: int
    passages: int


def teach(
    *, out: str, pairs: str, encoder: PartArguments, threads: int, report: Progress, model: str | None = None
) -> Scored:
    """Write the pairs anew as a `PairTable`, each with one more teacher's scores: the inner products of its vectors.

    Args:
        out: Folder to write to.
        pairs: Folder with the pairs.
        encoder: `type` and `params` of the teacher.
        threads: For encoding.
        report: Progress.
        model: The teacher's folder; one that is made of its corpus (BM25) is made of the positives here.
    """
    from harness.collections.pair_table import FILE, PairWriter

    source = open_pairs(Path(pairs))
    ready = pairs_encoder(encoder, model, (pair.positive for pair in source), threads)
    done = passages = 0
    with PairWriter(Path(out) / FILE) as writer:
        for begin in range(0, len(source), BLOCK):
            block = source[begin : begin + BLOCK]
            own = [(pair.positive, *pair.others, *pair.negatives) for pair in block]
            places = {
                text: number for number, text in enumerate(dict.fromkeys(text for texts in own for text in texts))
            }
            documents = ready.encode_documents(list(places))
            queries = ready.encode_queries([pair.query for pair in block])
            for number, (pair, texts) in enumerate(zip(block, own, strict=True)):
                rows = documents[[places[text] for text in texts]]
                products = rows @ queries[[number]].T
                values = products.toarray() if sparse.issparse(products) else np.asarray(products)
                scores = tuple(float(value) for value in values[:, 0])
                writer.add(pair._replace(scores=(*pair.scores, scores)))
                passages += len(texts)
            done += len(block)
            report(done, len(source), "pairs")
    return Scored(done, passages)
