"""Stages of one system on one collection from its vectors on: index, search, work, memory, latency, quality."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from harness.measure.machine.environment import bound_cores
from harness.metrics import quality_metric, quality_metrics
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.shared_stages import build_settings, encoder_type, search_settings, settings_of
from harness.pipeline.stage import STEPS, VECTORS, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.indexes import Index
    from harness.jsonvalue import JsonValue
    from harness.spec.models import MeasureSpec, Part, Spec, System


@dataclass(frozen=True)
class SearchPlan:
    """What is done with the vectors of one system on one collection.

    Args:
        spec: The experiment.
        system: The system.
        collection: Name of the collection.
        machine: Fingerprint of the machine. Times and resident sizes belong to the machine that they were taken on.
    """

    spec: Spec
    system: System
    collection: str
    machine: str

    @cached_property
    def label(self) -> str:
        """System and collection, for the reader."""
        return f"{self.system.name} / {self.collection}"

    @cached_property
    def engine(self) -> type[Index]:
        """The class of the index."""
        return REGISTRIES.indexes.get(self.system.index.type)

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Modules whose code decides what the index does."""
        return self.engine.modules(self.system.index.params)

    @cached_property
    def libraries(self) -> tuple[str, ...]:
        """Distributions whose versions decide what the index does, with those that the steps read vectors by."""
        return tuple(sorted({*self.engine.libraries_with(self.system.index.params), *VECTORS}))

    @cached_property
    def searched_with(self) -> dict[str, JsonValue]:
        """The argument of a step that opens the index: its parameters of the search; none where the engine has none."""
        values = search_settings(self.system.index)
        return {"index_search": values} if values else {}

    def build(self, encode: Stage, after: tuple[Stage, ...] = ()) -> Stage:
        """Build the index; its time and its peak are measured.

        Args:
            encode: Its artefact holds the vectors.
            after: The stage that compiles what the build needs; see `compile_stage`.
        """
        index, encoder = self.system.index, self.system.encoder
        return Stage(
            "build",
            f"build {index.unswept} over {encoder.name} / {self.collection}",
            f"{STEPS}.index:build",
            build_settings(index),
            {"vectors": encode},
            self.modules,
            self.libraries,
            {"machine": self.machine},
            measures="time",
            after=after,
        )

    def search(self, prepare: Stage, encode: Stage, build: Stage) -> Stage:
        """Search all queries."""
        measure = self.spec.head.measure
        return Stage(
            "search",
            f"search {self.label}",
            f"{STEPS}.index:search",
            {
                "type": self.system.index.type,
                "depth": measure.depth,
                "threads": measure.work_threads,
                **self.searched_with,
            },
            {"vectors": encode, "index": build, "collection": prepare},
            self.modules,
            self.libraries,
            threads=measure.work_threads,
        )

    def timed_search(self, search: Stage) -> Stage | None:
        """Search all queries with the k that is timed; None where these results are the first of `search`.

        An engine that re-ranks, or that skips by the score of the last result, answers a smaller k otherwise.
        """
        measure = self.spec.head.measure
        if self.engine.supports.exact or measure.k == measure.depth:
            return None
        arguments = {**search.arguments, "depth": measure.k}
        return replace(search, label=f"search {self.label} with the timed k", arguments=arguments)

    def work(self, prepare: Stage, encode: Stage, build: Stage) -> Stage:
        """Count what each search does."""
        measure = self.spec.head.measure
        return Stage(
            "work",
            f"count work of {self.label}",
            f"{STEPS}.index:count_work",
            {"type": self.system.index.type, "k": measure.k, "confidence": measure.confidence, **self.searched_with},
            {"vectors": encode, "index": build, "collection": prepare},
            self.modules,
            self.libraries,
        )

    def memory(self, prepare: Stage, encode: Stage, build: Stage) -> Stage:
        """Measure the resident memory of the index."""
        return Stage(
            "memory",
            f"resident memory of {self.label}",
            f"{STEPS}.footprint:served_memory",
            {**build_settings(self.system.index), "k": self.spec.head.measure.k, **self.searched_with},
            {"vectors": encode, "index": build, "collection": prepare},
            self.modules,
            self.libraries,
            {"machine": self.machine},
            measures="memory",
            unshared=("index",),
        )

    def latency(self, number: int, fit: Stage, build: Stage, prepare: Stage, encode: Stage) -> Stage:
        """Time all queries in one process.

        Args:
            number: Of the process, from 0. Processes of one number take turns over all systems of a collection.
            fit: Its artefact is the model.
            build: Its artefact is the index.
            prepare: Its artefact has the queries.
            encode: Its artefact has the queries' vectors: they are searched where no text can be encoded.
        """
        measure, encoder = self.spec.head.measure, self.system.encoder
        maker = encoder_type(encoder)
        return Stage(
            "latency",
            f"latency of {self.label}, process {number + 1} of {measure.processes}",
            f"{STEPS}.timing:latency",
            {
                "encoder_type": encoder.type,
                "encoder_params": settings_of(encoder)["params"],
                "index_type": self.system.index.type,
                "k": measure.k,
                "threads": measure.threads,
                "queries": measure.queries,
                "repeats": measure.repeats,
                "warmup": measure.warmup,
                "seed": self.spec.head.seed + number,
                "pin": can_pin(measure),
                "attempts": measure.attempts,
                **self.searched_with,
            },
            {"model": fit, "index": build, "collection": prepare} | ({} if maker.encodes() else {"vectors": encode}),
            (*maker.modules(encoder.params), *self.modules),
            (*maker.libraries_with(encoder.params), *self.libraries),
            # Systems that differ in name alone are measured apart: their spread is the machine's own.
            {"machine": self.machine, "system": self.system.name},
            measures="time",
            threads=measure.threads,
            gpus=min(maker.gpus(), 1),  # one query at a time: the first device alone
            pinned=can_pin(measure),
            round=f"{self.collection} {number}",
        )

    def quality(self, prepare: Stage, encode: Stage, search: Stage, timed: Stage | None) -> Stage:
        """Evaluate the results by every metric of quality that is registered, and by those that the spec names."""
        inputs = {"collection": prepare, "vectors": encode, "hits": search} | (
            {} if timed is None else {"timed": timed}
        )
        return quality_stage(self.spec, self.system.name, self.label, inputs)

    def summary(self, latency: Sequence[Stage]) -> Stage:
        """Summarise the latencies of all processes."""
        return Stage(
            "summary",
            f"summarise latency of {self.label}",
            f"{STEPS}.evaluate:latencies",
            {"confidence": self.spec.head.measure.confidence, "seed": self.spec.head.seed},
            {f"process{number}": stage for number, stage in enumerate(latency)},
            libraries=("numpy", "scipy"),
        )


def compile_stage(systems: Iterable[System], machine: str, threads: int) -> Stage | None:
    """The stage that compiles the loops of all indexes beside other work; None where no engine has such.

    A build runs alone and would let the other processors wait until its loops are compiled. They are stored on disk, so
    nothing of this stage's artefact is read. An engine whose parts are elsewhere compiles there.

    Args:
        systems: Those that are run.
        machine: Fingerprint of this machine, whose processor decides what is compiled.
        threads: Of its process.
    """
    indexes = [system.index for system in systems if has_loops(system.index)]
    engines = {json.dumps(build_settings(index), sort_keys=True): build_settings(index) for index in indexes}
    if not engines:
        return None
    modules = [REGISTRIES.indexes.get(index.type).modules(index.params) for index in indexes]
    return Stage(
        "compile",
        "compile loops of the engines",
        f"{STEPS}.compiling:compile_loops",
        {"engines": [engines[settings] for settings in sorted(engines)]},
        modules=tuple(sorted({module for some in modules for module in some})),
        libraries=("numba", *VECTORS),
        about={"machine": machine},
        threads=threads,
    )


def has_loops(index: Part) -> bool:
    """Whether an index runs loops in this process that numba compiles."""
    libraries = REGISTRIES.indexes.get(index.type).libraries_with(index.params)
    return "numba" in libraries and "ray" not in libraries


def quality_stage(
    spec: Spec, name: str, label: str, inputs: dict[str, Stage], fused: Sequence[str] | None = None
) -> Stage:
    """The stage that evaluates one system's results.

    Args:
        spec: The experiment, which may name further metrics.
        name: Of the system.
        label: System and collection, for the reader.
        inputs: ``collection`` and ``hits``; ``vectors`` where the system has its own, ``timed`` where the results with
            the timed k are not the first of the hits.
        fused: Names of the systems whose runs were fused.
    """
    metrics = {
        metric: quality_metric(metric)
        for metric in dict.fromkeys((*quality_metrics.names(), *spec.head.measure.quality))
    }
    arguments: dict[str, JsonValue] = {
        "tag": name,
        "metrics": {metric: kind.measure for metric, kind in metrics.items()},
        "confidence": spec.head.measure.confidence,
    }
    if fused is not None:
        arguments["fused"] = list(fused)
    return Stage(
        "quality",
        f"evaluate {label}",
        f"{STEPS}.evaluate:quality",
        arguments,
        inputs,
        tuple(sorted({kind.__module__ for kind in metrics.values() if not kind.measure})),
        tuple(sorted({"numpy", "scipy", *(library for kind in metrics.values() for library in kind.libraries)})),
    )


def can_pin(measure: MeasureSpec) -> bool:
    """Whether timed processes are bound to processors.

    It must be asked for, the system must be able to, and there must be more processors than their threads need.
    """
    return measure.pin and hasattr(os, "sched_setaffinity") and bound_cores() > measure.threads
