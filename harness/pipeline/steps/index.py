"""Build an index from stored vectors, and search it for all queries."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.vectors import load_vectors, vectors_info

OVERLAP_BLOCK = 1 << 22

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.indexes.base import Index
    from harness.vectors import Kind, Vectors


def build(*, out: str, type: str, params: dict[str, Any], vectors: str, report: Progress) -> dict[str, Any]:
    """Build and save an index.

    Kernels are compiled and libraries imported on a tiny index first, so that neither time nor memory of that counts.

    Returns:
        Seconds of building alone, the peak of the resident size (VmHWM) above the resident size before, bytes by
        component, bytes on disk, and the conditions.
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
    return {
        "build_seconds": seconds,
        "conditions": {**asdict(conditions), "disturbance": conditions.disturbance(), "violation": ""},
        "build_peak_bytes": max(peak_bytes, 0),
        "memory": {name: int(size) for name, size in index.memory().items()},
        "file_bytes": sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()),
    }


def search(
    *, out: str, type: str, vectors: str, index: str, depth: int, threads: int, report: Progress
) -> dict[str, Any]:
    """Search all queries; write ``ids.npy`` (int64) and ``scores.npy`` (float32), queries x depth.

    Returns:
        What the engine counted for the timed k (see `Work`), and seconds for the whole batch.
    """
    queries = load_vectors(Path(vectors) / "queries")
    engine = open_index(type, index)
    started = time.perf_counter()
    ids, scores = engine.search(queries, depth, threads=threads)
    seconds = time.perf_counter() - started
    np.save(Path(out) / "ids.npy", np.ascontiguousarray(ids, np.int64))
    np.save(Path(out) / "scores.npy", np.ascontiguousarray(scores, np.float32))
    report(1, 1, "searched")
    return {"queries": int(queries.shape[0]), "depth": depth, "seconds": seconds}


def count_work(*, out: str, type: str, vectors: str, index: str, k: int, report: Progress) -> dict[str, Any]:
    """Count what the engine does for each query at the timed k; exact, not timed.

    Returns:
        Its work, and of sparse vectors what a query and a document are expected to share.
    """
    queries, documents = (load_vectors(Path(vectors) / name) for name in ("queries", "documents"))
    work = open_index(type, index).work(queries, k)
    report(1, 1, "counted")
    return {
        "queries": int(queries.shape[0]),
        "k": k,
        "work": vars(work) if work is not None else None,
        "expected_overlap": expected_overlap(queries, documents) if hasattr(queries, "indptr") else None,
    }


def expected_overlap(queries: Any, documents: Any) -> float:
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


def open_index(type: str, directory: str) -> Index:
    """A saved index of this engine."""
    from harness.indexes import registry

    loaded: Index = registry.get(type).load(Path(directory))
    return loaded


def warm(type: str, params: dict[str, Any], kind: Kind) -> None:
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
    from scipy import sparse

    rows = np.random.default_rng(1).random((64, 32), dtype=np.float32)
    return sparse.csr_matrix(rows * (rows > 0.5)) if kind == "sparse" else rows
