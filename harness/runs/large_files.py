"""Quick readers of a run folder's large files: a run of many systems holds millions of lines and samples."""

from __future__ import annotations

import gzip
import json
import mmap
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from pydantic_core import from_json

from harness.errors import UserError
from harness.stats.samples import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.lib.npyio import NpzFile
    from numpy.typing import NDArray

    from harness.runs.facts import ConditionRow, SystemFacts

Cell = tuple[str, str]
"""(collection, system)."""
Seconds = dict[str, "NDArray[np.float64]"]
Counts = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Ascending numbers of terms, and how many vectors have each."""
SIDES = ("encode", "search")


def conditions(path: Path) -> list[ConditionRow]:
    """The conditions of every watched process; none where the file is missing.

    Raises:
        UserError: A line is not JSON; file and line are named.
    """
    rows: list[ConditionRow] = _lines(path, ("collection", "system", "kind"))
    return rows


def training(path: Path) -> dict[str, list[dict[str, float]]]:
    """The learning curve of every encoder, a row a step; empty where the file is missing.

    Raises:
        UserError: A line is not JSON; file and line are named.
    """
    curves: dict[str, list[dict[str, float]]] = {}
    for row in _lines(path, ("encoder",)):
        curves.setdefault(str(row["encoder"]), []).append({name: row[name] for name in row if name != "encoder"})
    return curves


def _lines(path: Path, keys: Sequence[str]) -> Any:
    """The objects of a file of JSON lines, all of which have these keys; empty where the file is missing.

    Raises:
        UserError: A line is not JSON, or not an object with these keys; file and line are named.
    """
    if not path.is_file():
        return []
    rows = path.read_text(encoding="utf-8", errors="replace").split("\n")
    try:  # all at once, which is twice as fast; one by one only to name the line at fault
        objects = json.loads(f"[{','.join(row for row in rows if row)}]")
        whole = all(isinstance(row, dict) and all(key in row for key in keys) for row in objects)
    except (ValueError, RecursionError):
        whole = False
    return objects if whole else [_line(row, keys, path, number) for number, row in enumerate(rows, start=1) if row]


def _line(text: str, keys: Sequence[str], path: Path, number: int) -> dict[str, object]:
    """One line; a line that is at fault is named."""
    remedy = "run the experiment again"
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON: {error}", file=path, line=number, remedy=remedy) from None
    lacking = [key for key in keys if not isinstance(row, dict) or key not in row]
    if lacking:
        raise UserError(f"the line has no {lacking[0]!r}", file=path, line=number, remedy=remedy)
    return dict(row)


def quality(path: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    """{query: value} by (collection, system, metric); empty where the file is missing.

    Raises:
        UserError: A line is not JSON; file and line are named.
    """
    if not path.is_file():
        return {}
    try:  # all at once; one by one only where it is damaged
        rows = from_json(b"[%b]" % path.read_bytes().strip().replace(b"}\n{", b"},{"))
        return _by_metric(rows)
    except (ValueError, KeyError, TypeError):
        return _by_metric(_lines(path, ("collection", "system", "metric", "query", "value")))


def _by_metric(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[str, float]]:
    values: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        values.setdefault((row["collection"], row["system"], row["metric"]), {})[row["query"]] = row["value"]
    return values


def _head(system: SystemFacts) -> bytes:
    """How every line of a system begins."""
    named = {"collection": system["collection"], "system": system["name"]}
    return json.dumps(named, ensure_ascii=False)[:-1].encode(errors="surrogatepass") + b', "query": '


def _starts(data: mmap.mmap, systems: Sequence[SystemFacts]) -> list[tuple[SystemFacts, int]]:
    """Where the lines of each system begin, in the order of the file; systems without lines are left out.

    Lines mostly stand in the order of the systems: the search for a system begins behind the system before it.
    """
    starts, at = [], 0
    for system in (system for system in systems if system["status"] == "ok"):
        head = _head(system)
        place = data.find(head, at)
        place = data.find(head) if place < 0 else place
        if place >= 0:
            starts.append((system, place))
            at = place + 1
    return sorted(starts, key=lambda start: start[1])


class Explained(Mapping[str, str]):
    """Lines of ``explain.jsonl`` of one system by the query as JSON has it; they are read at the first access.

    A report shows a few of them, and reading and parsing all would take its time.
    """

    def __init__(self, data: mmap.mmap, start: int, end: int, head: bytes) -> None:
        self._data, self._start, self._end, self._head = data, start, end, head.decode(errors="replace")
        self._lines: dict[str, str] | None = None

    def _by_query(self) -> dict[str, str]:
        if self._lines is None:
            text = self._data[self._start : self._end].decode(errors="replace")
            own, cut = [line for line in text.split("\n") if line.startswith(self._head)], len(self._head)
            self._lines = {line[cut:end]: line for line in own if (end := line.find(', "text": ', cut)) > 0}
        return self._lines

    def __getitem__(self, query: str) -> str:
        return self._by_query()[query]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_query())

    def __len__(self) -> int:
        return len(self._by_query())


def explained(path: Path, systems: Sequence[SystemFacts]) -> dict[Cell, Mapping[str, str]]:
    """Lines by system, then by query; empty where the file is missing."""
    if not path.is_file() or not path.stat().st_size:
        return {}
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    starts = _starts(data, systems)
    if not starts:
        return {}
    ends = [start for _, start in starts[1:]] + [len(data)]
    return {
        (system["collection"], system["name"]): Explained(data, start, end, _head(system))
        for (system, start), end in zip(starts, ends, strict=True)
    }


def trec_run(path: Path) -> str:
    """The lines of a TREC run.

    Raises:
        UserError: The file is damaged.
        FileNotFoundError: There is none.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="surrogatepass") as lines:
            return lines.read()
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeError) as error:
        raise UserError(f"the TREC run cannot be read: {error}", file=path, remedy="run the experiment again") from None


def active(path: Path, systems: Sequence[SystemFacts]) -> dict[Cell, dict[str, Counts]]:
    """Numbers of active terms of "document" and "query" vectors, and how many have each; empty without the file."""
    by_cell: dict[Cell, dict[str, Counts]] = {}
    if not path.is_file():
        return {}
    with _samples(path) as counts:
        names = set(counts.files)
        for number, system in enumerate(systems):
            sides = {
                side: (counts[f"{number}/{side}_terms"], counts[f"{number}/{side}_vectors"])
                for side in ("document", "query")
                if f"{number}/{side}_terms" in names
            }
            if sides:
                by_cell[system["collection"], system["name"]] = sides
    return by_cell


def latency(path: Path, systems: Sequence[SystemFacts]) -> dict[Cell, Seconds]:
    """Seconds by system and side, see `RunData.latency`; empty where the file is missing.

    Raises:
        UserError: The samples cannot be read.
    """
    by_cell: dict[Cell, Seconds] = {}
    if not path.is_file():
        return {}
    with _samples(path) as samples:
        names = set(samples.files)
        for number, system in enumerate(systems):
            if f"{number}/query" not in names:
                continue
            process, query = samples[f"{number}/process"], samples[f"{number}/query"]
            sides = tables(process, query, *(samples[f"{number}/{side}"] for side in SIDES))
            times = dict(zip((*SIDES, "total"), (*sides, sides[0] + sides[1]), strict=True))
            used = [samples[name][:, None, :] for side in SIDES if (name := f"{number}/{side}_cpu") in names]
            if len(used) == len(SIDES) and min(float(seconds.min()) for seconds in used) > 0:
                both = (*used, used[0] + used[1])
                times |= {f"{side}_cpu": seconds for side, seconds in zip((*SIDES, "total"), both, strict=True)}
            by_cell[system["collection"], system["name"]] = times
    return by_cell


@contextmanager
def _samples(path: Path) -> Iterator[NpzFile]:
    try:
        with np.load(path, allow_pickle=False) as samples:
            yield samples
    # NotImplementedError: damage to an archive may name a compression that zipfile does not have.
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error, NotImplementedError) as error:
        raise UserError(f"the samples cannot be read: {error}", file=path, remedy="run the experiment again") from None
