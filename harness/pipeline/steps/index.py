"""Build an index from stored vectors, and search it for all queries."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.indexes.base import Work
from harness.measure.machine.conditions import ProcessConditions
from harness.pipeline.steps.observed_result import ObservedResult
from harness.pipeline.steps.result import StepResult
from harness.vectors import load_csr, load_vectors, vectors_info

OVERLAP_BLOCK = 1 << 22

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.indexes.base import Index
    from harness.jsonvalue import JsonTable
    from harness.vectors import Kind, Vectors


@dataclass(frozen=True)
class Built(ObservedResult):
    """An index that was built.

    Attributes:
        build_seconds: Wall time of building alone.
        build_peak_bytes: Peak of the resident size (VmHWM) above the resident size before; at least 0.
        memory: Bytes by component, as the engine counts them.
        file_bytes: Bytes of all saved files.
    """

    build_seconds: float
    build_peak_bytes: int
    memory: dict[str, int]
    file_bytes: int


@dataclass(frozen=True)
class Searched(StepResult):
    """All queries searched: how many, to which depth, and the wall time of the whole batch in seconds."""

    queries: int
    depth: int
    seconds: float


@dataclass(frozen=True)
class CountedWork(StepResult):
    """What an engine did for all queries; exact, not timed.

    Attributes:
        queries: How many.
        k: Results of each.
        work: Counts over all queries; None where the engine does not count.
        expected_overlap: Terms that a query and a document are expected to share (see `expected_overlap`); None for
            dense vectors.
    """

    queries: int
    k: int
    work: Work | None
    expected_overlap: float | None


def build(*, out: str, type: str, params: JsonTable, vectors: str, report: Progress) -> Built:
    """Build and save an index.

    Kernels are compiled and libraries imported on a tiny index first, so that neither time nor memory of that counts.
    """
    from harness.indexes import create
    from harness.measure.machine.conditions import observe
    from harness.measure.memory import peak, reset_peak, resident

    info = vectors_info(Path(vectors) / "documents")
    report(0, 1, "warming up")
    warm(type, params, info.kind)
    index, rows = create(type, **params), load_vectors(Path(vectors) / "documents")
    resettable = reset_peak()
    before = resident().rss if resettable else peak()
    report(0, 1, f"building over {info.rows} documents")
    with observe() as conditions:
        started = time.perf_counter()
        index.build(rows)
        seconds = time.perf_counter() - started
    peak_bytes = peak() - before
    index.save(Path(out))
    report(1, 1, "built")
    return Built(
        ProcessConditions(**asdict(conditions), disturbance=conditions.disturbance(), violation=""),
        build_seconds=seconds,
        build_peak_bytes=max(peak_bytes, 0),
        memory={name: int(size) for name, size in index.memory().items()},
        file_bytes=sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()),
    )


def search(
    *,
    out: str,
    type: str,
    vectors: str,
    index: str,
    depth: int,
    threads: int,
    report: Progress,
    index_search: JsonTable | None = None,
) -> Searched:
    """Search all queries; write ``ids.npy`` (int64) and ``scores.npy`` (float32), queries x depth."""
    queries = load_vectors(Path(vectors) / "queries")
    engine = open_index(type, index, index_search)
    started = time.perf_counter()
    ids, scores = engine.search(queries, depth, threads=threads)
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
    k: int,
    report: Progress,
    index_search: JsonTable | None = None,
) -> CountedWork:
    """Count what the engine does for all queries at the timed k."""
    queries = load_vectors(Path(vectors) / "queries")
    work = open_index(type, index, index_search).work(queries, k)
    report(1, 1, "counted")
    overlap = None
    if not isinstance(queries, np.ndarray):
        overlap = expected_overlap(queries, load_csr(Path(vectors) / "documents"))
    return CountedWork(int(queries.shape[0]), k, work, overlap)


def expected_overlap(queries: sparse.csr_matrix, documents: sparse.csr_matrix) -> float:
    """SPLADE's FLOPS: sum over terms of the share of queries times the share of documents that have it.

    Args:
        queries: CSR.
        documents: CSR of the same width.
    """
    shares = [np.zeros(queries.shape[1]) for _ in range(2)]
    for share, rows in zip(shares, (queries, documents), strict=True):
        for begin in range(0, rows.nnz, OVERLAP_BLOCK):  # indices may be mapped and large
            part = slice(begin, begin + OVERLAP_BLOCK)
            share += np.bincount(rows.indices[part][rows.data[part] != 0], minlength=len(share))
        share /= max(rows.shape[0], 1)
    return float(shares[0] @ shares[1])


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
