"""Training pairs of a data set on the Hugging Face Hub, by its name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatch
from glob import escape
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from harness.collections import HubData, Pair, PairsOnly, register
from harness.collections._files import PARQUET, ROWS, lines, parquet_columns, parquet_rows
from harness.collections._hub_data import listed, snapshot
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PREFIXES = ("query: ", "passage: ")
"""Of texts that bring their prefixes."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Layout:
    """Where a data set has its pairs.

    Attributes:
        revision: The commit that was looked at; None where there is none to fall back on.
        splits: Its parts, in the order in which they are read.
        query: Column of the query.
        positive: Column of the passages that answer it.
        negatives: Column of hard negatives; None where there are none.
        prefixed: Whether each text begins with a prefix of its own.
        symmetric: Splits whose passages are of the queries' kind.
        files: Pattern of a split's files.
    """

    revision: str | None = None
    splits: tuple[str, ...] = ("train",)
    query: str = "query"
    positive: str = "positive"
    negatives: str | None = None
    prefixed: bool = False
    symmetric: tuple[str, ...] = ()
    files: str = "data/{split}-*"


TEVATRON = Layout(positive="positive_passages", negatives="negative_passages")
"""Tevatron's data sets, whose passages are lists of {docid, title, text}."""
LAYOUTS = {
    "utahnlp/nomic-embed-pretrain-lite": replace(
        TEVATRON, revision="dfea387946f33796beee9b71caef61e091cfa2bf", prefixed=True
    ),
    "nomic-ai/nomic-embed-unsupervised-data": Layout(
        "dc9becf5b832f22f00007f14581bd73e2e6cf3aa",
        (
            "wikipedia", "gooaq", "agnews", "ccnews", "npr", "eli5", "cnn", "squad", "quora", "simplewiki",
            "stackexchange_duplicate_questions",
        ),
        positive="document",
        symmetric=("quora", "simplewiki", "stackexchange_duplicate_questions"),
    ),
    "rlhn/rlhn-680K": replace(TEVATRON, revision="d5323fad7aea636e633be28722ad15aafa6cbd54"),
}  # fmt: skip
"""Data sets that need no mapping. Of nomic's, the splits, and those with equal sides, are those that LACONIC's authors
made nomic-embed-pretrain-lite of (`src/preprocess/process_pretrain.py` of their repository)."""


class HubPairsParams(Params):
    """A data set and the columns of its pairs; what is left out comes from its ready mapping, or is the default."""

    dataset: str
    """OWNER/NAME. utahnlp/nomic-embed-pretrain-lite, nomic-ai/nomic-embed-unsupervised-data and rlhn/rlhn-680K need
    nothing else."""
    revision: str | None = None
    """Its commit, 40 hex digits. A data set with a ready mapping has one; every other needs it."""
    splits: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Splits that are read, in this order; `train` by default."""
    files: str | None = None
    """Pattern of the files of a split, Parquet or JSON lines (also .gz, .zst); `data/{split}-*` by default."""
    query: str | None = None
    """Column of the query; `query` by default."""
    positive: str | None = None
    """Column of the passage that answers it: a text, {title, text}, or a list of such, of which a training draws one in
    each pass; `positive` by default."""
    negatives: str | None = None
    """Column of the hard negatives, of the same form."""
    prefixed: bool | None = None
    """Whether each text begins with `query: ` or `passage: `. They are taken away, so that no text gets a prefix twice;
    a passage with `query: ` is of the queries' kind."""
    symmetric: tuple[str, ...] | None = None
    """Splits whose passages are of the queries' kind and get the prefix of queries while training."""
    keep: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Take only rows that have one of these values in a column: `{ subset = ["fiqa"] }`."""
    limit: int | None = Field(default=None, ge=1)
    """Pairs that are taken at most: the first ones. Files are downloaded one after the other until there are enough."""

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if COMMIT.fullmatch(self.commit or "") is None:
            raise ValueError(
                f"the data set {self.dataset!r} may change: give its commit as revision (40 hex digits; the page "
                f"https://huggingface.co/datasets/{self.dataset}/commits/main lists them)"
            )
        return self

    @property
    def commit(self) -> str | None:
        """The commit in use."""
        return self.revision or self.layout.revision

    @property
    def layout(self) -> Layout:
        """With what the spec says in place of the ready mapping's."""
        ready = LAYOUTS.get(self.dataset, Layout())
        given = {part.name: getattr(self, part.name) for part in fields(Layout)}
        return replace(ready, **{name: value for name, value in given.items() if value is not None})


@register("hub-pairs")
class HubPairs(PairsOnly):
    """Pairs of one data set. Files stay in the Hub's cache and are read row by row."""

    Params: ClassVar[type[Params]] = HubPairsParams
    libraries: ClassVar[tuple[str, ...]] = ("huggingface-hub", "pyarrow")

    def __init__(self, params: HubPairsParams) -> None:
        self.params, self.layout = params, params.layout

    def fingerprint(self) -> str:
        """Name and commit."""
        return f"{self.params.dataset}@{self.params.commit}"

    def pairs(self) -> Iterator[Pair]:
        """One for each row that has a query and a passage, split by split and file by file.

        Raises:
            UnavailableError: The data cannot be had.
            UserError: It has no such files or columns, or a value is no text.
        """
        return islice(self._pairs(), self.params.limit)

    def _pairs(self) -> Iterator[Pair]:
        for split, path in self._paths():
            for number, row in self._rows(path):
                pair = self._pair(row, path, number, split in self.layout.symmetric)
                if pair is not None:
                    yield pair

    def description(self) -> Mapping[str, str]:
        """Facts for the report."""
        return {"source": f"training pairs of {self.params.dataset} ({', '.join(self.layout.splits)})"}

    def hub_data(self) -> list[HubData]:
        """The files of its splits."""
        files = tuple(self._patterns().values())
        return [HubData(self.params.dataset, self.params.commit, files, upper=self.params.limit is not None)]

    def _patterns(self) -> dict[str, str]:
        """The pattern of each split's files."""
        return {split: self.layout.files.replace("{split}", split) for split in self.layout.splits}

    def _paths(self) -> Iterator[tuple[str, Path]]:
        """Each split with one of its files after the other. With a limit, a file is downloaded when it is asked for."""
        patterns, whole = self._patterns(), self.params.limit is None
        given = self.params.dataset, str(self.params.commit)
        folder = snapshot(*given, list(patterns.values()), "dataset") if whole else None
        if folder is None:
            names = listed(*given, "dataset")
        else:
            names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        chosen = {split: self._matching(names, pattern) for split, pattern in patterns.items()}
        for split, own in chosen.items():
            for name in own:
                yield split, (folder or snapshot(*given, [escape(name)], "dataset")) / name

    def _matching(self, names: Sequence[str], pattern: str) -> list[str]:
        chosen = [name for name in names if fnmatch(name, pattern) and name.endswith(ROWS)]
        if not chosen:
            page = f"https://huggingface.co/datasets/{self.params.dataset}/tree/{self.params.commit}"
            raise UserError(
                f"the data set {self.params.dataset!r} has no file {pattern!r} that ends in {', '.join(ROWS)}",
                key="files",
                remedy=f"see {page}, and give the pattern of its files, with {{split}} where the split's name stands",
            )
        return chosen

    def _rows(self, path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
        columns = (self.layout.query, self.layout.positive, self.layout.negatives, *self.params.keep)
        if path.name.endswith(PARQUET):
            yield from parquet_rows(path, tuple(name for name in columns if name is not None))
            return
        for number, line in lines(path):
            try:
                row: object = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise self._wrong(path, number, "it is no JSON object")
            yield number, row

    def _pair(self, row: Mapping[str, object], path: Path, number: int, symmetric: bool) -> Pair | None:
        """The pair of a row; None where it is left out.

        Raises:
            UserError: A column is missing, or a value has no text.
        """
        layout = self.layout
        for column, allowed in self.params.keep.items():
            if column not in row:
                raise self._lacks(column, row, path, number, "keep")
            if row[column] not in allowed:
                return None
        sides: dict[str, tuple[str, ...]] = {"negatives": ()}
        for side, name in (("query", layout.query), ("positive", layout.positive), ("negatives", layout.negatives)):
            if name is None:
                continue
            if name not in row:
                raise self._lacks(name, row, path, number, side)
            try:
                sides[side] = tuple(_texts(row[name]))
            except TypeError:
                raise self._wrong(
                    path, number, f"{name!r} is neither text, nor {{title, text}}, nor a list", side
                ) from None
        if layout.prefixed:
            symmetric = any(text.startswith(PREFIXES[0]) for text in sides["positive"])
            try:
                sides = {side: tuple(map(_bare, texts)) for side, texts in sides.items()}
            except ValueError as error:
                raise self._wrong(path, number, str(error), "prefixed") from None
        queries, positives = (tuple(filter(None, sides[side])) for side in ("query", "positive"))
        if not queries or not positives:
            return None
        return Pair(queries[0], positives[0], tuple(filter(None, sides["negatives"])), positives[1:], (), symmetric)

    def _lacks(self, column: str, row: Mapping[str, object], path: Path, number: int, key: str) -> UserError:
        columns = parquet_columns(path) if path.name.endswith(PARQUET) else row  # a row has only those that are read
        return self._wrong(path, number, f"it has no column {column!r}, but {', '.join(sorted(columns))}", key)

    def _wrong(self, path: Path, number: int, what: str, key: str = "files") -> UserError:
        return UserError(
            f"row {number} of {path.name} is no pair: {what}",
            key=key,
            remedy="name the columns (query, positive, negatives) as the data set's page has them",
        )


def _texts(value: object) -> Iterator[str]:
    """The texts of a value.

    Raises:
        TypeError: It has none.
    """
    if value is None:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        yield f"{value.get('title') or ''} {value['text']}".strip()
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    else:
        raise TypeError


def _bare(text: str) -> str:
    """A text without its prefix.

    Raises:
        ValueError: It has none.
    """
    for prefix in PREFIXES:
        if f"{text} ".startswith(prefix):  # of an empty text, the prefix alone may be left
            return text[len(prefix) :]
    raise ValueError(f"a text begins with neither of {', '.join(map(repr, PREFIXES))}: {text[:40]!r}")
