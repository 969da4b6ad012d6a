"""What other revisions of this package import from this one. Names and meanings here never change.

A comparison of two revisions starts a process of each, and that process runs one file of the later revision with the
code of its own. It may use this module alone: everything else moves from revision to revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict

if TYPE_CHECKING:
    from harness.encoders.base import Encoder
    from harness.indexes.base import Hits, Index
    from harness.pipeline.steps.passages import PassageNumbers
    from harness.vectors import Vectors


class SystemOrder(TypedDict):
    """Which system to open.

    Attributes:
        spec: Path of the TOML file.
        overrides: ``key=value`` texts.
        system: Its name.
        model: Folder of the artefact.
        index: Folder of the artefact.
        collection: Folder of the artefact.
        collection_name: In the spec; prompts may depend on it. Revisions before this key leave it out.
    """

    spec: str
    overrides: list[str]
    system: str
    model: str
    index: str
    collection: str
    collection_name: NotRequired[str]


class Engine(Protocol):
    """What answers a query."""

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The answer to each query row, from k results of the index; see `Hits`."""
        ...


@dataclass(frozen=True)
class DocumentEngine:
    """An index of passages that answers with documents.

    Attributes:
        index: Of the passages.
        passages: Which are of which document.
        documents: Of each query, at most.
    """

    index: Index
    passages: PassageNumbers
    documents: int

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The documents that the top k passages of each query row belong to, each with its best score; see `Hits`."""
        return self.passages.best(*self.index.search(queries, k, threads=threads), self.documents)


@dataclass(frozen=True)
class OpenSystem:
    """A system that is ready to answer.

    Attributes:
        encoder: Has ``encode_queries(texts)``.
        engine: Has ``search(vectors, k, threads=...)``.
        texts: The queries that are timed, in order.
        k: Results of the index that are asked for: documents, or enough passages to hold that many documents.
        threads: That a query may use.
        warmup: Queries that are answered before times count.
    """

    encoder: Encoder
    engine: Engine
    texts: list[str]
    k: int
    threads: int
    warmup: int


def open_system(order: SystemOrder) -> OpenSystem:
    """Load a system that was built before.

    Args:
        order: Which one.

    Raises:
        UserError: The spec is wrong, or a library that the system needs is missing.
        StopIteration: The spec has no such system.
    """
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.shared_stages import encoder_on, search_settings
    from harness.pipeline.steps.fit import open_type
    from harness.pipeline.steps.index import open_index
    from harness.pipeline.steps.passages import read_passages
    from harness.pipeline.steps.prepare import read_rules, read_texts
    from harness.pipeline.steps.ranking import searched_depth
    from harness.spec.load import load_spec

    spec = load_spec(Path(order["spec"]), REGISTRIES, order["overrides"])
    measure = spec.head.measure
    system = next(system for system in spec.systems if system.name == order["system"])
    name = order.get("collection_name")
    asked = system.encoder if name is None else encoder_on(system.encoder, spec.collections[name])
    encoder_type = open_type(asked.type, asked.params.model_dump(mode="json"))
    encoder = encoder_type.load(Path(order["model"]), threads=measure.threads)
    index = open_index(system.index.type, order["index"], search_settings(system.index))
    collection = Path(order["collection"])
    passages, wanted = read_passages(collection), measure.k + read_rules(collection).ignore_identical_ids
    engine = index if passages is None else DocumentEngine(index, passages, wanted)
    texts = [text for _, text in read_texts(collection / "queries.jsonl")][: measure.queries]
    depth = searched_depth(order["collection"], measure.k)
    return OpenSystem(encoder, engine, texts, depth, measure.threads, measure.warmup)
