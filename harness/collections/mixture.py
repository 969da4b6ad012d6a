"""Training pairs of several sources as one: files of pairs, and collections that have some."""

from __future__ import annotations

import codecs
import hashlib
import json
import random
import re
from array import array
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, JsonValue

from harness.collections import HubData, Pair, PairsOnly, register
from harness.collections._nested import named, opened
from harness.collections.pair_table import FILE, PairTable, PairWriter
from harness.errors import UserError
from harness.spec.params import Params
from harness.spec.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.collections.base import Collection

BARRED = ("mixture",)
"""Sources do not nest."""


class Source(Params):
    """One source: either a file or a collection's own pairs."""

    file: str | None = None
    """JSON lines with `query`, `positive` and perhaps `negatives`, `others` (more positives), `scores` (a list for each
    teacher) and `symmetric`; ``~`` and ``${VARIABLE}`` are expanded."""
    collection: dict[str, JsonValue] | None = None
    """A collection as it would stand in a spec, with its `type`."""
    skip: int = Field(default=0, ge=0)
    """Pairs of the shuffled source that are left out: what settings are chosen on is kept out of training."""
    limit: int | None = Field(default=None, ge=1)
    """Most pairs that are taken after those; all where it is left out."""
    sentence: bool = False
    """Ask with a sentence drawn from the passage, which loses it and gets the query, a title, as its beginning (inverse
    cloze task, arXiv 1906.00300). Passages of fewer than three sentences are left out."""
    symmetric: bool = False
    """Its passages are of the queries' kind (two questions that mean the same) and get the prefix of queries while
    training, as LACONIC's authors give it to quora, simplewiki and stackexchange."""


class MixtureParams(Params):
    """Sources of training pairs."""

    sources: list[Source] = Field(min_length=1)
    """Where the pairs come from, in this order."""
    seed: int = 1
    """Of the order within each source."""


@register("mixture")
class Mixture(PairsOnly):
    """Pairs of several sources."""

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
        return (cls.__module__, *(name for kind, inner in _named(params) for name in kind.modules(inner)))

    @classmethod
    def libraries_with(cls, params: MixtureParams) -> tuple[str, ...]:
        """Those of the sources."""
        return tuple(sorted({name for kind, inner in _named(params) for name in kind.libraries_with(inner)}))

    def hub_data(self) -> list[HubData]:
        """Those of the sources."""
        tables = [source.collection for source in self.params.sources if source.collection is not None]
        return [data for table in tables for data in opened(table, BARRED).hub_data()]

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

    def pairs(self) -> Iterator[Pair]:
        """Each source's pairs, shuffled within the source and cut as it says.

        A source lies in a file of TMPDIR while it is shuffled by the numbers of its pairs.
        """
        for source in self.params.sources:
            pairs = _read(_path(source.file)) if source.file else opened(source.collection or {}, BARRED).pairs()
            with _table(pairs) as table:
                order = array("I", range(len(table)))
                random.Random(self.params.seed).shuffle(order)  # noqa: S311 - an order, not a secret
                taken = (table[place] for place in order[source.skip :][: source.limit])
                for pair in _cloze(taken, self.params.seed) if source.sentence else taken:
                    yield pair._replace(symmetric=True) if source.symmetric else pair

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        names = [
            expanded(source.file, "file").parent.name if source.file else str((source.collection or {}).get("type"))
            for source in self.params.sources
        ]
        return {"source": f"training pairs of {', '.join(names)}"}


def _named(params: MixtureParams) -> list[tuple[type[Collection], Params]]:
    """Types and parameters of the sources that are collections."""
    return [named(source.collection, BARRED) for source in params.sources if source.collection is not None]


@contextmanager
def _table(pairs: Iterable[Pair]) -> Iterator[PairTable]:
    """Pairs in a file that is gone afterwards."""
    with TemporaryDirectory(prefix="laconic-pairs-") as folder:
        with PairWriter(Path(folder) / FILE) as writer:
            for pair in pairs:
                writer.add(pair)
        yield PairTable(Path(folder) / FILE)


def _cloze(pairs: Iterable[Pair], seed: int) -> Iterator[Pair]:
    """A sentence of each passage as the query of the rest; those of 8 to 40 words are asked with."""
    drawn = random.Random(f"sentence {seed}")  # noqa: S311 - a sample, not a secret
    for pair in pairs:
        sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", pair.positive)
        fit = [place for place, text in enumerate(sentences) if 8 <= len(text.split()) <= 40]
        if len(sentences) >= 3 and fit:
            asked = sentences.pop(drawn.choice(fit))
            yield Pair(asked, " ".join([pair.query, *sentences]), pair.negatives, symmetric=pair.symmetric)


def _path(name: str) -> Path:
    path = expanded(name, "file")
    if not path.is_file():
        raise UserError(
            "there is no such file of pairs",
            file=path,
            key="file",
            remedy="give a file of JSON lines with query and positive",
        )
    return path


def _read(path: Path) -> Iterator[Pair]:
    """The pairs of a file; only a line feed ends a line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            pair = _pair(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
            if pair is None:
                raise UserError(
                    "not a pair",
                    file=path,
                    line=number,
                    remedy='write {"query": TEXT, "positive": TEXT} on each line',
                )
            yield pair


def _pair(line: bytes) -> Pair | None:
    """The pair of a line; None where it is none, or holds bytes or characters that are no UTF-8."""
    try:
        row: object = json.loads(line.decode())
        if not isinstance(row, dict):
            return None
        query, positive, symmetric = row["query"], row["positive"], row.get("symmetric", False)
        negatives, others, scores = (row.get(name) or [] for name in ("negatives", "others", "scores"))
        if not all(isinstance(given, list) for given in (negatives, others, scores)):
            return None
        texts = (query, positive, *negatives, *others)
        if not all(isinstance(text, str) for text in texts) or not isinstance(symmetric, bool):
            return None
        "".join(texts).encode()  # half a pair of surrogates has no bytes
        taught = tuple(tuple(float(score) for score in teacher) for teacher in scores)
        if not all(len(teacher) == len(texts) - 1 and all(map(isfinite, teacher)) for teacher in taught):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Pair(query, positive, tuple(negatives), tuple(others), taught, symmetric)
