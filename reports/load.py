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
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Seconds = dict[str, "NDArray[np.float64]"]
SCHEMA = 1
DRAWN = 20_000
SIDES = ("encode", "search")


@dataclass(frozen=True)
class RunData:
    """What ``laconic-bench run`` wrote.

    `facts` is run.json; `quality` {query: value} by (collection, system, metric); `latency` by (collection, system):
    {"encode", "search", "total"} -> seconds, processes x queries x repeats, and where they were kept {"encode_cpu",
    "search_cpu", "total_cpu"} -> processor seconds of a query, processes x 1 x passes; `training` the rows of each
    encoder; `conditions` a row for each watched process; `explained` {query: line} (see `explain`) and `active` the
    numbers of active terms of "document" and "query" vectors, ascending, both by (collection, system).
    """

    folder: Path
    facts: dict[str, Any]
    records: list[Record]
    quality: dict[tuple[str, str, str], dict[str, float]]
    latency: dict[tuple[str, str], Seconds]
    training: dict[str, list[dict[str, float]]]
    explained: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    active: dict[tuple[str, str], dict[str, NDArray[np.int64]]] = field(default_factory=dict)
    conditions: list[dict[str, Any]] = field(default_factory=list)
    beaten: dict[tuple[str, str, float], dict[str, list[str]]] = field(default_factory=dict, repr=False)
    """What `reports.compare.superiors` found before."""
    rows: dict[tuple[str, str, tuple[str, ...]], dict[str, NDArray[np.float64]]] = field(
        default_factory=dict, repr=False
    )
    """What `shared` made before."""

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

    def shared(
        self, collection: str, name: str, systems: Sequence[str]
    ) -> tuple[list[str], NDArray[np.float64] | None]:
        """Queries that all these systems have, and their values, systems x queries; None where a system has none."""
        found = [self.quality.get((collection, system, name)) for system in systems]
        values = [row for row in found if row is not None]
        if len(values) < len(found) or not values:
            return [], None
        queries = sorted(set.intersection(*map(set, values)))
        key = (collection, name, tuple(queries))
        kept = self.rows.setdefault(key, {})
        for system, row in zip(systems, values, strict=True):
            if system not in kept:
                kept[system] = np.asarray([row[query] for query in queries], np.float64)
        return queries, np.stack([kept[system] for system in systems])

    def explain(self, collection: str, system: str, query: str) -> dict[str, Any]:
        """A query's first documents in a system, as ``explain.jsonl`` has them; empty where it says nothing."""
        line = self.explained.get((collection, system), {}).get(json.dumps(query, ensure_ascii=False))
        return _parsed([line], self.folder / "explain.jsonl")[0] if line else {}

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Record]:
        return {(row.collection, row.system, row.metric): row for row in self.records}

    @cached_property
    def _by_collection(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for row in self.records:
            found.setdefault(row.collection, []).append(row)
        return found

    @cached_property
    def disturbed(self) -> dict[tuple[str, str], str]:
        """By (collection, system): what disturbed its timing; see `reports.conditions.disturbed`."""
        return disturbed(self.conditions)

    def verdicts(self, baseline: RunData | None = None) -> list[Verdict]:
        """Every claim judged; the baselines are taken from another run where one is given."""
        theirs = None if baseline is None else baseline.evidence()
        claims = [ClaimSpec.model_validate(claim) for claim in self.facts["claims"]]
        return [verdict for claim in claims for verdict in judge(claim, self.evidence(), theirs)]

    def evidence(self) -> Evidence:
        """What verdicts rest on."""
        measure = self.facts.get("measure", {})
        asked = {name: str(measure.get(name)) for name in ("k", "depth", "threads")}
        asked |= {"machine": str(self.facts.get("machine")), "timed queries": str(measure.get("queries"))}
        statuses, codecs, settings = {}, {}, {}
        for system in self.systems:
            cell = (system["collection"], system["name"])
            statuses[cell] = (str(system["status"]), str(system["reason"]))
            codecs[cell] = str(system.get("codec", ""))
            data = self.facts["collections"].get(system["collection"], {}).get("revision")
            settings[cell] = {"data": str(data), **asked}
        confidence = float(measure.get("confidence", 0.95))
        return Evidence(
            self.cells(), statuses, self.quality, self.latency, self.disturbed, codecs, settings, confidence
        )


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
        _explained(folder, facts),
        _active(folder, facts),
        _lines(folder / "conditions.jsonl"),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return _parsed(path.read_text(encoding="utf-8", errors="replace").split("\n"), path)


def _parsed(lines: Sequence[str], path: Path) -> list[dict[str, Any]]:
    """JSON lines; all at once, which is twice as fast, and one by one only to name the line at fault."""
    try:
        found: list[dict[str, Any]] = json.loads(f"[{','.join(line for line in lines if line)}]")
        return found
    except ValueError:
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line or "null")
            except ValueError as error:
                remedy = "run the experiment again"
                raise UserError(f"not JSON: {error}", file=path, line=number, remedy=remedy) from None
        raise


def _quality(folder: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in _lines(folder / "per_query.jsonl"):
        found.setdefault((row["collection"], row["system"], row["metric"]), {})[row["query"]] = row["value"]
    return found


def _explained(folder: Path, facts: dict[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """Lines by system, then by the query as JSON has it: a report shows few, and parsing all would take its time."""
    path, known = folder / "explain.jsonl", {}
    if not path.is_file():
        return {}
    for system in facts["systems"]:
        named = {"collection": system["collection"], "system": system["name"]}
        known[json.dumps(named, ensure_ascii=False)[:-1]] = (system["collection"], system["name"])
    found: dict[tuple[str, str], dict[str, str]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        about, _, rest = line.partition(', "query": ')
        if about in known:
            found.setdefault(known[about], {})[rest.partition(', "text": ')[0]] = line
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
            sides = {side: table(process, query, samples[f"{number}/{side}"]) for side in SIDES}
            sides["total"] = sides["encode"] + sides["search"]
            used = [samples[name][:, None, :] for side in SIDES if (name := f"{number}/{side}_cpu") in samples]
            if len(used) == len(SIDES) and min(float(one.min()) for one in used) > 0:
                sides |= {
                    f"{side}_cpu": one for side, one in zip((*SIDES, "total"), (*used, used[0] + used[1]), strict=True)
                }
            found[system["collection"], system["name"]] = sides
    return found


def _training(folder: Path) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for row in _lines(folder / "training.jsonl"):
        found.setdefault(str(row.pop("encoder")), []).append(row)
    return found
