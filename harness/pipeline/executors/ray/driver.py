"""Run stages on a Ray cluster: what can go on at the same time does, a measuring stage has its node for itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.pipeline.executors.local import ALIVE_SECONDS, Executor
from harness.pipeline.executors.ray.actors import Holders
from harness.pipeline.executors.ray.node import made_here
from harness.pipeline.stage_outcome import Done, Watcher
from harness.pipeline.steps.per_query import FILE as PER_QUERY
from harness.pipeline.store.local import FILES
from harness.pipeline.store.manifest import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.pipeline.executors.ray.actors import Held, Size
    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.executors.ray.node import Made
    from harness.pipeline.executors.ray.types import Actor, Answer
    from harness.pipeline.stage import Stage
    from harness.pipeline.store.local import Artefact, Store
    from harness.pipeline.store.shared import SharedStore
    from harness.spec.models import MeasureSpec

TRIES = 4
"""How often a stage is begun whose node or worker was lost."""
LOOK_SECONDS = 0.2
READ_BY_DRIVER = ("quality", "summary")
"""Kinds of which the run folder needs files. Of the others it needs only what their manifest says, and values by query
where there are some."""


class RayExecutor(Executor):
    """Runs stages on a cluster; every node works as `Executor` does, with a store of its own.

    A stage's artefact is copied to the shared store as soon as it is finished, so a lost node loses what it was doing
    and nothing else; that is begun again on another one. Stages that hold a model are made by actors, which keep it.

    Args:
        cluster: Where to.
        shared: Where artefacts are kept.
        store: Of the driver: what the run folder is written from, and why stages failed.
        measure: Limits of a stage.
        watcher: Is called with what happens.
        fresh: As for `Executor`.
        retry: As for `Executor`.
        again: As for `Executor`.
    """

    def __init__(
        self,
        cluster: Cluster,
        shared: SharedStore,
        store: Store,
        measure: MeasureSpec,
        watcher: Watcher,
        *,
        fresh: bool = False,
        retry: Iterable[str] = (),
        again: Callable[[Stage], bool] | None = None,
    ) -> None:
        super().__init__(store, measure, watcher, fresh=fresh, retry=retry, again=again)
        self.cluster, self.shared = cluster, shared
        self._numbers: dict[str, int] = {}
        self._tries: dict[str, int] = {}
        self._begun: dict[str, Stage] = {}
        self._reported = 0.0
        self._holders = Holders(cluster, (shared.url, measure), self._ask, self._room)

    def run(self, stages: Sequence[Stage]) -> dict[str, Done]:
        """Run all stages, each as soon as its inputs are there. Returns how each ended, by key."""
        self._numbers = {stage.key: number for number, stage in enumerate(stages, start=1)}
        units: dict[str, list[Stage]] = {}
        for stage in stages:
            units.setdefault(stage.round or stage.key, []).append(stage)
        try:
            self._run_all(list(units.values()))
        finally:
            self._holders.close()
        return {stage.key: self.done[stage.key] for stage in stages}

    def _run_all(self, waiting: list[list[Stage]]) -> None:
        going: dict[Answer, list[Stage]] = {}
        while True:
            for unit in [unit for unit in waiting if self._ready(unit)]:
                waiting.remove(unit)
                todo = self._settled(unit)
                if todo and todo[0].holds:
                    self._holders.add(todo)
                elif todo:
                    going[self._submit(todo)] = todo
            answers = [*going, *self._holders.assign()]
            if not answers:
                if not waiting:
                    return
                continue
            ended: list[Answer] = []
            while not ended:  # by short waits: Ray answers Ctrl-C only between two looks of its own
                ended, _ = self.cluster.ray.wait(answers, num_returns=1, timeout=LOOK_SECONDS)
                self._say_alive()
            if (held := self._holders.answering(ended[0])) is not None:
                self._take_answer(held)
                continue
            unit = going.pop(ended[0])
            try:
                self._take(unit, self.cluster.ray.get(ended[0]))
            except self.cluster.ray.exceptions.RayError as error:
                if self._lost(unit, error):
                    going[self._submit(unit)] = unit

    def _take_answer(self, held: Held) -> None:
        """Take an actor's answer. A lost one loses the unit that it made, or one that waited for it."""
        unit, answer, held.unit, held.answer = held.unit, held.answer, None, None
        try:
            made = self.cluster.ray.get(answer)
        except self.cluster.ray.exceptions.RayError as error:
            if not isinstance(error, self.cluster.ray.exceptions.RayTaskError):
                self._holders.end(held)
            if unit is None and (unit := self._holders.take(held.holds)) is not None:
                self._begin(unit)
            if unit is not None and self._lost(unit, error):
                self._holders.add(unit)
        else:
            if unit is not None:
                self._take(unit, made)

    def _ready(self, unit: list[Stage]) -> bool:
        return all(needed.key in self.done for stage in unit for needed in (*stage.inputs.values(), *stage.after))

    def _settled(self, unit: list[Stage]) -> list[Stage]:
        """Note those that are stored, failed before or cannot begin; return the others."""
        todo = []
        for stage in unit:
            known = self._known(stage)
            if known is None:
                todo.append(stage)
            else:
                self._end(stage, known)
        return todo

    def _stored(self, stage: Stage) -> Artefact | None:
        try:
            return self._fetched(stage) if self.shared.has(stage.key) else None
        except DamagedError as error:
            self._drop_damaged(stage, error)  # what is made anew replaces it in the shared store, too
            return None

    def _fetched(self, stage: Stage) -> Artefact | None:
        manifest = self.shared.manifest(stage.key)
        if stage.kind in READ_BY_DRIVER or (manifest is not None and f"{FILES}/{PER_QUERY}" in manifest.files):
            return self.shared.pull(stage.key, self.store)
        return self.shared.described(stage.key, self.store)

    def _begin(self, unit: list[Stage]) -> None:
        for stage in unit:
            self._tries[stage.key] = self._tries.get(stage.key, 0) + 1
            self._begun[stage.key] = stage
            self.watcher.begin(stage, self._numbers[stage.key], len(self._numbers))

    def _say_alive(self) -> None:
        """Tell the watcher what is at work; what a node holds in memory is not known here."""
        if time.monotonic() - self._reported >= ALIVE_SECONDS:
            self._reported = time.monotonic()
            for stage in self._begun.values():
                self.watcher.alive(stage, 0)

    def _room(self, unit: list[Stage]) -> Size:
        threads, gpus = (max(getattr(stage, name) for stage in unit) for name in ("threads", "gpus"))
        return self.cluster.room(threads, self.measure.memory_limit, gpus)

    def _ask(self, actor: Actor, unit: list[Stage]) -> Answer:
        self._begin(unit)
        return actor.make.remote(unit, *_needed(unit))

    def _submit(self, unit: list[Stage]) -> Answer:
        self._begin(unit)
        node = None
        cpus, memory, gpus = self._room(unit)
        if any(stage.measures != "nothing" for stage in unit):
            wanted = {str(stage.about["machine"]) for stage in unit if "machine" in stage.about}
            fit = [name for name, machine in sorted(self.cluster.machines().items()) if wanted <= {machine}]
            if not fit:
                raise UserError(
                    "no running node has the machine of these times", key="--address",
                    remedy="start a node of the same kind, or run again to time on the other nodes",
                )  # fmt: skip
            node = fit[sum(self._tries.values()) % len(fit)]
            # All processors: nothing else runs there meanwhile, so that memory need not be asked for. An accelerator
            # must be: Ray hides those that were not.
            cpus, memory = float(self.cluster.nodes().get(node, 1)), None
            gpus = min(gpus, self.cluster.gpus(node))
        task = self.cluster.task(made_here, cpus=cpus, memory=memory, gpus=gpus, node=node)
        return task.remote(unit, *_needed(unit), self.shared.url, self.measure)

    def _take(self, unit: list[Stage], outcomes: Made) -> None:
        for stage, (status, reason, seconds) in zip(unit, outcomes, strict=True):
            if status == "ok":
                self.store.clear_failure(stage.key)
                self._end(stage, Done(stage, "ok", self._fetched(stage), seconds=seconds))
            else:
                self.store.note_failure(stage.key, status, reason)
                self._end(stage, Done(stage, status, reason=reason, seconds=seconds))

    def _lost(self, unit: list[Stage], error: Exception) -> bool:
        """Whether a unit whose task ended without an answer is to be begun again."""
        ray = self.cluster.ray.exceptions
        own = isinstance(error, ray.RayTaskError)
        again = not own and max(self._tries[stage.key] for stage in unit) < TRIES
        what = _cause(error) if own else f"its node or worker was lost ({type(error).__name__})"
        for stage in unit:
            if again:
                self.watcher.note(f"{stage.label}: {what}; begun again elsewhere")
            else:
                self._end(stage, Done(stage, "failed" if own else "killed", reason=what))
        return again

    def _end(self, stage: Stage, done: Done) -> None:
        self._begun.pop(stage.key, None)
        self.done[stage.key] = done
        self.watcher.end(done, self._numbers[stage.key], len(self._numbers))


def _needed(unit: list[Stage]) -> tuple[list[Stage], list[Stage]]:
    """Stages whose files a unit gets, and those that it only comes after."""
    inputs = {needed.key: needed for stage in unit for needed in stage.inputs.values()}
    ready = {needed.key: needed for stage in unit for needed in stage.after}
    return list(inputs.values()), list(ready.values())


def _cause(error: Exception) -> str:
    """What went wrong in a task, without Ray's own traceback."""
    cause = getattr(error, "cause", None) or error
    return str(cause) if isinstance(cause, UserError) else f"{type(cause).__name__}: {cause}"
