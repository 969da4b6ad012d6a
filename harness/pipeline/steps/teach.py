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
    from collections.abc import Iterable, Iterator

    from harness.collections.base import Pair
    from harness.encoders.base import Progress

TEXTS = 1 << 16
"""Different passages whose vectors are held at a time: pairs that share negatives have them encoded once."""


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
        for block, places in _blocks(source):
            documents = ready.encode_documents(list(places))
            queries = ready.encode_queries([pair.query for pair in block])
            for number, pair in enumerate(block):
                texts = _passages(pair)
                rows = documents[[places[text] for text in texts]]
                products = rows @ queries[[number]].T
                values = products.toarray() if sparse.issparse(products) else np.asarray(products)
                scores = tuple(float(value) for value in values[:, 0])
                writer.add(pair._replace(scores=(*pair.scores, scores)))
                passages += len(texts)
            done += len(block)
            report(done, len(source), "pairs")
    return Scored(done, passages)


def _blocks(pairs: Iterable[Pair]) -> Iterator[tuple[list[Pair], dict[str, int]]]:
    """Successive pairs with the numbers of their passages, as many as have `TEXTS` different ones, and at least one."""
    block: list[Pair] = []
    places: dict[str, int] = {}
    for pair in pairs:
        block.append(pair)
        for text in _passages(pair):
            places.setdefault(text, len(places))
        if len(places) >= TEXTS:
            yield block, places
            block, places = [], {}
    if block:
        yield block, places


def _passages(pair: Pair) -> tuple[str, ...]:
    return (pair.positive, *pair.others, *pair.negatives)
