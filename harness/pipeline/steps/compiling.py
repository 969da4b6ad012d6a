"""Compile the loops of engines before an index is built, so that no stage that runs alone has to wait for it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.pipeline.steps.index import tiny
from harness.pipeline.steps.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable


@dataclass(frozen=True)
class Compiled(StepResult):
    """Loops that later processes load from disk.

    Attributes:
        engines: How many engines were tried out.
    """

    engines: int


def compile_loops(*, out: str, engines: Sequence[JsonTable], report: Progress) -> Compiled:
    """Build and search a tiny index of each engine, and count the work: what that compiles is stored on disk.

    An engine that refuses so few vectors compiles what it needs when its index is built.

    Args:
        out: Folder of the artefact; it stays empty.
        engines: ``type`` and ``params`` of each.
        report: Called with progress.
    """
    from harness.indexes import create, registry

    for number, engine in enumerate(engines):
        report(number, len(engines), "engines")
        type, params = str(engine["type"]), engine["params"]
        assert isinstance(params, dict)  # noqa: S101 - the plan wrote it
        with contextlib.suppress(Exception):
            rows = tiny(registry.get(type).supports.kind)
            ready = create(type, **params)
            ready.build(rows)
            ready.search(rows[:1], 2)
            ready.work(rows[:1], 2)
    return Compiled(len(engines))
