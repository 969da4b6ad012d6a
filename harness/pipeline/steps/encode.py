"""Make an encoder, and turn a collection's texts into vectors with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.encoders.base import StoredRows
from harness.errors import UserError
from harness.pipeline.steps.fit import open_type, set_torch_threads
from harness.pipeline.steps.passages import encoded_texts
from harness.pipeline.steps.prepare import read_blocks, read_texts
from harness.pipeline.steps.result import StepResult
from harness.typed_json import from_json, to_json
from harness.vectors import Kind, VectorsWriter, load_csr, load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.encoders.base import Encoder, Progress, Role
    from harness.jsonvalue import JsonTable

BLOCK = 1024
"""Texts read, encoded and written at a time: bounds memory, and is enough to form batches by length."""
TERMS = "terms.json"
RESULT = "encoded.json"
"""What `encode` returned of a shard, for `join`."""
QUERY_FLOPS = "query_flops.npy"
"""Floating point operations of each query by formula: float64, one a query; no such file where they are not known."""
ROLES: dict[Role, str] = {"document": "documents", "query": "queries"}


@dataclass(frozen=True)
class EncodedSide:
    """The documents, or the queries, as vectors.

    Attributes:
        rows: Vectors.
        stored: Values that are stored; without zeros where vectors are sparse.
        seconds: Wall time of encoding alone, loading not counted; of all shards together. Of vectors that were made
            elsewhere nothing is known: this and the next two are None.
        tokens: Mean of a text, as the model sees it.
        flops: Floating point operations of a text by formula, mean.
    """

    rows: int
    stored: int
    seconds: float | None
    tokens: float | None
    flops: float | None


@dataclass(frozen=True)
class Encoded(StepResult):
    """All vectors of a collection.

    Attributes:
        kind: sparse or dense.
        width: Terms of the vocabulary, or dimensions.
        parameters: Facts of the encoder: parameters, bytes of weights, dtype, device, layers, ...
        document: The documents.
        query: The queries.
    """

    kind: Kind
    width: int
    parameters: dict[str, float | str]
    document: EncodedSide
    query: EncodedSide


def encode(
    *,
    out: str,
    type: str,
    params: JsonTable,
    model: str,
    collection: str,
    threads: int,
    report: Progress,
    shard: tuple[int, int] = (0, 1),
) -> Encoded:
    """Encode documents and queries of a prepared collection, block by block: all, or the blocks of one shard.

    Args:
        out: Folder of the vectors.
        type: Of the encoder.
        params: Of the encoder.
        model: Folder that `fit` wrote.
        collection: Folder that `prepare` wrote.
        threads: Of the encoder.
        report: Called after every block.
        shard: Its number from 0, and how many there are.
    """
    set_torch_threads(threads)
    encoder = _loaded(type, json.dumps(params, sort_keys=True), model, threads)
    texts, vectors = Path(collection), Path(out)

    def side(role: Role) -> EncodedSide:
        if isinstance(encoder, StoredRows):
            return _stored_side(encoder, texts, vectors, role, report, *shard)
        return _encode_side(encoder, texts, vectors, role, report, *shard)

    facts = dict(encoder.parameters())
    result = Encoded(encoder.kind, encoder.width, facts, document=side("document"), query=side("query"))
    if encoder.kind == "sparse":
        _write_terms(encoder, Path(out))
    if shard[1] > 1:
        (Path(out) / RESULT).write_text(json.dumps(to_json(result)), encoding="utf-8")
    return result


def join(*, out: str, report: Progress, **shards: str) -> Encoded:
    """Put the vectors of all shards one after the other, in the order of their names.

    Args:
        out: Folder of the vectors.
        report: Called after every shard.
        shards: Folder of each.

    Returns:
        Rows, values and seconds added up, means over all texts.
    """
    folders = [Path(shards[name]) for name in sorted(shards)]
    results = [from_json(Encoded, json.loads((folder / RESULT).read_text(encoding="utf-8"))) for folder in folders]
    kind, width = results[0].kind, results[0].width

    def join_side(role: Role, parts: list[EncodedSide]) -> EncodedSide:
        plural = ROLES[role]
        (Path(out) / plural).mkdir()
        writer = VectorsWriter(Path(out) / plural, kind, width)
        for number, folder in enumerate(folders, start=1):
            vectors = load_vectors(folder / plural)
            for begin in range(0, vectors.shape[0], BLOCK):
                writer.append(vectors[begin : begin + BLOCK])
            report(number, len(folders), f"shards of {plural}")
        info = writer.close()
        return EncodedSide(
            info.rows,
            info.stored,
            seconds=_sum([part.seconds for part in parts]),
            tokens=_mean([part.tokens for part in parts], parts),
            flops=_mean([part.flops for part in parts], parts),
        )

    joined = Encoded(
        kind,
        width,
        results[0].parameters,
        document=join_side("document", [result.document for result in results]),
        query=join_side("query", [result.query for result in results]),
    )
    if joined.query.flops is not None:
        np.save(Path(out) / QUERY_FLOPS, np.concatenate([np.load(folder / QUERY_FLOPS) for folder in folders]))
    if kind == "sparse":
        named = {
            column: term
            for folder in folders
            for column, term in json.loads((folder / TERMS).read_text(encoding="utf-8"))
        }
        (Path(out) / TERMS).write_text(json.dumps(sorted(named.items())), encoding="utf-8")
    return joined


@lru_cache(maxsize=1)
def _loaded(type: str, params: str, model: str, threads: int) -> Encoder:
    """The encoder that this process loaded last: a process kept for several shards loads it once."""
    maker = open_type(type, json.loads(params))
    encoder: Encoder = maker.load(Path(model), threads=threads)
    if encoder.kind != maker.kind:
        raise UserError(f"the encoder of type {type!r} gave {encoder.kind} vectors, not {maker.kind}")
    return encoder


def _sum(values: list[float | None]) -> float | None:
    """None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean(values: list[float | None], parts: list[EncodedSide]) -> float | None:
    """Weighted by rows; None where one is not known."""
    total = _sum([None if value is None else value * part.rows for value, part in zip(values, parts, strict=True)])
    return None if total is None else total / max(sum(part.rows for part in parts), 1)


def _stored_side(
    encoder: Encoder, collection: Path, out: Path, role: Role, report: Progress, shard: int, shards: int
) -> EncodedSide:
    """Vectors that were made elsewhere, in the order of the collection."""
    assert isinstance(encoder, StoredRows)  # noqa: S101 - the caller knows
    plural = ROLES[role]
    source, target = _texts_of(collection, role), out / plural
    target.mkdir()
    encoder.match((name for name, _ in read_texts(source)), role)
    texts = sum(1 for _ in source.open("rb"))
    first, last = texts * shard // shards, texts * (shard + 1) // shards
    writer = VectorsWriter(target, encoder.kind, encoder.width)
    names = islice((name for name, _ in read_texts(source)), first, last)
    while block := list(islice(names, BLOCK)):
        writer.append(encoder.rows(block, role))
        report(writer.rows, last - first, plural)
    info = writer.close()
    return EncodedSide(info.rows, info.stored, None, None, None)


def _encode_side(
    encoder: Encoder,
    collection: Path,
    out: Path,
    role: Role,
    report: Progress,
    shard: int,
    shards: int,
) -> EncodedSide:
    plural = ROLES[role]
    source, target = _texts_of(collection, role), out / plural
    target.mkdir()
    texts = sum(1 for _ in source.open("rb"))
    blocks = -(-texts // BLOCK)
    # Whole blocks: texts are batched with the same others, so that vectors are the same to the last bit.
    first, last = blocks * shard // shards, blocks * (shard + 1) // shards
    total = min(last * BLOCK, texts) - first * BLOCK
    writer = VectorsWriter(target, encoder.kind, encoder.width)
    flops_of = cache(encoder.count_flops if role == "document" else encoder.count_query_flops)
    seconds, tokens = 0.0, 0
    flops, by_query = 0.0, []
    for block in _one_ahead(islice(read_blocks(source, BLOCK), first, last), encoder, role):
        started = time.perf_counter()
        vectors = encoder.encode_documents(block) if role == "document" else encoder.encode_queries(block)
        seconds += time.perf_counter() - started
        if vectors.shape[0] != len(block):
            raise UserError(f"the encoder gave {vectors.shape[0]} vectors for {len(block)} texts")
        writer.append(vectors)
        counts = encoder.count_tokens(block, role)
        tokens += sum(counts)
        of_block = [flops_of(count) for count in counts]
        flops += sum(of_block)
        if role == "query":
            by_query += of_block
        report(writer.rows, total, plural)
    info = writer.close()
    if role == "query":
        np.save(out / QUERY_FLOPS, np.asarray(by_query, np.float64))
    return EncodedSide(info.rows, info.stored, seconds, tokens / max(info.rows, 1), flops / max(info.rows, 1))


def _texts_of(collection: Path, role: Role) -> Path:
    return collection / "queries.jsonl" if role == "query" else encoded_texts(collection)


def _one_ahead(blocks: Iterator[list[str]], encoder: Encoder, role: Role) -> Iterator[list[str]]:
    """The blocks; an encoder that tokenises ahead gets each one before the block in front of it is encoded."""
    block = next(blocks, None)
    if block is not None:
        encoder.expect(block, role)
    while block is not None:
        following = next(blocks, None)
        if following is not None:
            encoder.expect(following, role)
        yield block
        block = following


def _write_terms(encoder: Encoder, out: Path) -> None:
    """Names of the columns that queries use, for explanations: the model is not loaded again."""
    queries = load_csr(out / "queries")
    columns = np.unique(queries.indices).tolist()
    (out / TERMS).write_text(json.dumps(list(zip(columns, encoder.terms(columns), strict=True))), encoding="utf-8")
