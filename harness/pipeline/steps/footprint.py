"""Resident memory of an index and of an encoder, each in a process that holds nothing else."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.index import open_index, warm
from harness.pipeline.steps.passages import encoded_texts
from harness.pipeline.steps.prepare import read_texts
from harness.pipeline.steps.ranking import searched_depth
from harness.pipeline.steps.result import StepResult
from harness.vectors import load_vectors, vectors_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.encoders.base import Encoder, Progress
    from harness.jsonvalue import JsonTable


@dataclass(frozen=True)
class ServedMemory(StepResult):
    """Resident memory that an index adds to a process; bytes.

    Attributes:
        anonymous: Anonymous bytes added.
        file: Bytes of newly mapped files.
        pss: Anonymous bytes and the proportional share (PSS) of newly mapped files.
        elsewhere: How many other processes hold parts of the index; what they came to hold is counted above.
        all_files: How much all file-backed pages of this process grew, libraries included; it may be negative.
        baseline: Resident size of the empty process.
        queries: How many were answered.
    """

    anonymous: int
    file: int
    pss: int
    elsewhere: int
    all_files: int
    baseline: int
    queries: int


@dataclass(frozen=True)
class EncoderMemory(StepResult):
    """Resident memory that an encoder adds to a process with the same libraries; bytes.

    Attributes:
        anonymous: Anonymous bytes added.
        file: Bytes of newly mapped files.
        file_bytes: Bytes of the model's files.
        activation: Peak (VmHWM) of encoding a batch above the resident size before; at least 0.
        batch: Documents in the batch.
        tokens: Tokens of these documents.
    """

    anonymous: int
    file: int
    file_bytes: int
    activation: int
    batch: int
    tokens: int


def served_memory(
    *,
    out: str,
    type: str,
    params: JsonTable,
    index: str,
    vectors: str,
    collection: str,
    k: int,
    report: Progress,
    index_search: JsonTable | None = None,
) -> ServedMemory:
    """Resident memory that loading an index and answering every query adds to a warmed, otherwise empty process.

    Where parts of the index live in other processes, what these came to hold is added.
    """
    from harness.indexes import create
    from harness.measure.memory import grown, mapped_files, newly_mapped, resident, settle

    queries = load_vectors(Path(vectors) / "queries")
    warm(type, params, vectors_info(Path(vectors) / "queries").kind)
    create(type, **params).reach()
    # Touch the queries before the first reading: they are the load, not the index.
    float(np.asarray(queries.sum()))
    asked = searched_depth(collection, k)
    settle()
    files, before = mapped_files(), resident()
    engine = open_index(type, index, index_search)
    for row in range(queries.shape[0]):
        engine.search(queries[row : row + 1], asked)
    settle()
    after, mapped = resident(), newly_mapped(files)
    others = [grown(*texts) for texts in engine.elsewhere()]
    report(1, 1, "measured")
    return ServedMemory(
        anonymous=after.anonymous - before.anonymous + sum(other.anonymous for other in others),
        file=mapped.file + sum(other.file for other in others),
        pss=after.anonymous - before.anonymous + mapped.pss + sum(other.pss for other in others),
        elsewhere=len(others),
        all_files=after.file - before.file,
        baseline=before.rss,
        queries=int(queries.shape[0]),
    )


def encoder_memory(
    *,
    out: str,
    encoder_type: str,
    encoder_params: JsonTable,
    model: str,
    collection: str,
    threads: int,
    batch: int,
    report: Progress,
) -> EncoderMemory:
    """Resident memory that loading an encoder adds, and the peak of encoding the first documents as one batch."""
    from harness.measure.memory import mapped_files, newly_mapped, peak, reset_peak, resident, settle

    texts = [text for _, text in islice(read_texts(encoded_texts(Path(collection))), batch)]

    def load() -> Encoder:
        return open_type(encoder_type, encoder_params).load(Path(model), threads=threads)

    report(0, 2, "loading")
    import_what(lambda: load().encode_documents(texts[:1]))  # some open the model with the first document
    settle()
    files, before = mapped_files(), resident()
    encoder = load()
    encoder.encode_documents(texts[:1])  # weights that are mapped come in only now
    settle()
    after, mapped = resident(), newly_mapped(files)
    report(1, 2, "encoding")
    resettable = reset_peak()
    low = after.rss if resettable else peak()
    encoder.encode_documents(texts)
    highest = peak()
    report(2, 2, "measured")
    return EncoderMemory(
        anonymous=after.anonymous - before.anonymous,
        file=mapped.file,
        file_bytes=sum(path.stat().st_size for path in Path(model).rglob("*") if path.is_file()),
        activation=max(highest - low, 0),
        batch=len(texts),
        tokens=sum(encoder.count_tokens(texts, "document")),
    )


def import_what(work: Callable[[], object]) -> None:
    """Import every module that some work imports: a copy of this process does the work and names the modules."""
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
