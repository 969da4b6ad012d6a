"""Write a collection, or its training pairs, in one form on disk."""

from __future__ import annotations

import hashlib
import json
from array import array
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.collections.base import EvaluationRules
from harness.errors import UserError
from harness.pipeline.steps.passages import ENDS, TEXTS
from harness.pipeline.steps.result import StepResult
from harness.typed_json import from_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from hashlib import _Hash as Digest

    from harness.collections import Passages
    from harness.collections.base import Collection, Document, Pair, Query
    from harness.collections.pair_table import PairTable
    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable


RULES, CANDIDATES = "rules.json", "candidates.jsonl"


@dataclass(frozen=True)
class Prepared(StepResult):
    """A collection in the common form.

    Attributes:
        documents: How many.
        queries: How many; each has a relevant document, or counts 0.
        queries_left_out: Queries without a relevant document that do not count 0.
        judgements: Lines of the qrels, of left-out queries too.
        identifier_bytes: UTF-8 bytes of all documents' identifiers.
        revision: SHA-256 of the three files in hex.
        description: What the collection says of itself.
        warnings: What a reader must know of it.
        rules: What becomes of results before they are evaluated.
        same_identifiers: Queries that have a document of their own identifier.
        reranked: Whether only the candidates of each query are ranked.
        copies: Documents that have the text of an earlier one; those without a text are not counted.
        passages: How many passages are searched; 0 where documents are searched whole.
        most_passages: Of one document; 0 where documents are searched whole.
    """

    documents: int
    queries: int
    queries_left_out: int
    judgements: int
    identifier_bytes: int
    revision: str
    description: dict[str, str]
    warnings: tuple[str, ...]
    rules: EvaluationRules
    same_identifiers: int
    reranked: bool
    copies: int
    passages: int = 0
    most_passages: int = 0


@dataclass(frozen=True)
class PreparedPairs(StepResult):
    """Training pairs in the common form, and how many there are."""

    pairs: int


def prepare(*, out: str, type: str, params: JsonTable, report: Progress) -> Prepared:
    """Write ``documents.jsonl`` (id, text), ``queries.jsonl`` (id, text) and ``qrels.tsv`` of a collection.

    Where documents are searched as passages, ``passages.jsonl`` (id, text) and ``passages.npy`` have these; see
    `harness.pipeline.steps.passages`. The passage n of a document has its identifier, ``#`` and n, from 0.

    ``rules.json`` holds its `EvaluationRules`, and ``candidates.jsonl`` the candidates of each query where it has some.
    Queries without a relevant document are left out and counted, unless the rules count them. Everything is streamed.

    Raises:
        UserError: What the collection itself finds wrong; no documents, or no query with a relevant document.
    """
    collection = _open(type, params)
    folder, digest, rules = Path(out), hashlib.sha256(), collection.rules()
    documents = _write_documents(folder, collection, rules.passages, digest, report)
    judged = _write_judgements(folder, collection, digest)
    queries = _write_queries(folder, collection, judged, rules.without_relevant == "zero", digest)
    if not documents.count:
        raise UserError(f"collection of type {type!r} has no documents", remedy="check its source")
    if not queries.count:
        raise UserError(
            f"collection of type {type!r} has no query with a relevant document ({judged.count} judgements)",
            remedy="check that the judgements name the queries' identifiers, and the split",
        )
    digest.update(_write_rules(folder, rules, queries.candidates, queries.count))
    return Prepared(
        documents=documents.count,
        queries=queries.count,
        queries_left_out=queries.left_out,
        judgements=judged.count,
        identifier_bytes=documents.identifier_bytes,
        revision=digest.hexdigest(),
        description={name: str(text) for name, text in collection.description().items()},
        warnings=tuple(str(text) for text in collection.warnings()),
        rules=rules,
        same_identifiers=len(queries.identifiers & documents.asked),
        reranked=bool(queries.candidates),
        copies=documents.copies,
        passages=documents.passages,
        most_passages=documents.most_passages,
    )


@dataclass(frozen=True)
class _WrittenDocuments:
    """What the documents showed while they were written; `asked` are their identifiers that queries have too."""

    count: int
    identifier_bytes: int
    asked: frozenset[str]
    copies: int
    passages: int
    most_passages: int


@dataclass(frozen=True)
class _WrittenJudgements:
    """How many there are, and for each judged query whether it has a relevant document."""

    count: int
    relevant: dict[str, bool]


@dataclass(frozen=True)
class _WrittenQueries:
    """The queries that count, and those of them that have candidates."""

    identifiers: frozenset[str]
    count: int
    left_out: int
    candidates: list[Query]


def _write_documents(
    folder: Path, collection: Collection, cut: Passages | None, digest: Digest, report: Progress
) -> _WrittenDocuments:
    asked, own = {query.id for query in collection.queries()}, set()
    texts = array("Q")  # eight bytes a document; two texts of millions share a digest once in a hundred thousand runs
    passages = None if cut is None else _PassagesWriter(folder, cut)
    count = identifier_bytes = 0
    with (folder / "documents.jsonl").open("wb") as file:
        for document in collection.documents():
            text = document.full_text
            line = _line({"id": document.id, "text": text})
            file.write(line)
            digest.update(line)
            if text:
                name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                texts.append(int.from_bytes(name, "little"))
            if passages is not None:
                passages.add(document)
            count += 1
            identifier_bytes += len(document.id.encode())
            if document.id in asked:
                own.add(document.id)
            if count % 1000 == 0:
                report(count, None, "documents")
    if passages is not None:
        passages.close()
    return _WrittenDocuments(
        count,
        identifier_bytes,
        frozenset(own),
        copies=len(texts) - len(np.unique(np.frombuffer(texts, np.uint64))),
        passages=0 if passages is None else passages.count,
        most_passages=0 if passages is None else passages.most,
    )


def _write_judgements(folder: Path, collection: Collection, digest: Digest) -> _WrittenJudgements:
    relevant: dict[str, bool] = {}
    count = 0
    with (folder / "qrels.tsv").open("wb") as file:
        for judgement in collection.judgements():
            line = _judged(judgement.query_id, judgement.document_id, judgement.relevance)
            file.write(line)
            digest.update(line)
            count += 1
            relevant[judgement.query_id] = relevant.get(judgement.query_id, False) or judgement.relevance > 0
    return _WrittenJudgements(count, relevant)


def _write_queries(
    folder: Path, collection: Collection, judged: _WrittenJudgements, without_relevant: bool, digest: Digest
) -> _WrittenQueries:
    """Write the queries with a relevant document, and where `without_relevant` those that are judged without one."""
    identifiers: set[str] = set()
    candidates: list[Query] = []
    count = left_out = 0
    with (folder / "queries.jsonl").open("wb") as file:
        for query in collection.queries():
            if not (query.id in judged.relevant if without_relevant else judged.relevant.get(query.id, False)):
                left_out += 1
                continue
            line = _line({"id": query.id, "text": query.text})
            file.write(line)
            digest.update(line)
            count += 1
            identifiers.add(query.id)
            if query.candidates is not None:
                candidates.append(query)
    return _WrittenQueries(frozenset(identifiers), count, left_out, candidates)


class _PassagesWriter:
    """Writes the passages of documents as they come."""

    def __init__(self, folder: Path, cut: Passages) -> None:
        self._file, self._ends, self._cut = (folder / TEXTS).open("wb"), folder / ENDS, cut
        self._lengths, self.count, self.most = array("q"), 0, 0

    def add(self, document: Document) -> None:
        """Write those of one document."""
        texts = list(document.passages(self._cut))
        for number, text in enumerate(texts):
            self._file.write(_line({"id": f"{document.id}#{number}", "text": text}))
        self.count, self.most = self.count + len(texts), max(self.most, len(texts))
        self._lengths.append(self.count)

    def close(self) -> None:
        """Write where those of each document end."""
        self._file.close()
        np.save(self._ends, np.frombuffer(self._lengths, np.int64))


def _write_rules(folder: Path, rules: EvaluationRules, candidates: list[Query], queries: int) -> bytes:
    """Write them, and give back what they add to the collection's digest: nothing where they are the usual ones.

    Raises:
        UserError: Some queries have candidates, and others have none.
    """
    (folder / RULES).write_bytes(_line(asdict(rules)))
    noted = {name: value for name, value in asdict(rules).items() if name != "passages" or value is not None}
    added = b"" if rules == EvaluationRules() else _line(noted)
    if not candidates:
        return added
    if len(candidates) != queries:
        raise UserError(
            f"{len(candidates)} of {queries} queries have candidates", remedy="give every query candidates, or none"
        )
    lines = b"".join(_line({"id": query.id, "documents": list(query.candidates or ())}) for query in candidates)
    (folder / CANDIDATES).write_bytes(lines)
    return added + lines


def prepare_pairs(*, out: str, type: str, params: JsonTable, report: Progress) -> PreparedPairs:
    """Write the pairs of a collection as a `PairTable`.

    Raises:
        UserError: The collection has no training pairs.
    """
    from harness.collections.pair_table import FILE, PairWriter

    collection = _open(type, params)
    with PairWriter(Path(out) / FILE) as writer:
        for pair in collection.pairs():
            writer.add(pair)
            if writer.count % 1000 == 0:
                report(writer.count, None, "pairs")
    if not writer.count:
        raise UserError(f"a collection of type {type!r} has no training pairs", remedy="train on another collection")
    return PreparedPairs(writer.count)


def pair_line(pair: Pair) -> bytes:
    """A line of a file of pairs: query, positive, negatives, and of the other fields those that are there."""
    more: JsonTable = {
        "others": list(pair.others),
        "scores": [list(teacher) for teacher in pair.scores],
        "symmetric": pair.symmetric,
    }
    row: JsonTable = {"query": pair.query, "positive": pair.positive, "negatives": list(pair.negatives)}
    return _line({**row, **{name: value for name, value in more.items() if value}})


def read_texts(file: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of each line of a prepared file."""
    with file.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["id"], row["text"]


def read_some(file: Path, wanted: Container[int]) -> Iterator[tuple[int, str]]:
    """(number of the line, text) of some lines of a prepared file, from 0 on."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            if number in wanted:
                yield number, json.loads(line)["text"]


def read_blocks(file: Path, size: int) -> Iterator[list[str]]:
    """Texts of a prepared file, `size` at a time."""
    texts = (text for _, text in read_texts(file))
    while block := list(islice(texts, size)):
        yield block


def read_rules(folder: Path) -> EvaluationRules:
    """The rules of a prepared collection; the usual ones where none are written."""
    path = folder / RULES
    return from_json(EvaluationRules, json.loads(path.read_bytes())) if path.is_file() else EvaluationRules()


def read_candidates(folder: Path) -> list[tuple[str, ...]] | None:
    """Identifiers of each query's candidates, in the order of the queries; None where all documents are searched."""
    path = folder / CANDIDATES
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        return [tuple(json.loads(line)["documents"]) for line in lines]


def open_pairs(folder: Path) -> PairTable:
    """The pairs that `prepare_pairs` wrote."""
    from harness.collections.pair_table import FILE, PairTable

    return PairTable(folder / FILE)


def read_qrels(file: Path) -> dict[str, dict[str, int]]:
    """Judgements of a prepared file: {query: {document: relevance}}."""
    qrels: dict[str, dict[str, int]] = {}
    with file.open(encoding="utf-8", newline="\n") as lines:  # an identifier may hold any other end of a line
        for line in lines:
            fields = line.removesuffix("\n").split("\t")
            query, document, relevance = fields if len(fields) == 3 else json.loads(line)
            qrels.setdefault(query, {})[document] = int(relevance)
    return qrels


def _open(type: str, params: JsonTable) -> Collection:
    from harness.collections import registry

    source = registry.get(type)
    collection: Collection = source(source.Params.model_validate(params))
    return collection


def _judged(query: str, document: str, relevance: int) -> bytes:
    """A line of the qrels; JSON, which has no tab, where an identifier has a sign that ends a field or a line."""
    if "\t" in f"{query}{document}" or "\n" in f"{query}{document}":
        return f"{json.dumps([query, document, relevance])}\n".encode()
    return f"{query}\t{document}\t{relevance}\n".encode()


def _line(row: JsonTable) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
