"""What the run folder holds of a fusion: its quality, and what it costs as the sum of what its systems cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.measurements import add_mean, results_of
from harness.pipeline.results.finished_system import FinishedSystem, failed_stage
from harness.pipeline.results.optional_records import Adder, results_by_kind
from harness.pipeline.results.system_records import COMPONENTS_METHOD, latency_records, quality_records
from harness.pipeline.steps.evaluate import LatencySummary, Quality
from harness.pipeline.steps.per_query import intervals, read_per_query
from harness.pipeline.steps.service_memory import ServiceMemory
from harness.pipeline.stored_result import stored_result
from harness.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.pipeline.plan.fusion_stages import FusionStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.pipeline.store.local import Artefact
    from harness.pipeline.stored_result import R
    from harness.runs.facts import SystemFacts

FLOPS = ("flops_encode_query", "flops_search", "flops_query")
SERVICE = ("encoder", "index", "identifiers", "query")


@dataclass(frozen=True)
class FusedSystem:
    """A fusion on a collection whose stages, and those of its systems, all have artefacts.

    Args:
        stages: Of the fusion.
        done: How every stage of the run ended, by key.
        confidence: Of the intervals.
    """

    stages: FusionStages
    done: Mapping[str, Done]
    confidence: float

    @property
    def name(self) -> str:
        """Of the fusion."""
        return self.stages.fusion.name

    @property
    def collection(self) -> str:
        """Its name."""
        return self.stages.collection

    @cached_property
    def parts(self) -> tuple[FinishedSystem, ...]:
        """The systems whose runs are fused."""
        return tuple(FinishedSystem(part, self.done) for part in self.stages.parts)

    @property
    def quality_files(self) -> Path:
        """Folder of the TREC run, the values by query and the explanations."""
        return self._artefact(self.stages.quality).files

    def by_query(self) -> Iterator[tuple[str, dict[str, float]]]:
        """(metric, {query: value}) of quality, and of the FLOPs of all its systems together."""
        if self.stages.measures("quality"):
            yield from read_per_query(self.quality_files).items()
        if self.stages.measures("work"):
            yield from self._flops_by_query.items()

    def samples(self) -> dict[str, NDArray[np.generic]]:
        """Times of its systems, added, see `harness.pipeline.steps.fuse.added_latencies`; none without encoding."""
        if self._result(self.stages.summary, LatencySummary).total is None:
            return {}
        with np.load(self._artefact(self.stages.summary).files / "samples.npz") as samples:
            return {name: samples[name] for name in samples.files}

    def records(self, run: str) -> Iterator[Record]:
        """Quality as it was evaluated, and costs as sums."""
        about = (run, self.collection, self.name)
        if self.stages.measures("quality"):
            yield from quality_records(about, self._result(self.stages.quality, Quality))
        yield from self._sizes(about)
        yield from self._service(about)
        if self.stages.measures("work"):
            yield from self._flops(about)
        if not self.stages.measures("summary"):
            return
        method = (
            f"{self._named} one after the other: times of a query in the same process and pass, added; "
            "fusing is not timed"
        )
        yield from latency_records(about, self._result(self.stages.summary, LatencySummary), method, "estimated")

    @property
    def _named(self) -> str:
        return " + ".join(part.name for part in self.parts)

    def _sizes(self, about: tuple[str, str, str]) -> Iterator[Record]:
        """Bytes of all indexes; one that several systems search counts once."""
        built = {part.stages.build.key: part.built for part in self.parts}.values()
        prepared, components = self.parts[0].prepared, dict[str, int]()
        for index in built:
            for name, size in index.memory.items():
                components[name] = components.get(name, 0) + size
        total, method = sum(components.values()), f"sum over {self._named}: {COMPONENTS_METHOD}"
        sizes: dict[str, float] = {
            "index_bytes": total,
            "index_bytes_per_document": total / prepared.documents,
            **{f"index_bytes/{name}": size for name, size in components.items()},
        }
        for name, value in sizes.items():
            yield record(*about, name, value, method=method, source="analytic")
        files = sum(index.file_bytes for index in built)
        method = f"sum over {self._named}: size of the saved files"
        yield record(*about, "index_file_bytes", files, method=method, source="analytic")
        yield record(*about, "identifier_bytes", prepared.identifier_bytes, method="UTF-8 bytes")

    def _service(self, about: tuple[str, str, str]) -> Iterator[Record]:
        """Memory of the services of all systems; nothing where one was not measured."""
        measured = [
            results_of(results_by_kind(stages, self.done), "service-memory", ServiceMemory)
            for part in self.stages.parts
            for stages in (part.measurements.get("service-memory", ()),)
        ]
        processes = min(map(len, measured))
        if not processes:
            return
        add = Adder(about, self.confidence, "analytic")
        method = f"sum over the services of {self._named}, each in a process of its own"
        values = {
            part: [sum(max(getattr(memory, part), 0) for memory in together)
                   for together in zip(*(own[:processes] for own in measured), strict=True)]
            for part in SERVICE
        }  # fmt: skip
        totals = {"service_bytes": [sum(sizes) for sizes in zip(*values.values(), strict=True)]}
        for name, sizes in (totals | {f"service_bytes/{part}": sizes for part, sizes in values.items()}).items():
            if min(sizes) > 0:
                add_mean(add, name, sizes, f"{method}; interval by t" if processes > 1 else method)
            else:  # an interval on the log scale has no place for 0
                add(name, sum(sizes) / processes, method, n=processes)
        yield from add.records

    def _flops(self, about: tuple[str, str, str]) -> Iterator[Record]:
        """FLOPs of a query in all systems; the search's only where every engine counts them."""
        encoders = {part.stages.fit.key: part.encoded.query.flops for part in self.parts}
        known = [flops for flops in encoders.values() if flops is not None]
        values = {"flops_encode_query": sum(known)} if len(known) == len(encoders) else {}
        works = [(part.work.work, part.work.queries) for part in self.parts]
        searched = [2 * work.multiply_adds / queries for work, queries in works if work is not None]
        if len(searched) == len(works):
            values["flops_search"] = sum(searched)
            if "flops_encode_query" in values:
                values["flops_query"] = values["flops_encode_query"] + values["flops_search"]
        rows = {name: list(by_query.values()) for name, by_query in self._flops_by_query.items()}
        ends, n = intervals(rows, self.confidence), self.parts[0].work.queries
        for name, value in values.items():
            method = f"sum over {self._named}"
            yield record(*about, name, value, method=method, source="analytic", n=n, interval=ends.get(name))

    @cached_property
    def _flops_by_query(self) -> dict[str, dict[str, float]]:
        """The FLOPs of each query, added; those that every system has by query."""
        counted = [read_per_query(self._artefact(part.work).files) for part in self.stages.parts]
        encoded = {part.fit.key: own for part, own in zip(self.stages.parts, counted, strict=True)}
        rows = {"flops_encode_query": list(encoded.values()), "flops_search": counted}
        sums = {
            name: {query: sum(counts[name][query] for counts in own) for query in own[0][name]}
            for name, own in rows.items()
            if all(name in counts for counts in own)
        }
        if len(sums) == len(rows):
            search = sums["flops_search"]
            sums["flops_query"] = {query: value + search[query] for query, value in sums["flops_encode_query"].items()}
        return sums

    def _artefact(self, stage: Stage) -> Artefact:
        artefact = self.done[stage.key].artefact
        assert artefact is not None  # noqa: S101 - all stages succeeded
        return artefact

    def _result(self, stage: Stage, kind: type[R]) -> R:
        return stored_result(self._artefact(stage), kind)


def fusion_failure(stages: FusionStages, done: Mapping[str, Done]) -> tuple[str, str] | None:
    """(status, reason) of a fusion that has no result, in one sentence; None where it has one."""
    for part in stages.parts:
        bad = failed_stage(part, done)
        if bad is not None:
            return "skipped", f"it needs {part.system.name}, which is {bad.status}: {bad.stage.label}: {bad.reason}"
    bad = failed_stage(stages, done)
    return None if bad is None else (bad.status, f"{bad.stage.label}: {bad.reason}")


def described_fusion(stages: FusionStages, done: Mapping[str, Done]) -> SystemFacts:
    """What run.json says of a fusion."""
    fusion = stages.fusion
    status, reason = fusion_failure(stages, done) or ("ok", "")
    artefact = done[stages.quality.key].artefact if status == "ok" and stages.measures("quality") else None
    ties = stored_result(artefact, Quality).facts() if artefact is not None else {}
    return {
        "name": fusion.name,
        "collection": stages.collection,
        "encoder": fusion.name,
        "encoder_base": fusion.name,
        "encoder_type": "fusion",
        "revision": None,
        "index": "",
        "index_type": "",
        "index_params": {},
        "curve": "",
        "codec": "",
        "status": status,
        "reason": reason,
        "facts": {"costs": "the sum of what its systems cost; fusing itself is not timed", **ties},
        "stages": stages.keys(),
        "fused": list(fusion.systems),
        "fusion": fusion.text,
    }
