"""Measure learned sparse against dense retrieval on a CPU: quality, memory, latency and FLOPs.

A spec says what is compared (`harness.spec`), stages measure it and keep what they make by content
(`harness.pipeline`), and records carry the numbers (`harness.records`) to the reports (`reports`).

From Python, `run_experiment` runs a spec and `open_run` opens a finished run; see docs/python.md.
"""

from __future__ import annotations

from importlib import import_module as _import_module

__all__ = ["Event", "Run", "__version__", "open_run", "run_experiment"]

__version__ = "0.1.0"
_MODULES = {
    "Event": "harness.pipeline.executors.events",
    "Run": "harness.experiment",
    "open_run": "harness.experiment",
    "run_experiment": "harness.experiment",
}


def __getattr__(name: str) -> object:
    """Import what runs experiments when it is first asked for: `import harness` alone stays light."""
    if name in _MODULES:
        return getattr(_import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
