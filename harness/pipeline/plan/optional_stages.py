"""Stages of the measurements that a spec asks for by `measure.also`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.measure.machine.environment import usable_cores
from harness.pipeline.stage import STEPS, Stage

if TYPE_CHECKING:
    from harness.spec.models import MeasureSpec

ONE, ALL = "1", "all"


def extra_stages(latency: Stage, label: str, measure: MeasureSpec) -> list[Stage]:
    """Stages of one system on one collection, made after the pattern of its first latency stage.

    Args:
        latency: Has the inputs, modules and libraries that all of them share.
        label: System and collection, for the reader.
        measure: What is asked for.
    """
    served = {name: latency.arguments[name] for name in ("encoder_type", "encoder_params", "index_type", "k")}

    def stage(kind: str, text: str, name: str, *, threads: int = measure.threads, **arguments: object) -> Stage:
        return replace(
            latency,
            kind=kind,
            label=f"{text} of {label}",
            function=f"{STEPS}.{name}",
            arguments={**served, "threads": threads, **arguments},
            threads=threads,
            pinned=latency.pinned and threads == measure.threads,
            round="",
        )

    found = []
    if "cold" in measure.also:
        found += [
            stage("cold", f"cold start {number + 1}", "serving:cold_start", process=number)
            for number in range(measure.processes)
        ]
    if "throughput" in measure.also:
        found += [
            stage("throughput", f"throughput at {name} thread(s)", "serving:throughput", threads=threads,
                  queries=measure.queries, repeats=max(measure.repeats, 2), attempts=measure.attempts, component=name)
            for name, threads in ((ONE, 1), (ALL, usable_cores()))
        ]  # fmt: skip
    if "load" in measure.also:
        found.append(
            stage("load", "highest load", "serving:open_loop", queries=measure.queries, bound=measure.load_bound,
                  arrivals=measure.load_queries, warmup=measure.warmup, seed=latency.arguments["seed"])
        )  # fmt: skip
    if "encoder-memory" in measure.also:
        inputs = {name: latency.inputs[name] for name in ("model", "collection")}
        encoder = {name: served[name] for name in ("encoder_type", "encoder_params")}
        found.append(
            replace(
                stage("encoder-memory", "memory of the encoder", "footprint:encoder_memory"),
                arguments={**encoder, "threads": measure.threads, "batch": measure.batch},
                inputs=inputs,
            )
        )
    return found


def exact_stages(encode: Stage, search: Stage, prepare: Stage, label: str) -> list[Stage]:
    """The exact results of these vectors, shared by all that search them, and one index held against them."""
    truth = Stage(
        "truth",
        f"exact results of {encode.label.removeprefix('encode ')}",
        f"{STEPS}.exact:truth",
        {"depth": search.arguments["depth"]},
        {"vectors": encode},
        libraries=("numpy", "scipy"),
    )
    held = Stage(
        "exact",
        f"hold {label} against exact results",
        f"{STEPS}.exact:compare",
        {},
        {"truth": truth, "found": search, "collection": prepare},
        libraries=("ir-measures", "pytrec_eval-terrier", "numpy"),
    )
    return [truth, held]
