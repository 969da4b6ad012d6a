"""Training pairs of several sources as one: files of pairs, and collections that have some."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from harness.collections import CollectionBase, Document, Judgement, Pair, Query, register
from harness.collections._nested import opened
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator

BARRED = ("mixture",)
"""Sources do not nest."""


class Source(Params):
    """One source: either a file or a collection's own pairs."""

    file: str | None = None
    """JSON lines with `query`, `positive` and perhaps `negatives`; ``~`` and ``$VARIABLE`` are expanded."""
    collection: dict[str, Any] | None = None
    """A collection as it would stand in a spec, with its `type`."""
    skip: int = Field(default=0, ge=0)
    """Leave out so many pairs of the shuffled source: what settings are chosen on is kept out of training."""
    limit: int | None = Field(default=None, ge=1)
    """Take at most so many after those; all where it is left out."""
    sentence: bool = False
    """Ask with a sentence drawn from the passage, which loses it and gets the query, a title, as its beginning (inverse
    cloze task, arXiv 1906.00300). Passages of fewer than three sentences are left out."""

    @field_validator("file")
    @classmethod
    def _expanded(cls, value: str | None) -> str | None:
        # At once: the process that reads the file has not the variables of this one.
        return None if value is None else os.path.expandvars(str(Path(value).expanduser()))


class MixtureParams(Params):
    """Sources of training pairs."""

    sources: list[Source] = Field(min_length=1)
    """Where the pairs come from, in this order."""
    seed: int = 1
    """Of the order within each source."""


@register("mixture")
class Mixture(CollectionBase):
    """Pairs only: nothing in it is searched."""

    Params: ClassVar[type[Params]] = MixtureParams
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: MixtureParams) -> None:
        self.params = params
        for number, source in enumerate(params.sources):
            if (source.file is None) == (source.collection is None):
                raise UserError(
                    "a source is a file or a collection", key=f"sources.{number}", remedy="give exactly one of the two"
                )

    @classmethod
    def modules(cls, params: MixtureParams) -> tuple[str, ...]:
        """This module and those of the sources."""
        return (cls.__module__, *(name for source in _collections(params) for name in source.modules(source.params)))

    @classmethod
    def libraries_with(cls, params: MixtureParams) -> tuple[str, ...]:
        """Those of the sources."""
        sources = _collections(params)
        return tuple(sorted({name for source in sources for name in source.libraries_with(source.params)}))

    def fingerprint(self) -> str:
        """SHA-256 of the files, and what the collections say of themselves."""
        digest = hashlib.sha256()
        for source in self.params.sources:
            if source.file is not None:
                with _path(source.file).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            else:
                digest.update(opened(source.collection or {}, BARRED).fingerprint().encode())
        return digest.hexdigest()

    def documents(self) -> Iterator[Document]:
        """None."""
        yield from ()

    def queries(self) -> Iterator[Query]:
        """None."""
        yield from ()

    def judgements(self) -> Iterator[Judgement]:
        """None."""
        yield from ()

    def pairs(self) -> Iterator[Pair]:
        """Each source's pairs, shuffled within the source and cut as it says."""
        for source in self.params.sources:
            found = list(_read(_path(source.file)) if source.file else opened(source.collection or {}, BARRED).pairs())
            random.Random(self.params.seed).shuffle(found)  # noqa: S311 - an order, not a secret
            taken = found[source.skip :][: source.limit]
            yield from _cloze(taken, self.params.seed) if source.sentence else taken

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        names = [
            Path(s.file).parent.name if s.file else str((s.collection or {}).get("type")) for s in self.params.sources
        ]
        return {"source": f"training pairs of {', '.join(names)}"}


def _collections(params: MixtureParams) -> list[Any]:
    """The sources that are collections, opened."""
    return [opened(source.collection, BARRED) for source in params.sources if source.collection is not None]


def _cloze(pairs: list[Pair], seed: int) -> Iterator[Pair]:
    """A sentence of each passage as the query of the rest; those of 8 to 40 words are asked with."""
    drawn = random.Random(f"sentence {seed}")  # noqa: S311 - a sample, not a secret
    for pair in pairs:
        sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", pair.positive)
        fit = [place for place, text in enumerate(sentences) if 8 <= len(text.split()) <= 40]
        if len(sentences) >= 3 and fit:
            asked = sentences.pop(drawn.choice(fit))
            yield Pair(asked, " ".join([pair.query, *sentences]), pair.negatives)


def _path(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UserError(
            "there is no such file of pairs",
            file=path,
            key="file",
            remedy="give a file of JSON lines with query and positive; set the variables that the path names",
        )
    return path


def _read(path: Path) -> Iterator[Pair]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                query, positive, negatives = row["query"], row["positive"], tuple(row.get("negatives") or ())
                if not all(isinstance(text, str) for text in (query, positive, *negatives)):
                    raise TypeError
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    "not a pair", file=path, line=number, remedy='write {"query": TEXT, "positive": TEXT} on each line'
                ) from None
            yield Pair(query, positive, negatives)
