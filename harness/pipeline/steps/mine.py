"""Hard negatives of training pairs: search all passages with one of our systems, and choose what is likely wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypedDict

from scipy import sparse

from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.prepare import open_pairs
from harness.pipeline.steps.result import StepResult
from harness.training.negatives import choose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.encoders.base import Encoder, Progress
    from harness.jsonvalue import JsonTable

BLOCK = 256
"""Queries searched at a time."""


class PartArguments(TypedDict):
    """Type and parameters of an encoder or an index, as a step takes them."""

    type: str
    params: JsonTable


@dataclass(frozen=True)
class Mined(StepResult):
    """Pairs with their negatives: how many pairs, how many different passages, and negatives a pair, mean."""

    pairs: int
    passages: int
    negatives: float


def mine(
    *,
    out: str,
    pairs: str,
    encoder: PartArguments,
    index: PartArguments,
    depth: int,
    count: int,
    skip: int,
    share: float,
    threads: int,
    report: Progress,
    model: str | None = None,
    spread: bool = False,
    add: bool = False,
) -> Mined:
    """Write the pairs anew as a `PairTable`, each with its negatives; see `harness.training.negatives.choose`.

    Args:
        out: Folder to write to.
        pairs: Folder with the pairs.
        encoder: `type` and `params`.
        index: `type` and `params`.
        depth: Passages looked at for a query.
        count: Negatives of a pair at most.
        skip: Best ranks left out.
        share: A passage that scores above this share of the positive's score counts as an answer.
        threads: For encoding.
        report: Progress.
        model: The encoder's folder; one that is made of its corpus (BM25) is made of the passages here.
        spread: Take negatives from the whole depth.
        add: Keep the negatives that a pair has.
    """
    from harness.collections.pair_table import FILE, PairWriter
    from harness.indexes import create

    rows = list(open_pairs(Path(pairs)))
    passages = list(dict.fromkeys(text for pair in rows for text in (pair.positive, *pair.others)))
    place = {text: number for number, text in enumerate(passages)}
    answers: dict[str, set[int]] = {}
    for pair in rows:
        answers.setdefault(pair.query, set()).update(place[text] for text in (pair.positive, *pair.others))
    report(0, len(rows), "encoding the passages")
    ready = pairs_encoder(encoder, model, passages, threads)
    documents = ready.encode_documents(passages)
    engine = create(index["type"], **index["params"])
    engine.build(documents)
    total = 0
    with PairWriter(Path(out) / FILE) as writer:
        for begin in range(0, len(rows), BLOCK):
            block = rows[begin : begin + BLOCK]
            queries = ready.encode_queries([pair.query for pair in block])
            ids, scores = engine.search(queries, min(depth, len(passages)))
            own = documents[[place[pair.positive] for pair in block]]
            positive = (queries.multiply(own) if sparse.issparse(queries) else queries * own).sum(1)
            for row, pair in enumerate(block):
                chosen = choose(
                    ids[row].tolist(),
                    scores[row].tolist(),
                    answers[pair.query],
                    float(positive[row].item()),
                    count=count,
                    skip=skip,
                    share=share,
                    spread=spread,
                )
                texts = [*(pair.negatives if add else ()), *(passages[n] for n in chosen)]
                negatives = tuple(dict.fromkeys(texts))
                total += len(negatives)
                writer.add(pair._replace(negatives=negatives, scores=()))
            report(begin + len(block), len(rows), "queries")
    return Mined(len(rows), len(passages), total / max(len(rows), 1))


def pairs_encoder(encoder: PartArguments, model: str | None, passages: Iterable[str], threads: int) -> Encoder:
    """An encoder that reads training pairs.

    Args:
        encoder: `type` and `params`.
        model: Its folder; without one it is made of the passages, as BM25 is.
        passages: Of the pairs.
        threads: For encoding.
    """
    maker = open_type(encoder["type"], encoder["params"])
    if model is not None:
        return maker.load(Path(model), threads=threads)
    with TemporaryDirectory() as folder:
        maker.fit(Path(folder), corpus=iter(passages))
        return maker.load(Path(folder), threads=threads)
