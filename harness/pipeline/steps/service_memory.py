"""Resident memory of a whole service: encoder, index, identifiers and a query, in one process that holds only these."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.footprint import import_what
from harness.pipeline.steps.index import open_index, warm
from harness.pipeline.steps.passages import DocumentSearcher, read_passages
from harness.pipeline.steps.prepare import read_rules, read_texts
from harness.pipeline.steps.ranking import searched_depth
from harness.pipeline.steps.result import StepResult
from harness.pipeline.steps.serving import query_texts
from harness.vectors import load_vectors, vectors_info

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from numpy.typing import NDArray

    from harness.encoders.base import Encoder, Progress
    from harness.jsonvalue import JsonTable


@dataclass(frozen=True)
class ServiceMemory(StepResult):
    """Resident memory that each part of a service adds, in the order in which they are opened; bytes.

    A part may be a few pages below 0 where it uses again what an earlier part has freed.

    Attributes:
        encoder: Loading the encoder and encoding one query.
        index: Opening the index and searching the stored vectors of all queries.
        identifiers: Holding the documents' identifiers, and which passages are theirs where passages are searched.
        query: Peak (VmHWM) of answering queries one by one, above the resident size before.
        documents: How many identifiers are held.
        queries: How many were answered from their text.
    """

    encoder: int
    index: int
    identifiers: int
    query: int
    documents: int
    queries: int


class Identifiers:
    """Identifiers by document number: one string of UTF-8, and 8 bytes a document that say where each ends."""

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._text, self._ends = text, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        start = self._ends[number - 1] if number else 0
        return self._text[start : self._ends[number]].tobytes().decode()

    @staticmethod
    def write(identifiers: Iterable[str], text: BinaryIO, ends: BinaryIO) -> None:
        """Write the string into one file and the ends (int64) into another, as a service has them beside its index."""
        end = 0
        for identifier in identifiers:
            end += text.write(identifier.encode())
            ends.write(np.int64(end).tobytes())

    @classmethod
    def read(cls, text: BinaryIO, ends: BinaryIO) -> Identifiers:
        """Read what `write` wrote; the memory is of the size that is needed, and nothing else is taken."""
        text.seek(0)
        ends.seek(0)
        return cls(np.fromfile(text, np.uint8), np.fromfile(ends, np.int64))


def service_memory(
    *,
    out: str,
    encoder_type: str,
    encoder_params: JsonTable,
    model: str,
    index_type: str,
    index_params: JsonTable,
    index: str,
    vectors: str,
    collection: str,
    k: int,
    threads: int,
    queries: int | None,
    process: int,
    report: Progress,
    index_search: JsonTable | None = None,
) -> ServiceMemory:
    """Open encoder, index and identifiers one after another, then answer queries; read the resident memory between.

    Libraries are imported and kernels compiled before the first reading. The queries are the load, so they are read
    before it too. What other processes came to hold of the index is added to the index.
    """
    from harness.indexes import create
    from harness.measure.memory import grown, mapped_files, newly_mapped, peak, reset_peak, resident, settle

    texts, stored = query_texts(collection, queries), load_vectors(Path(vectors) / "queries")
    names, ends = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed once they are read
    Identifiers.write((name for name, _ in read_texts(Path(collection) / "documents.jsonl")), names, ends)

    def load() -> Encoder:
        return open_type(encoder_type, encoder_params).load(Path(model), threads=threads)

    report(0, 4, "loading libraries")
    warm(index_type, index_params, vectors_info(Path(vectors) / "queries").kind)
    create(index_type, **index_params).reach()
    import_what(load)
    float(np.asarray(stored.sum()))  # touches all of it
    settle()
    files, before = mapped_files(), resident()

    def held() -> int:
        settle()
        return resident().anonymous - before.anonymous + newly_mapped(files).file

    report(0, 4, "encoder")
    encoder = load()
    encoder.encode_queries(texts[:1])
    with_encoder = held()
    report(1, 4, "index")
    engine = open_index(index_type, index, index_search)
    searcher = engine.searcher(searched_depth(collection, k), threads=threads)
    for row in range(stored.shape[0]):
        searcher(stored[row : row + 1])
    with_index = held()
    others = [grown(*smaps) for smaps in engine.elsewhere()]
    report(2, 4, "identifiers")
    with names, ends:
        identifiers, passages = Identifiers.read(names, ends), read_passages(Path(collection))
    if passages is not None:
        searcher = DocumentSearcher(searcher, passages, k + read_rules(Path(collection)).ignore_identical_ids)
    with_identifiers = held()
    report(3, 4, "queries")
    low = resident().rss if reset_peak() else peak()
    for text in texts:
        numbers, _ = searcher(encoder.encode_queries([text]))
        _ = [identifiers[number] for number in numbers[0].tolist() if number >= 0]
    highest = peak()
    report(4, 4, "measured")
    return ServiceMemory(
        encoder=with_encoder,
        index=with_index - with_encoder + sum(other.anonymous + other.file for other in others),
        identifiers=with_identifiers - with_index,
        query=max(highest - low, 0),
        documents=len(identifiers),
        queries=len(texts),
    )
