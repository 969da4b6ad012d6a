"""Results of steps with every field filled in, of which a test names those that it is about."""

from pathlib import Path
from types import SimpleNamespace

from harness.collections.base import EvaluationRules
from harness.indexes.base import Work
from harness.measure.machine.conditions import ProcessConditions
from harness.measure.machine.sentinel import Reading
from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.steps.compiling import Compiled
from harness.pipeline.steps.encode import Encoded, EncodedSide
from harness.pipeline.steps.evaluate import LatencySummary, MetricValue, Quality
from harness.pipeline.steps.fit import fitted
from harness.pipeline.steps.footprint import ServedMemory
from harness.pipeline.steps.index import Built, CountedWork, Searched
from harness.pipeline.steps.prepare import Prepared
from harness.pipeline.steps.service_memory import ServiceMemory
from harness.pipeline.steps.timing import MeteredEnergy, TimedLatency
from harness.typed_json import to_json

QUIET = {
    "seconds": 2.0, "cpu_seconds": 1.9, "load_before": 0.5, "load_after": 0.6, "others_share": 0.0, "steal_share": 0.0,
    "voluntary_switches": 3, "involuntary_switches": 1, "minor_faults": 10, "major_faults": 0, "threads_total": 1,
    "threads_busy": 1, "parallelism": 0.95, "waited_share": 0.0, "throttled_share": 0.0,
    "disturbance": "", "violation": "",
}  # fmt: skip
"""Fields of `ProcessConditions` of a process that nothing disturbed."""
WATCHED = {
    "sentinel": (), "processors": (0, 1), "pinned": False, "threads_asked": 1, "library_threads": {}, "repeated": (),
    "round": "",
}  # fmt: skip


PREPARED = Prepared(100, 10, 1, 20, 350, "0" * 64, {}, (), EvaluationRules(), 0, False, 0)
ENCODED = Encoded(
    "sparse",
    5000,
    {"parameters": 1000.0},
    document=EncodedSide(100, 3000, seconds=4.0, tokens=50.0, flops=1e6),
    query=EncodedSide(10, 80, seconds=0.1, tokens=6.0, flops=2e5),
)
BUILT = Built(
    ProcessConditions(**QUIET),
    build_seconds=1.25,
    build_peak_bytes=4096,
    build_peak_readings=250,
    build_peak_resident=8192,
    memory={"postings": 600, "offsets": 400},
    file_bytes=1040,
    numbers_bits=4000.0,
)
ENDS = {"flops_search": (900.0, 1100.0), "active_terms_query": (7.0, 9.0)}
"""Intervals of means over queries."""
WORK = CountedWork(10, 100, Work(multiply_adds=5000, postings=6000, documents=700, bounds=None), 1.5, ENDS)
MEMORY = ServedMemory(anonymous=50, file=900, pss=700, elsewhere=0, all_files=-10, baseline=10_000, queries=10)
SERVICE = ServiceMemory(encoder=70, index=50, identifiers=20, query=60, documents=100, queries=10)
THREE = {"mean": (0.02, 0.01, 0.03), "p50": (0.015, 0.01, 0.02)}
SUMMARY = LatencySummary(THREE, THREE, THREE, THREE, THREE, {"encode": 0.01, "search": 0.005, "total": 0.015}, 40)
QUALITY = Quality({"ndcg@10": MetricValue(0.5, 0.4, 0.6, 10, "ir_measures")}, 0, 0)
RESULTS = {
    "prepare": PREPARED, "fit": fitted({}, 1.0), "encode": ENCODED, "compile": Compiled(1), "build": BUILT,
    "search": Searched(10, 1000, 0.5),
    "work": WORK, "memory": MEMORY, "service-memory": SERVICE, "summary": SUMMARY, "quality": QUALITY,
}  # fmt: skip
"""Of each part of a system that is timed by no process."""


def readings(*pairs):
    """The sentinel's readings: (processor, memory) in seconds."""
    return tuple(Reading(processor, memory, 1.0) for processor, memory in pairs)


def conditions(**fields):
    """Conditions of a watched process."""
    return WatchedConditions(**{**QUIET, **WATCHED, **fields})


def energy(joules, queries=10, method="RAPL, 1 package(s)"):
    """What a meter showed."""
    return MeteredEnergy(joules, method, queries)


def latency(**fields):
    """The result of a latency process that has no processor times and no meter."""
    given = {
        "conditions": conditions(), "load_seconds": 1.0, "first_query_seconds": 0.1, "timer_overhead_seconds": 60e-9,
        "queries": 4, "elsewhere": 0, "encode_cpu": None, "search_cpu": None, "energy": None, "builds": {},
    }  # fmt: skip
    return TimedLatency(**{**given, **fields})


def stored(result):
    """An artefact that holds a result, as far as its result is read."""
    return SimpleNamespace(result=to_json(result), directory=Path("/store/objects/ab/abc"))
