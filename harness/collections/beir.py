"""A folder in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``.

Each file may be packed (``.gz``, ``.zst``). The first two may be Parquet, and may be several files.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from harness.collections import CollectionBase, Document, EvaluationRules, Judgement, Query, register
from harness.collections._fields import NO_TEXT, Fields, fields_of
from harness.collections._files import PARQUET, line_file, lines, parquet_rows, row_files
from harness.collections._passages import PassagesParams
from harness.collections.base import Ties, WithoutRelevant
from harness.errors import UserError
from harness.spec.params import Params
from harness.spec.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NO_DOCUMENT, NO_QUERY, REPEATED = "name an unknown document", "name an unknown query", "are there twice"
"""Why judgements are left out."""
KEYS = ("_id", "title", "text")


class BeirParams(Params):
    """Parameters of a BEIR folder."""

    path: str = Field(min_length=1)
    """The folder; ``~`` and ``${VARIABLE}`` are expanded."""
    split: str = Field(default="test", pattern=r"^[A-Za-z0-9_-]+$")
    """Which judgements: the name of a file in ``qrels``, without its ending; letters, digits, `_` and `-`."""
    tolerate: int = Field(default=0, ge=0)
    """Broken lines of the corpus that are skipped and counted; one more is an error."""
    ignore_identical_ids: bool = False
    """A document with the identifier of the query is no result of it, as mteb has it for ArguAna."""
    ties: Ties = "number"
    """Which of two documents with equal scores comes first: the one with the lower "number" in the corpus, or the one
    with the higher "identifier", as trec_eval and mteb order them."""
    without_relevant: WithoutRelevant = "leave-out"
    """Whether a query whose judgements are all 0 is left out ("leave-out") or counts 0 ("zero"), as in mteb."""
    texts: bool = True
    """Whether documents and queries have texts. With false, lines may have `_id` alone, and only encoders that read no
    text can be used."""
    passages: PassagesParams | None = None
    """Passages of documents are searched, and a document scores as its best one: ``{ words = 200, stride = 100 }``."""

    @model_validator(mode="after")
    def _passages_need_texts(self) -> Self:
        if self.passages is not None and not self.texts:
            raise ValueError("passages need texts: leave texts = false out")
        return self


@register("beir")
class Beir(CollectionBase):
    """A folder in BEIR's layout, read line by line."""

    Params: ClassVar[type[Params]] = BeirParams
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: BeirParams) -> None:
        self.params = params
        self._warnings: list[str] = []
        self._ids: set[bytes] = set()
        self._queries: set[str] = set()

    @property
    def folder(self) -> Path:
        """The folder, variables expanded."""
        return expanded(self.params.path, "path")

    def fingerprint(self) -> str:
        """SHA-256 of the files."""
        digest = hashlib.sha256()
        for files in (self._files("corpus"), self._files("queries"), [self._qrels()]):
            for place, path in enumerate(files):
                if place:
                    digest.update(f"\nnext file: {path.name}\n".encode("utf-8", "surrogateescape"))
                with path.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
        return digest.hexdigest()

    def documents(self) -> Iterator[Document]:
        """All documents in the corpus' order."""
        skipped, first, place = 0, 0, self.folder
        ids: set[bytes] = set()  # its own: another reader may need all of them while this one is half way
        for path, number, row in self._rows("corpus", self.params.tolerate):
            if row is None:
                if not skipped:
                    place, first = path, number
                skipped += 1
                continue
            name = _digest(row.id)
            if name in ids:
                raise _twice(row.id, path, number)
            ids.add(name)
            yield Document(row.id, row.title, row.text)
        self._ids = ids
        if not ids:
            raise UserError(
                "the corpus has no documents",
                file=self._files("corpus")[0],
                remedy='one {"_id": ..., "text": ...} a line',
            )
        if skipped:
            self._warn(f"{place}: {skipped} broken lines skipped, the first is line {first}")

    def queries(self) -> Iterator[Query]:
        """All queries in the file's order."""
        ids = set()
        for path, number, row in self._rows("queries", 0):
            assert row is not None  # noqa: S101 - nothing is tolerated here
            if row.id in ids:
                raise _twice(row.id, path, number)
            ids.add(row.id)
            yield Query(row.id, row.text)

    def judgements(self) -> Iterator[Judgement]:
        """Judgements of the split.

        Those that name an unknown document or query are left out and counted; so is one that is there twice.

        Raises:
            UserError: A line is no judgement, a pair is judged twice with different grades, or none is left.
        """
        if not self._ids:
            for _ in self.documents():
                pass
        path = self._qrels()
        known = {query.id for query in self.queries()}
        grades: dict[bytes, tuple[int, int]] = {}
        left_out: dict[str, list[int]] = {what: [] for what in (NO_DOCUMENT, NO_QUERY, REPEATED)}
        for number, line in lines(path):
            if number == 1 and _is_header(line):
                continue
            judgement = _judgement(line)
            if judgement is None:
                raise UserError(
                    f"not a judgement: {line[:100]!r}",
                    file=path,
                    line=number,
                    remedy="query-id, corpus-id and score (a whole number), with tabs between",
                )
            pair = _digest(f"{len(judgement.query_id)} {judgement.query_id} {judgement.document_id}")
            if _digest(judgement.document_id) not in self._ids:
                left_out[NO_DOCUMENT].append(number)
            elif judgement.query_id not in known:
                left_out[NO_QUERY].append(number)
            elif pair not in grades:
                grades[pair] = judgement.relevance, number
                yield judgement
            elif grades[pair][0] == judgement.relevance:
                left_out[REPEATED].append(number)
            else:
                grade, first = grades[pair]
                raise UserError(
                    f"{judgement.query_id!r} and {judgement.document_id!r} are judged twice: {grade} in line {first}, "
                    f"{judgement.relevance} here",
                    file=path,
                    line=number,
                    remedy="remove one of the two",
                )
        for what, numbers in left_out.items():
            if numbers:
                self._warn(f"{path}: {len(numbers)} judgements {what}, the first is line {numbers[0]}")
        if not grades:
            raise UserError(
                "there are no judgements", file=path, remedy="give the file of this split, or another split"
            )

    def rules(self) -> EvaluationRules:
        """As the parameters say."""
        chosen = self.params
        passages = None if chosen.passages is None else chosen.passages.rule()
        return EvaluationRules(chosen.ignore_identical_ids, chosen.ties, chosen.without_relevant, passages)

    def warnings(self) -> list[str]:
        """Broken lines that were skipped, and judgements that were left out."""
        return self._warnings

    def _warn(self, text: str) -> None:
        """Once, however often the files are read."""
        if text not in self._warnings:
            self._warnings.append(text)

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        about = {"source": f"BEIR folder {self.folder.name}", "split": self.params.split}
        return about if self.params.texts else {**about, "texts": "none: documents and queries are identifiers"}

    @classmethod
    def has_texts(cls, params: BeirParams) -> bool:
        """As the parameters say."""
        return params.texts

    def _files(self, stem: str) -> list[Path]:
        return row_files(self._checked_folder(), stem)

    def _qrels(self) -> Path:
        return line_file(self._checked_folder(), f"qrels/{self.params.split}.tsv")

    def _checked_folder(self) -> Path:
        folder = self.folder
        if not folder.is_dir():
            raise UserError(
                "there is no such folder", file=folder, key="path", remedy="give the folder that holds corpus.jsonl"
            )
        return folder

    def _rows(self, stem: str, tolerate: int) -> Iterator[tuple[Path, int, Fields | None]]:
        """File, number and content of each line; None for a broken one that is tolerated."""
        broken, needed = 0, self.params.texts
        for path in self._files(stem):
            rows: Iterator[tuple[int, Fields | str]]
            if path.suffix == PARQUET:
                rows = ((number, fields_of(row, needed)) for number, row in parquet_rows(path, KEYS))
            else:
                rows = ((number, _row(line, needed)) for number, line in lines(path, errors="surrogateescape"))
            for number, row in rows:
                if not isinstance(row, str):
                    yield path, number, row
                    continue
                broken += 1
                if broken > tolerate:
                    remedy = "correct the line, or set tolerate to skip some"
                    if row == NO_TEXT:
                        remedy += ", or set texts = false for vectors that were made elsewhere"
                    raise UserError(row, file=path, line=number, remedy=remedy)
                yield path, number, None


def _row(line: str, texts_needed: bool) -> Fields | str:
    """What a line holds, or what is wrong with it."""
    try:
        line.encode()
        row: object = json.loads(line)
    except UnicodeEncodeError as error:  # bytes that are no UTF-8 were read as lone surrogates
        return f"not UTF-8 (byte {len(line[: error.start].encode())} of the line)"
    except RecursionError:
        return "not JSON: nested too deeply"
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(row, dict):
        return f"not a JSON object: {line[:80]!r}"
    return fields_of(row, texts_needed)


def _is_header(line: str) -> bool:
    """Whether the first line names columns: its last word begins with a letter."""
    return _fields(line)[-1].strip()[:1].isalpha()


def _judgement(line: str) -> Judgement | None:
    """A line of three fields, or of TREC's four (query, iteration, document, relevance); None where it is none.

    A grade is a whole number of 32 bits, as trec_eval reads it; one that is written as a decimal must be whole.
    """
    fields = _fields(line)
    if len(fields) == 4:
        fields = [fields[0], fields[2], fields[3]]
    if len(fields) != 3 or not fields[0] or not fields[1]:
        return None
    grade = re.fullmatch(r"([+-]?[0-9]{1,10})(\.0+)?", fields[2].strip())
    if grade is None or not -(2**31) <= int(grade[1]) < 2**31:
        return None
    return Judgement(fields[0], fields[1], int(grade[1]))


def _fields(line: str) -> list[str]:
    """Between tabs where there are some, else between spaces: an identifier may hold any other white space."""
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))


def _twice(name: str, path: Path, line: int) -> UserError:
    what = f"the identifier {name[:100]!r} appears twice"
    return UserError(what, file=path, line=line, remedy="remove one of the two")


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
