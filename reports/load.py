"""A run directory, read."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.claims import Evidence, Verdict, judge
from harness.errors import UserError
from harness.records import Record, read_records
from harness.spec.claim import ClaimSpec
from harness.stats.samples import table
from reports.conditions import disturbed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Seconds = dict[str, "NDArray[np.float64]"]
SCHEMA = 1
DRAWN = 20_000


@dataclass(frozen=True)
class RunData:
    """What ``laconic-bench run`` wrote.

    `facts` is run.json; `quality` {query: value} by (collection, system, metric); `latency` by (collection, system):
    {"encode", "search", "total"} -> seconds, processes x queries x repeats; `training` the rows of each encoder;
    `conditions` a row for each watched process; `explained` {query: its first documents} and `active` the numbers of
    active terms of "document" and "query" vectors, ascending, both by (collection, system).
    """

    folder: Path
    facts: dict[str, Any]
    records: list[Record]
    quality: dict[tuple[str, str, str], dict[str, float]]
    latency: dict[tuple[str, str], Seconds]
    training: dict[str, list[dict[str, float]]]
    explained: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    active: dict[tuple[str, str], dict[str, NDArray[np.int64]]] = field(default_factory=dict)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    beaten: dict[tuple[str, str, float], dict[str, list[str]]] = field(default_factory=dict, repr=False)
    """What `reports.compare.superiors` found before."""

    @property
    def systems(self) -> list[dict[str, Any]]:
        """Every system on every collection, with status and reason."""
        found: list[dict[str, Any]] = self.facts["systems"]
        return found

    def collections(self) -> list[str]:
        """Names in order."""
        return list(dict.fromkeys(system["collection"] for system in self.systems))

    def names(self, collection: str) -> list[str]:
        """Systems of a collection in order."""
        return [system["name"] for system in self.systems if system["collection"] == collection]

    def cells(self) -> dict[tuple[str, str, str], Record]:
        """Records by (collection, system, metric)."""
        return self._cells

    def of(self, collection: str) -> list[Record]:
        """Records of a collection."""
        return self._by_collection.get(collection, [])

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Record]:
        return {(row.collection, row.system, row.metric): row for row in self.records}

    @cached_property
    def _by_collection(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for row in self.records:
            found.setdefault(row.collection, []).append(row)
        return found

    def verdicts(self) -> list[Verdict]:
        """Every claim judged."""
        statuses = {(s["collection"], s["name"]): (str(s["status"]), str(s["reason"])) for s in self.systems}
        evidence = Evidence(self.cells(), statuses, self.quality, self.latency, disturbed(self.conditions))
        return [
            verdict for claim in self.facts["claims"] for verdict in judge(ClaimSpec.model_validate(claim), evidence)
        ]


def load_run(folder: Path) -> RunData:
    """Read a run directory; samples that are missing are left empty.

    Raises:
        UserError: ``run.json`` or ``records.jsonl`` is missing or broken, or of another schema; the file is named.
    """
    path, remedy = folder / "run.json", "give the folder that `laconic-bench run` wrote"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"no finished run: {error}", file=path, remedy=remedy) from None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise UserError("not a run of this version", file=path, remedy="run the experiment again")
    return RunData(
        folder,
        facts,
        read_records(folder / "records.jsonl"),
        _quality(folder),
        _latency(folder, facts),
        _training(folder),
        _explained(folder),
        _active(folder, facts),
        _lines(folder / "conditions.jsonl"),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
        if not line:
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise UserError(f"not JSON: {error}", file=path, line=number, remedy="run the experiment again") from None
    return rows


def _quality(folder: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in _lines(folder / "per_query.jsonl"):
        found.setdefault((row["collection"], row["system"], row["metric"]), {})[row["query"]] = row["value"]
    return found


def _explained(folder: Path) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in _lines(folder / "explain.jsonl"):
        found.setdefault((row["collection"], row["system"]), {})[row["query"]] = row
    return found


def _active(folder: Path, facts: dict[str, Any]) -> dict[tuple[str, str], dict[str, NDArray[np.int64]]]:
    """At most `DRAWN` evenly chosen order statistics of a side: what a distribution is drawn from."""
    path, found = folder / "active.npz", {}
    if not path.is_file():
        return {}
    with _samples(path) as counts:
        for number, system in enumerate(facts["systems"]):
            sides = {}
            for side in ("document", "query"):
                if f"{number}/{side}_terms" in counts:
                    terms, ends = counts[f"{number}/{side}_terms"], np.cumsum(counts[f"{number}/{side}_vectors"])
                    places = np.linspace(0, ends[-1] - 1, min(int(ends[-1]), DRAWN)).astype(np.int64)
                    sides[side] = terms[np.searchsorted(ends, places, side="right")]
            if sides:
                found[system["collection"], system["name"]] = sides
    return found


@contextmanager
def _samples(path: Path) -> Iterator[Any]:
    try:
        with np.load(path, allow_pickle=False) as samples:
            yield samples
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the samples cannot be read: {error}", file=path, remedy="run the experiment again") from None


def _latency(folder: Path, facts: dict[str, Any]) -> dict[tuple[str, str], Seconds]:
    path, found = folder / "latency.npz", {}
    if not path.is_file():
        return {}
    with _samples(path) as samples:
        for number, system in enumerate(facts["systems"]):
            if f"{number}/query" not in samples:
                continue
            process, query = samples[f"{number}/process"], samples[f"{number}/query"]
            sides = {side: table(process, query, samples[f"{number}/{side}"]) for side in ("encode", "search")}
            found[system["collection"], system["name"]] = {**sides, "total": sides["encode"] + sides["search"]}
    return found


def _training(folder: Path) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for row in _lines(folder / "training.jsonl"):
        found.setdefault(str(row.pop("encoder")), []).append(row)
    return found
