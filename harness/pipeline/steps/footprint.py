"""Resident memory of an index and of an encoder, each in a process that holds nothing else."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.index import open_index, warm
from harness.pipeline.steps.prepare import read_texts
from harness.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.encoders.base import Progress


def served_memory(
    *,
    out: str,
    type: str,
    params: dict[str, Any],
    index: str,
    vectors: str,
    k: int,
    report: Progress,
) -> dict[str, Any]:
    """Resident memory that loading an index and answering every query adds to a warmed, otherwise empty process.

    Where parts of the index live in other processes, what these came to hold is added.

    Returns:
        Anonymous bytes added, bytes of newly mapped files, their proportional share (PSS), how much all file-backed
        pages of this process grew (libraries included, which may shrink), the empty process' own, and the number of
        other processes.
    """
    from harness.indexes import create
    from harness.measure.memory import grown, mapped_files, newly_mapped, resident

    queries = load_vectors(Path(vectors) / "queries")
    warm(type, params, "sparse" if hasattr(queries, "indptr") else "dense")
    create(type, **params).reach()
    # Touch the queries before the first reading: they are the load, not the index.
    float(np.asarray(queries.sum()))
    gc.collect()
    files, before = mapped_files(), resident()
    engine = open_index(type, index)
    for row in range(queries.shape[0]):
        engine.search(queries[row : row + 1], k)
    gc.collect()
    after, mapped = resident(), newly_mapped(files)
    others = [grown(*texts) for texts in engine.elsewhere()]
    report(1, 1, "measured")
    return {
        "anonymous": after.anonymous - before.anonymous + sum(one.anonymous for one in others),
        "file": mapped.file + sum(one.file for one in others),
        "pss": after.anonymous - before.anonymous + mapped.pss + sum(one.pss for one in others),
        "elsewhere": len(others),
        "all_files": after.file - before.file,
        "baseline": before.rss,
        "queries": int(queries.shape[0]),
    }


def encoder_memory(
    *,
    out: str,
    encoder_type: str,
    encoder_params: dict[str, Any],
    model: str,
    collection: str,
    threads: int,
    batch: int,
    report: Progress,
) -> dict[str, Any]:
    """Resident memory that loading an encoder adds to a process with the same libraries, and the peak of a batch.

    Returns:
        Anonymous bytes added, bytes of newly mapped files, bytes of the model's files, peak (VmHWM) of encoding the
        first documents as one batch above the resident size before, and how many tokens these have.
    """
    from harness.measure.memory import mapped_files, newly_mapped, peak, reset_peak, resident

    texts = [text for _, text in islice(read_texts(Path(collection) / "documents.jsonl"), batch)]

    def load() -> Any:
        return open_type(encoder_type, encoder_params).load(Path(model), threads=threads)

    report(0, 2, "loading")
    import_what(load)
    gc.collect()
    files, before = mapped_files(), resident()
    encoder = load()
    encoder.encode_documents(texts[:1])  # weights that are mapped come in only now
    gc.collect()
    after, mapped = resident(), newly_mapped(files)
    report(1, 2, "encoding")
    resettable = reset_peak()
    low = after.rss if resettable else peak()
    encoder.encode_documents(texts)
    highest = peak()
    report(2, 2, "measured")
    return {
        "anonymous": after.anonymous - before.anonymous,
        "file": mapped.file,
        "file_bytes": sum(path.stat().st_size for path in Path(model).rglob("*") if path.is_file()),
        "activation": max(highest - low, 0),
        "batch": len(texts),
        "tokens": sum(encoder.count_tokens(texts, "document")),
    }


def import_what(work: Callable[[], object]) -> None:
    """Import every module that some work imports, without doing it here: a copy of this process does it and tells."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            known = set(sys.modules)
            work()
            with os.fdopen(writing, "w") as pipe:
                json.dump([name for name in sys.modules if name not in known], pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    for name in json.loads(text or "[]"):
        try:
            importlib.import_module(name)
        except Exception:  # noqa: S112 - a module made at run time; then the work itself makes it
            continue
