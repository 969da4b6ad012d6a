"""Reading run folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from harness.errors import UserError
from harness.metrics import METRICS, metric
from harness.records import Record, read_records
from harness.runs import large_files, layout
from harness.runs.disturbed import disturbances, of_fusions, processes
from harness.runs.metrics import is_foreign, metric_of
from harness.spec.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.metrics import Metric
    from harness.runs.disturbed import CellKind
    from harness.runs.facts import ConditionRow, ExplainedQuery, Facts, SystemFacts
    from harness.runs.large_files import Cell, Counts, Seconds

T = TypeVar("T")


@dataclass(frozen=True)
class RunData:
    """A run folder in memory.

    `facts` is run.json; `quality` {query: value} by (collection, system, metric); `latency` by (collection, system):
    {"encode", "search", "total"} -> seconds, processes x queries x repeats, and where the run has them {"encode_cpu",
    "search_cpu", "total_cpu"} -> processor seconds of a query, processes x 1 x passes; `training` the rows of each
    encoder; `conditions` a row for each watched process; `explained` {query: line} (see `explain`) and `active` the
    numbers of active terms of "document" and "query" vectors with how many have each, both by (collection, system).
    """

    folder: Path
    facts: Facts
    records: list[Record]
    quality: dict[tuple[str, str, str], dict[str, float]]
    latency: dict[tuple[str, str], Seconds]
    training: dict[str, list[dict[str, float]]]
    explained: dict[Cell, Mapping[str, str]] = field(default_factory=dict)
    active: dict[Cell, dict[str, Counts]] = field(default_factory=dict)
    conditions: list[ConditionRow] = field(default_factory=list)
    known: dict[tuple[Hashable, ...], Any] = field(default_factory=dict, repr=False)
    """What `once` made before."""

    @classmethod
    def of_records(cls, folder: Path, records: list[Record], *, revision: str) -> RunData:
        """A run with its records alone, which is all that the history stores.

        Args:
            folder: Where the run's files lay.
            records: All rows that are known.
            revision: Git revision of the program that measured them.
        """
        systems: list[SystemFacts] = [
            {"name": system, "collection": collection, "status": "ok", "reason": "", "stages": {}}
            for collection, system in dict.fromkeys((row.collection, row.system) for row in records)
        ]
        facts: Facts = {"systems": systems, "provenance": {"git revision": revision}, "collections": {}}
        return cls(folder, facts, records, {}, {}, {})

    @property
    def systems(self) -> list[SystemFacts]:
        """Every system on every collection, with status and reason."""
        return self.facts["systems"]

    @cached_property
    def suites(self) -> list[Suite]:
        """The suites of the spec; none where an older version wrote the folder."""
        return [Suite(name, tasks) for name, tasks in self.facts.get("suites", {}).items()]

    @property
    def confidence(self) -> float:
        """Of the run's intervals; 0.95 where an older version wrote the folder."""
        return float(self.facts.get("measure", {}).get("confidence", 0.95))

    def collections(self) -> list[str]:
        """Names in order."""
        return list(dict.fromkeys(system["collection"] for system in self.systems))

    def names(self, collection: str) -> list[str]:
        """Systems of a collection in order."""
        return [system["name"] for system in self.systems if system["collection"] == collection]

    def cells(self) -> dict[tuple[str, str, str], Record]:
        """Records by (collection, system, metric)."""
        return self._cells

    def records_of(self, collection: str) -> list[Record]:
        """Records of a collection."""
        return self._by_collection.get(collection, [])

    def shared(
        self, collection: str, name: str, systems: Sequence[str]
    ) -> tuple[list[str], NDArray[np.float64] | None]:
        """Queries that all these systems have, and their values, systems x queries; None where a system has none."""
        rows = [self.quality.get((collection, system, name)) for system in systems]
        values = [row for row in rows if row is not None]
        if len(values) < len(rows) or not values:
            return [], None
        queries = self.once(("queries", collection, name, frozenset(systems)), lambda: _common(values))
        by_system: dict[str, NDArray[np.float64]] = self.once(("values", collection, name, tuple(queries)), dict)
        for system, row in zip(systems, values, strict=True):
            if system not in by_system:
                by_system[system] = np.asarray([row[query] for query in queries], np.float64)
        return queries, np.stack([by_system[system] for system in systems])

    def once(self, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """The value that `make` returns, stored under a key: many parts of a report need the same one."""
        if key not in self.known:
            self.known[key] = make()
        value: T = self.known[key]
        return value

    def explain(self, collection: str, system: str, query: str) -> ExplainedQuery:
        """A query's first documents in a system, as ``explain.jsonl`` has them; empty where it says nothing."""
        line = self.explained.get((collection, system), {}).get(json.dumps(query, ensure_ascii=False))
        if not line:
            return {}
        try:
            explained: ExplainedQuery = json.loads(line)
        except (ValueError, RecursionError) as error:
            remedy = "run the experiment again"
            raise UserError(f"not JSON: {error}", file=self.folder / layout.EXPLAIN, remedy=remedy) from None
        return explained

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Record]:
        return {(row.collection, row.system, row.metric): row for row in self.records}

    def records_with(self, collection: str, name: str) -> list[Record]:
        """Records of a collection and metric."""
        return self._by_metric.get((collection, name), [])

    def metric(self, name: str) -> Metric:
        """What a metric's name means; of one that no installed package defines, what the records state.

        Raises:
            UserError: Neither an installed package nor this run has such a metric.
        """
        return self.foreign.get(name.partition("/")[0]) or metric(name)

    @cached_property
    def beside_table(self) -> list[str]:
        """Metrics of this run that the table does not list: measures that ir_measures names, and foreign ones."""
        listed = set(METRICS)
        bases = dict.fromkeys(row.metric.partition("/")[0] for row in self.records)
        return [name for name in bases if name not in listed]

    @cached_property
    def foreign(self) -> dict[str, Metric]:
        """The metrics of this run that no installed package defines, by name."""
        rows = {row.metric.partition("/")[0]: row for row in self.records if is_foreign(row.metric)}
        return {name: metric_of(row) for name, row in rows.items()}

    @cached_property
    def _by_metric(self) -> dict[tuple[str, str], list[Record]]:
        rows: dict[tuple[str, str], list[Record]] = {}
        for row in self.records:
            rows.setdefault((row.collection, row.metric), []).append(row)
        return rows

    @cached_property
    def _by_collection(self) -> dict[str, list[Record]]:
        rows: dict[str, list[Record]] = {}
        for row in self.records:
            rows.setdefault(row.collection, []).append(row)
        return rows

    @cached_property
    def disturbed(self) -> dict[tuple[str, str], str]:
        """By (collection, system): what disturbed its latencies."""
        return {
            (collection, system): text
            for (collection, system, kind), text in self.disturbances.items()
            if kind == "latency"
        }

    @cached_property
    def disturbances(self) -> dict[CellKind, str]:
        """What disturbed the processes of each kind; see `harness.runs.disturbed.disturbances`.

        The times of a fusion are disturbed where those of its systems are.
        """
        own = disturbances(self.conditions)
        return own | of_fusions(own, self.systems)

    @cached_property
    def processes(self) -> dict[CellKind, int]:
        """How many processes of each kind a system has; see `harness.runs.disturbed.processes`."""
        return processes(self.conditions)


def load_run(folder: Path) -> RunData:
    """Read a run folder; files of samples can be missing.

    Raises:
        UserError: ``run.json`` or ``records.jsonl`` is missing or broken, or of a later schema; the file is named.
    """
    facts = layout.read_facts(folder)
    layout.check_whole(facts, folder / layout.RUN)
    return RunData(
        folder,
        facts,
        read_records(folder / layout.RECORDS),
        large_files.quality(folder / layout.PER_QUERY),
        large_files.latency(folder / layout.LATENCY, facts["systems"]),
        large_files.training(folder / layout.TRAINING),
        large_files.explained(folder / layout.EXPLAIN, facts["systems"]),
        large_files.active(folder / layout.ACTIVE, facts["systems"]),
        large_files.conditions(folder / layout.CONDITIONS),
    )


def _common(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Queries that all rows have, sorted."""
    first = rows[0].keys()
    return sorted(first if all(row.keys() == first for row in rows) else set.intersection(*map(set, rows)))
