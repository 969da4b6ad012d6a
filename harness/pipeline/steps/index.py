"""Build an index from stored vectors, and search it for all queries."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.indexes.base import Work
from harness.measure.machine.conditions import Conditions, ProcessConditions
from harness.pipeline.steps.encode import QUERY_FLOPS
from harness.pipeline.steps.observed_result import ObservedResult
from harness.pipeline.steps.per_query import intervals, write_per_query
from harness.pipeline.steps.prepare import read_texts
from harness.pipeline.steps.ranking import Ranking, searched_depth
from harness.pipeline.steps.result import StepResult
from harness.vectors import load_csr, load_vectors, vectors_info

OVERLAP_BLOCK = 1 << 22

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.encoders.base import Progress
    from harness.indexes.base import Index
    from harness.jsonvalue import JsonTable
    from harness.vectors import Kind, Vectors


@dataclass(frozen=True)
class Built(ObservedResult):
    """An index that was built.

    Attributes:
        build_seconds: Wall time of building alone.
        build_peak_bytes: Highest anonymous memory above that before; at least 0. None where it cannot be read.
        build_peak_readings: How often it was read; None as above.
        build_peak_resident: Peak of the resident size (VmHWM) above the resident size before; at least 0. It also
            counts pages of the mapped vectors. None as above.
        memory: Bytes by component, as the engine counts them.
        file_bytes: Bytes of all saved files.
        numbers_bits: Entropy of the document numbers of sparse vectors, if a term's documents can be any of that many.
            None for dense vectors.
    """

    build_seconds: float
    build_peak_bytes: int | None
    build_peak_readings: int | None
    build_peak_resident: int | None
    memory: dict[str, int]
    file_bytes: int
    numbers_bits: float | None = None


@dataclass(frozen=True)
class Searched(StepResult):
    """All queries searched: how many, to which depth, and the wall time of the whole batch in seconds.

    The time is that of ranking candidates where the collection has some.
    """

    queries: int
    depth: int
    seconds: float


@dataclass(frozen=True)
class CountedWork(StepResult):
    """What an engine did for all queries; counted, not timed.

    Attributes:
        queries: How many.
        k: Results of each.
        work: Counts over all queries; None where the engine does not count.
        expected_overlap: Terms that a query and a document are expected to share (see `expected_overlap`); None for
            dense vectors.
        intervals: Of the means over queries, by the name of the metric; none with too few queries.
    """

    queries: int
    k: int
    work: Work | None
    expected_overlap: float | None
    intervals: dict[str, tuple[float, float]]


def build(*, out: str, type: str, params: JsonTable, vectors: str, report: Progress) -> Built:
    """Build and save an index.

    Kernels are compiled and libraries imported on a tiny index first, so that neither time nor memory of that counts.
    """
    from harness.indexes import create
    from harness.measure.anonymous_peak import risen
    from harness.measure.machine.conditions import observe

    info = vectors_info(Path(vectors) / "documents")
    report(0, 1, "warming up")
    warm(type, params, info.kind)
    index, rows = create(type, **params), load_vectors(Path(vectors) / "documents")
    report(0, 1, f"building over {info.rows} documents")
    conditions, seconds = Conditions(), 0.0

    def timed() -> None:
        nonlocal conditions, seconds
        with observe() as conditions:
            started = time.perf_counter()
            index.build(rows)
            seconds = time.perf_counter() - started

    memory = risen(timed)
    index.save(Path(out))
    report(1, 1, "built")
    return Built(
        ProcessConditions(**asdict(conditions), disturbance=conditions.disturbance(), violation=""),
        build_seconds=seconds,
        build_peak_bytes=None if memory is None else memory.anonymous,
        build_peak_readings=None if memory is None else memory.readings,
        build_peak_resident=None if memory is None else memory.resident,
        memory={name: int(size) for name, size in index.memory().items()},
        file_bytes=sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()),
        numbers_bits=_numbers_bits(Path(vectors) / "documents") if info.kind == "sparse" else None,
    )


def _numbers_bits(vectors: Path) -> float:
    """Entropy of the document numbers of stored sparse vectors; a part of them is in memory at a time."""
    from harness.stats.entropy import subset_bits

    matrix = load_csr(vectors)
    counts = np.zeros(matrix.shape[1], np.int64)
    for begin in range(0, len(matrix.indices), OVERLAP_BLOCK):
        counts += np.bincount(matrix.indices[begin : begin + OVERLAP_BLOCK], minlength=len(counts))
    return subset_bits(counts, matrix.shape[0])


def search(
    *,
    out: str,
    type: str,
    vectors: str,
    index: str,
    collection: str,
    depth: int,
    threads: int,
    report: Progress,
    index_search: JsonTable | None = None,
) -> Searched:
    """Search all queries, by the rules of the collection; write ``ids.npy`` (int64) and ``scores.npy`` (float32).

    Both are queries x depth. Where queries have candidates, these are ranked by the vectors, not by the index.
    """
    queries, ranking = load_vectors(Path(vectors) / "queries"), Ranking(Path(collection), depth)
    engine = open_index(type, index, index_search)
    started = time.perf_counter()
    if ranking.candidates is not None:
        ids, scores = ranking.of_candidates(queries, load_vectors(Path(vectors) / "documents"))
    else:
        ids, scores = ranking.of_search(
            lambda rows, k: engine.search(queries[rows], k, threads=threads),
            queries.shape[0],
            exact=engine.supports.exact,
        )
    seconds = time.perf_counter() - started
    np.save(Path(out) / "ids.npy", np.ascontiguousarray(ids, np.int64))
    np.save(Path(out) / "scores.npy", np.ascontiguousarray(scores, np.float32))
    report(1, 1, "searched")
    return Searched(int(queries.shape[0]), depth, seconds)


def count_work(
    *,
    out: str,
    type: str,
    vectors: str,
    index: str,
    collection: str,
    k: int,
    confidence: float,
    report: Progress,
    index_search: JsonTable | None = None,
) -> CountedWork:
    """Count what each query makes the engine do at the timed k, as it is searched; write ``per_query.json``.

    Args:
        out: Folder to write to.
        type: Of the index.
        vectors: Folder of the vectors.
        index: Folder of the index.
        collection: Folder of the prepared collection, which names the queries.
        k: Results of each query.
        confidence: Of the intervals.
        report: Called with progress.
        index_search: See `open_index`.
    """
    queries = load_vectors(Path(vectors) / "queries")
    engine = open_index(type, index, index_search)
    asked = searched_depth(collection, k)
    works = [engine.work(queries[row : row + 1], asked) for row in range(queries.shape[0])]
    counted = [work for work in works if work is not None]
    total = sum(counted[1:], counted[0]) if counted and len(counted) == len(works) else None
    values: dict[str, NDArray[np.float64]] = {}
    if (Path(vectors) / QUERY_FLOPS).is_file():
        values["flops_encode_query"] = np.load(Path(vectors) / QUERY_FLOPS)
    if total is not None:
        values |= _counts(counted)
    if total is not None and "flops_encode_query" in values:
        values["flops_query"] = values["flops_encode_query"] + values["flops_search"]
    overlap = None
    if not isinstance(queries, np.ndarray):
        documents = load_csr(Path(vectors) / "documents")
        overlap = expected_overlap(queries, documents)
        values["expected_overlap"] = overlaps(queries, documents)
        values["active_terms_query"] = overlaps(queries, None)
    by_metric = {name: numbers.tolist() for name, numbers in values.items()}
    names = [name for name, _ in read_texts(Path(collection) / "queries.jsonl")]
    write_per_query(Path(out), {name: dict(zip(names, row, strict=True)) for name, row in by_metric.items()})
    report(1, 1, "counted")
    return CountedWork(int(queries.shape[0]), k, total, overlap, intervals(by_metric, confidence))


def expected_overlap(queries: sparse.csr_matrix, documents: sparse.csr_matrix) -> float:
    """SPLADE's FLOPS: sum over terms of the share of queries times the share of documents that have it.

    Args:
        queries: CSR.
        documents: CSR of the same width.
    """
    return float(_shares(queries) @ _shares(documents))


def overlaps(queries: sparse.csr_matrix, documents: sparse.csr_matrix | None) -> NDArray[np.float64]:
    """Terms that each query is expected to share with a document; their mean is `expected_overlap`.

    Args:
        queries: CSR.
        documents: CSR of the same width; None for a document that has every term.
    """
    shares = np.ones(queries.shape[1]) if documents is None else _shares(documents)
    there = np.where(queries.data != 0, shares[queries.indices], 0.0)
    return np.asarray([there[begin:end].sum() for begin, end in pairwise(queries.indptr)], np.float64)


def _shares(rows: sparse.csr_matrix) -> NDArray[np.float64]:
    """The share of rows that have each term."""
    share = np.zeros(rows.shape[1])
    for begin in range(0, rows.nnz, OVERLAP_BLOCK):  # indices may be mapped and large
        part = slice(begin, begin + OVERLAP_BLOCK)
        share += np.bincount(rows.indices[part][rows.data[part] != 0], minlength=len(share))
    return np.asarray(share / max(rows.shape[0], 1), np.float64)


def _counts(works: list[Work]) -> dict[str, NDArray[np.float64]]:
    """What the engine counted, one value a query, by the name of the metric."""
    columns: dict[str, list[int | None]] = {
        "flops_search": [2 * work.multiply_adds for work in works],
        "postings_touched": [work.postings for work in works],
        "documents_scored": [work.documents for work in works],
        "bounds_evaluated": [work.bounds for work in works],
    }
    return {name: np.asarray(column, np.float64) for name, column in columns.items() if None not in column}


def open_index(type: str, directory: str, index_search: JsonTable | None = None) -> Index:
    """A saved index of this engine.

    Args:
        type: Of the index.
        directory: Where it was saved.
        index_search: Values of the engine's `search_params`; those it was saved with where None.

    Raises:
        UserError: It is damaged, or has no such parameter.
    """
    from harness.indexes import registry

    loaded: Index = registry.get(type).load(Path(directory))
    if index_search:
        loaded.search_with(index_search)
    return loaded


def warm(type: str, params: JsonTable, kind: Kind) -> None:
    """Import and compile everything that an engine needs, on vectors too small to matter."""
    from harness.indexes import create

    rows = tiny(kind)
    try:
        engine = create(type, **params)
        engine.build(rows)
        engine.search(rows[:1], 2)
    except Exception:  # noqa: S110 - an engine may refuse so few vectors; then it starts cold, which only costs time
        pass


def tiny(kind: Kind) -> Vectors:
    """A few small vectors of this kind."""
    rows = np.random.default_rng(1).random((64, 32), dtype=np.float32)
    return sparse.csr_matrix(rows * (rows > 0.5)) if kind == "sparse" else rows
