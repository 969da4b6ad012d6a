"""Results of steps with every field filled in, of which a test names those that it is about."""

from pathlib import Path
from types import SimpleNamespace

from harness.measure.machine.sentinel import Reading
from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.steps.timing import MeteredEnergy, TimedLatency
from harness.typed_json import to_json

QUIET = {
    "seconds": 2.0, "cpu_seconds": 1.9, "load_before": 0.5, "load_after": 0.6, "others_share": 0.0, "steal_share": 0.0,
    "voluntary_switches": 3, "involuntary_switches": 1, "minor_faults": 10, "major_faults": 0, "threads_total": 1,
    "threads_busy": 1, "parallelism": 0.95, "waited_share": 0.0, "disturbance": "", "violation": "",
}  # fmt: skip
"""Fields of `ProcessConditions` of a process that nothing disturbed."""
WATCHED = {
    "sentinel": (), "processors": (0, 1), "pinned": False, "threads_asked": 1, "library_threads": {}, "repeated": (),
    "round": "",
}  # fmt: skip


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
