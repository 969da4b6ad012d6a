"""What a node of a cluster does: make stages in its own store, from artefacts of the shared one."""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.encoders.hardware import ASSIGNED
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage_outcome import REMEMBERED, Done
from harness.pipeline.store.local import Store

if TYPE_CHECKING:
    from harness.measure.workers.warm import WarmWorkers
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Status
    from harness.pipeline.store.shared import SharedStore
    from harness.spec.models import MeasureSpec

NODE_STORE = "LACONIC_BENCH_NODE_STORE"
"""Environment variable of a node: the folder of its own artefacts; one below the temporary folder by default."""
Made: TypeAlias = "list[tuple[Status, str, float]]"
"""How each stage of a unit ended: status, reason and seconds."""


class Maker:
    """Makes units of stages on the node that it is called on, and puts what it made into the shared store.

    Args:
        url: Of the shared store.
        measure: Limits of a stage.
        workers: Are given what is not measured, so that what a stage keeps in memory is there for the next unit; None
            gives each unit processes of its own.
    """

    def __init__(self, url: str, measure: MeasureSpec, workers: WarmWorkers | None = None) -> None:
        self.url, self.measure, self.workers = url, measure, workers
        self._opened: tuple[Store, SharedStore] | None = None

    def make(self, unit: list[Stage], inputs: list[Stage], ready: list[Stage]) -> Made:
        """Make a unit.

        Args:
            unit: One stage, or those of a round.
            inputs: Finished stages whose files it needs.
            ready: Finished stages that it comes after.

        Raises:
            UserError: This node's store cannot be written.
            DamagedError: An input is missing in the shared store, or damaged.
        """
        store, shared = self._open()
        executor = Executor(store, self.measure, _Silent(), fresh=True, retry=REMEMBERED, workers=self.workers)
        executor.done = {stage.key: Done(stage, "ok", shared.pull(stage.key, store), reused=True) for stage in inputs}
        executor.done |= {stage.key: Done(stage, "ok") for stage in ready if stage.key not in executor.done}
        executor.run(unit)
        outcomes: Made = []
        for stage in unit:
            done = executor.done[stage.key]
            if done.artefact is not None:
                shared.push(done.artefact)
            outcomes.append((done.status, done.reason, done.seconds))
        return outcomes

    def _open(self) -> tuple[Store, SharedStore]:
        """Once: a store verifies what it gives only the first time."""
        import ray

        from harness.pipeline.store.shared import SharedStore

        if self._opened is None:
            context = ray.get_runtime_context()
            os.environ["RAY_ADDRESS"] = context.gcs_address  # for stages that use the cluster themselves
            os.environ[ASSIGNED] = "1"
            here = Path(tempfile.gettempdir()) / f"laconic-bench-{getpass.getuser()}"
            store = Store(Path(os.environ.get(NODE_STORE, here)) / context.get_node_id()[:16])
            self._opened = store, SharedStore(self.url)
        return self._opened


class Holder:
    """An actor: makes stages one after another in one process, in which the model that the first one loads stays."""

    def __init__(self, url: str, measure: MeasureSpec) -> None:
        from harness.measure.workers.warm import WarmWorkers

        self._maker = Maker(url, measure, WarmWorkers(most_held=sys.maxsize))

    def begun(self) -> None:
        """Returns once the actor has its place."""

    def make(self, unit: list[Stage], inputs: list[Stage], ready: list[Stage]) -> Made:
        """As `Maker.make`."""
        return self._maker.make(unit, inputs, ready)


def made_here(unit: list[Stage], inputs: list[Stage], ready: list[Stage], url: str, measure: MeasureSpec) -> Made:
    """As `Maker.make`, each stage in a process of its own."""
    return Maker(url, measure).make(unit, inputs, ready)


class _Silent:
    """Says nothing: the driver does."""

    def begin(self, stage: Stage, number: int, total: int, expected: float | None = None) -> None:
        """Nothing."""

    def progress(self, done: int, total: int | None, text: str, stage: Stage, memory: int = 0) -> None:
        """Nothing."""

    def alive(self, stage: Stage, memory: int) -> None:
        """Nothing."""

    def end(self, done: Done, number: int, total: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
