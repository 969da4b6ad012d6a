"""A folder in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``, each also with ``.gz``."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.collections import CollectionBase, Document, Judgement, Query, register
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator


class BeirParams(Params):
    """Parameters of a BEIR folder."""

    path: str = Field(min_length=1)
    """The folder; ``~`` and ``${VARIABLE}`` are expanded."""
    split: str = Field(default="test", pattern=r"^[A-Za-z0-9_-]+$")
    """Which judgements: the name of a file in ``qrels``."""
    tolerate: int = Field(default=0, ge=0)
    """Broken lines of the corpus that are skipped and counted; one more is an error."""


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

        def value(found: re.Match[str]) -> str:
            try:
                return os.environ[found[1]]
            except KeyError:
                raise UserError(
                    f"the environment variable {found[1]} is not set", key="path", remedy=f"export {found[1]}=FOLDER"
                ) from None

        return Path(re.sub(r"\$\{(\w+)\}", value, self.params.path)).expanduser()

    def fingerprint(self) -> str:
        """SHA-256 of the three files."""
        digest = hashlib.sha256()
        for name in ("corpus.jsonl", "queries.jsonl", f"qrels/{self.params.split}.tsv"):
            with self._file(name).open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()

    def documents(self) -> Iterator[Document]:
        """All documents in the corpus' order."""
        path, skipped, first = self._file("corpus.jsonl"), 0, 0
        ids: set[bytes] = set()  # its own: another reader may need all of them while this one is half way
        for number, row in self._rows(path, self.params.tolerate):
            if row is None:
                skipped, first = skipped + 1, first or number
                continue
            name = _digest(row["_id"])
            if name in ids:
                raise UserError(
                    f"the identifier {row['_id'][:100]!r} is there twice",
                    file=path,
                    line=number,
                    remedy="remove one of the two",
                )
            ids.add(name)
            yield Document(row["_id"], row.get("title") or "", row["text"])
        self._ids = ids
        if not ids:
            raise UserError("the corpus has no documents", file=path, remedy='one {"_id": ..., "text": ...} a line')
        if skipped:
            self._warnings.append(f"{path}: {skipped} broken lines skipped, the first is line {first}")

    def queries(self) -> Iterator[Query]:
        """All queries in the file's order."""
        path, seen = self._file("queries.jsonl"), set()
        for number, row in self._rows(path, 0):
            assert row is not None  # noqa: S101 - nothing is tolerated here
            if row["_id"] in seen:
                raise UserError(
                    f"the identifier {row['_id'][:100]!r} is there twice",
                    file=path,
                    line=number,
                    remedy="remove one of the two",
                )
            seen.add(row["_id"])
            yield Query(row["_id"], row["text"])

    def judgements(self) -> Iterator[Judgement]:
        """Judgements of the split, those that name an unknown document or query left out and counted."""
        if not self._ids:
            for _ in self.documents():
                pass
        path, count = self._file(f"qrels/{self.params.split}.tsv"), 0
        known = {query.id for query in self.queries()}
        unknown: dict[str, list[int]] = {"document": [], "query": []}
        for number, line in _lines(path):
            fields = line.split("\t") if "\t" in line else line.split()
            if number == 1 and not fields[-1].lstrip("-").isdigit():
                continue  # the header
            if len(fields) == 4:  # TREC: query, iteration, document, relevance
                fields = [fields[0], fields[2], fields[3]]
            if len(fields) != 3 or not fields[2].lstrip("-").isdigit():
                raise UserError(
                    f"not a judgement: {line[:100]!r}",
                    file=path,
                    line=number,
                    remedy="query-id, corpus-id and score, with tabs between",
                )
            if _digest(fields[1]) not in self._ids:
                unknown["document"].append(number)
            elif fields[0] not in known:
                unknown["query"].append(number)
            else:
                count += 1
                yield Judgement(fields[0], fields[1], int(fields[2]))
        for what, lines in unknown.items():
            if lines:
                self._warnings.append(
                    f"{path}: {len(lines)} judgements name an unknown {what}, the first is line {lines[0]}"
                )
        if not count:
            raise UserError("there are no judgements", file=path, remedy="give the split's own file, or another split")

    def warnings(self) -> list[str]:
        """Broken lines that were skipped, and judgements that were left out."""
        return self._warnings

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        return {"source": f"BEIR folder {self.folder.name}", "split": self.params.split}

    def _file(self, name: str) -> Path:
        folder = self.folder
        if not folder.is_dir():
            raise UserError(
                "there is no such folder", file=folder, key="path", remedy="give the folder that holds corpus.jsonl"
            )
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
        raise UserError(
            "the file is missing",
            file=folder / name,
            remedy="BEIR's layout has corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv",
        )

    def _rows(self, path: Path, tolerate: int) -> Iterator[tuple[int, dict[str, Any] | None]]:
        broken = 0
        for number, line in _lines(path, errors="surrogateescape"):
            try:
                line.encode()
                row = json.loads(line)
                row["_id"] = str(row["_id"])
                if not isinstance(row["text"], str) or not row["_id"]:
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                broken += 1
                if broken > tolerate:
                    raise UserError(
                        _fault(error), file=path, line=number, remedy="mend the line, or set tolerate to skip some"
                    ) from None
                yield number, None
                continue
            yield number, row


def _fault(error: Exception) -> str:
    """What is wrong with a line."""
    if isinstance(error, UnicodeEncodeError):  # bytes that are no UTF-8 were read as lone surrogates
        return f"not UTF-8 (byte {len(error.object[: error.start].encode())} of the line)"
    if isinstance(error, RecursionError):
        return "not JSON: nested too deeply"
    return f"not JSON: {error}" if isinstance(error, ValueError) else "the key '_id' or 'text' is missing or no text"


def _lines(path: Path, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank."""
    number = 0
    opened: IO[bytes]
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as opened:  # type: ignore[assignment]
            for number, raw in enumerate(opened, start=1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors).strip("\r\n")
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise UserError(
            f"not UTF-8 (byte {error.start} of the line)", file=path, line=number, remedy="save the file as UTF-8"
        ) from None
    except (OSError, EOFError) as error:
        raise UserError(f"cannot be read: {error}", file=path, remedy="check the file") from None


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
