"""Run stages, several beside each other and measured ones alone; keep what they make; go on when one fails."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from harness.errors import UserError
from harness.measure.machine.watch import WatchedConditions
from harness.measure.workers.isolated import run_in_turns
from harness.measure.workers.messages import Asked
from harness.measure.workers.warm import WarmWorkers
from harness.measure.workers.worker_process import Order, Worker, first_to_stop
from harness.pipeline.executors.beside import Room, may_join, runs_alone
from harness.pipeline.executors.rounds import expected_bytes, parts_that_fit, timed_separately, units_of
from harness.pipeline.executors.timings import highest_peaks, last_seconds, note
from harness.pipeline.stage_outcome import REMEMBERED, Done, Status, Watcher
from harness.pipeline.store.local import FILES
from harness.pipeline.store.manifest import DamagedError
from harness.pipeline.stored_result import conditions_met, read_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.measure.workers.worker_process import Outcome
    from harness.pipeline.stage import Stage
    from harness.pipeline.store.local import Artefact, Store
    from harness.spec.models import MeasureSpec

REMEDIES = {
    "timeout": "; raise measure.timeout, then run with --retry failed",
    "oom": "; raise measure.memory_limit, then run with --retry failed",
}
NOT_IN_TURNS = "not-in-turns"
"""Asks for timings to be made again that were not taken in turns with the others of their round."""
FREE_BYTES = 64 << 20
"""Less free space than this on the store's disk and no stage is begun."""
IDLE_BYTES = 256 << 20
"""Processes that wait for a stage and hold more than this are ended before a time is measured; others sleep."""
ALIVE_SECONDS = 1.0
"""How often the watcher is told that stages are still at work, which measure no time."""
LOOK_SECONDS = 0.5
"""How often a stage is looked at again that another run makes, while stages of this run are at work."""


@dataclass(eq=False)
class Going:
    """A stage at work beside others.

    Attributes:
        stage: The stage.
        worker: Its process.
        directory: What it writes into.
        held: Its lock and its directory, which end with it.
        beside: Whether another stage was at work at any moment.
        outcome: How it ended; None while it is at work.
    """

    stage: Stage
    worker: Worker
    directory: Path
    held: contextlib.ExitStack
    beside: bool = False
    outcome: Outcome | None = None


class Executor:
    """Runs stages on this machine: several beside each other, those that measure time alone, those of a round in turns.

    A stage begins as soon as its inputs are there, the earlier of two first. See `harness.pipeline.stage.Measures` for
    what runs alone and what in a fresh process.

    Args:
        store: Where artefacts are kept.
        measure: Limits of a stage.
        watcher: Is called with what happens.
        fresh: Make everything anew, whatever is stored.
        retry: Statuses of earlier failures to try again; ``disturbed`` for timings that were disturbed,
            ``not-in-turns`` for those that were not taken in turns with the others of their round.
        again: Says of a stage whether it is made anew although it is stored; of none by default.
        jobs: Stages at a time.
        workers: Processes for what is not measured, which outlive `run`; by default some that end with it.
    """

    def __init__(
        self,
        store: Store,
        measure: MeasureSpec,
        watcher: Watcher,
        *,
        fresh: bool = False,
        retry: Iterable[str] = (),
        again: Callable[[Stage], bool] | None = None,
        jobs: int = 1,
        workers: WarmWorkers | None = None,
    ) -> None:
        self.store, self.measure, self.watcher = store, measure, watcher
        self.retry = frozenset(retry)
        self.anew: Callable[[Stage], bool] = (lambda _: True) if fresh else again or (lambda _: False)
        self.jobs, self.workers = jobs, workers
        self.done: dict[str, Done] = {}
        self._warm = workers or WarmWorkers(2 * jobs)  # stages have one of two numbers of threads
        self._going: list[Going] = []
        self._memory, self._peaks, self._seconds = Room(), dict[str, int](), dict[str, float]()
        self._numbers: dict[str, int] = {}
        self._to_make, self._alone = set[str](), set[str]()
        self._made_elsewhere = False

    def run(self, stages: Sequence[Stage]) -> dict[str, Done]:
        """Run all stages; those whose input failed are skipped. Returns how each ended, by key.

        Raises:
            ValueError: A stage needs one that is not among them and did not end before.
        """
        self.store.sweep()
        self._peaks, self._seconds = highest_peaks(self.store), last_seconds(self.store)
        self._numbers = {stage.key: number for number, stage in enumerate(stages, start=1)}
        units = units_of(stages, self.done)
        try:
            while units or self._going:
                try:
                    self._begin_all(units)
                    units |= self._wait()
                except UserError:
                    while self._going:  # what is at work beside it is finished and kept
                        with contextlib.suppress(UserError):
                            self._wait()
                    raise
        finally:
            self._stop()
        return {stage.key: self.done[stage.key] for stage in stages}

    def _stop(self) -> None:
        """End what is still at work, and the processes of this run."""
        while self._going:
            going = self._going.pop()
            going.worker.close()
            going.held.close()
        if self.workers is None:
            self._warm.close()

    def _begin_all(self, units: dict[str, list[Stage]]) -> None:
        """Begin what can begin, in order; what needs no work, or ran alone, is taken from `units` as well."""
        self._made_elsewhere = False
        for name, unit in list(units.items()):
            if len(self._going) >= self.jobs:
                return
            if all(needed.key in self.done for stage in unit for needed in (*stage.inputs.values(), *stage.after)):
                waits = self._going and (self._runs_alone(unit) or not may_join(unit[0], self._at_work()))
                if not (waits and name in self._to_make) and self._try_to_begin(unit):
                    del units[name]
                else:
                    self._to_make.add(name)

    def _try_to_begin(self, unit: Sequence[Stage]) -> bool:
        """Begin one stage, or run it alone, or a round; False where it has to wait for what is at work."""
        with contextlib.ExitStack() as held:
            for key in sorted(stage.key for stage in unit):  # sorted, so that no two runs wait for each other
                if not held.enter_context(self.store.lock(key, wait=not self._going)):
                    self._made_elsewhere = True
                    return False
            known = {stage.key: self._known(stage) for stage in unit}
            if NOT_IN_TURNS in self.retry and timed_separately(unit, known):
                known = {key: done if done and done.status != "ok" else None for key, done in known.items()}
            waiting = [stage for stage in unit if known[stage.key] is None]
            if waiting and self._going and (self._runs_alone(unit) or not may_join(unit[0], self._at_work())):
                return False
            if waiting and not self._runs_alone(unit):
                (stage,) = waiting
                if not self._memory.take(stage, max(expected_bytes(stage, self.done), self._peaks.get(stage.label, 0))):
                    return False
                self._check_disk()
                self._begin_beside(stage, held.pop_all())
                return True
            self.done |= {key: done for key, done in known.items() if done is not None}
            for part in parts_that_fit(waiting, self.done):
                self._check_disk()
                self._warm.close_idle(IDLE_BYTES)
                for stage in part:
                    self._say_begin(stage)
                self._make(part)
        for stage in unit:
            self._tell(self.done[stage.key])
        return True

    def _begin_beside(self, stage: Stage, held: contextlib.ExitStack) -> None:
        """Begin a stage; what it holds is released when it has ended."""
        with held:
            directory = held.enter_context(self.store.unfinished(stage.key))
            self._say_begin(stage)
            order = self._order(stage, directory, "")
            worker = Worker(order) if stage.measures == "memory" else self._warm.begin(order)
            for other in self._going:
                other.beside = True
            self._going.append(Going(stage, worker, directory, held.pop_all(), bool(self._going)))

    def _wait(self) -> dict[str, list[Stage]]:
        """Wait until a stage at work has ended, and keep what it made.

        Returns:
            Stages that are to be made again alone, because others may have taken what they lacked.
        """
        if self._going and not any(going.outcome for going in self._going):
            by_worker = {going.worker: going for going in self._going}
            for worker, ended in self._first_to_stop(by_worker):
                assert not isinstance(ended, Asked)  # noqa: S101 - only stages of a round are given a way to ask
                by_worker[worker].outcome = ended
        again = {}
        finished = [(going, going.outcome) for going in self._going if going.outcome is not None]
        for going, outcome in finished:
            self._going.remove(going)
            if not self._finish(going, outcome):
                again[going.stage.key] = [going.stage]
        return again

    def _first_to_stop(self, at_work: Mapping[Worker, Going]) -> list[tuple[Worker, Asked | Outcome]]:
        """Those that stopped; none where a stage is to be looked at again that another run makes."""
        while True:
            stopped = first_to_stop(list(at_work), LOOK_SECONDS if self._made_elsewhere else ALIVE_SECONDS)
            if stopped:
                return stopped
            for worker, going in at_work.items():
                self.watcher.alive(going.stage, worker.resident())
            if self._made_elsewhere:
                return []

    def _finish(self, going: Going, outcome: Outcome) -> bool:
        """Keep what a stage made; False where it is to be made again alone."""
        stage = going.stage
        self._memory.free(stage)
        with going.held:
            if stage.measures == "nothing":
                self._warm.end(going.worker, outcome)
            lacked = going.beside and outcome.status in ("oom", "timeout")
            unexpected = going.worker.used and outcome.status in ("oom", "failed") and not outcome.expected
            if lacked or unexpected:
                self.watcher.note(f"made again in a fresh process with nothing beside it: {stage.label}")
                self._alone.add(stage.key)
                return False
            self.done[stage.key] = self._keep(stage, going.directory, outcome)
        self._tell(self.done[stage.key])
        return True

    def _runs_alone(self, unit: Sequence[Stage]) -> bool:
        return runs_alone(unit) or unit[0].key in self._alone

    def _at_work(self) -> list[Stage]:
        return [going.stage for going in self._going]

    def _say_begin(self, stage: Stage) -> None:
        expected = self._seconds.get(stage.label)
        self.watcher.begin(stage, self._numbers[stage.key], len(self._numbers), expected)

    def _tell(self, done: Done) -> None:
        self.watcher.end(done, self._numbers[done.stage.key], len(self._numbers))

    def _known(self, stage: Stage) -> Done | None:
        """How it ended before, or why it cannot begin; None where it is to be made."""
        for needed in (*stage.inputs.values(), *stage.after):
            if (before := self.done[needed.key]).status != "ok":
                cause = (
                    before.reason if before.status == "skipped" else f"{needed.label}: {before.status}: {before.reason}"
                )
                return Done(stage, "skipped", reason=cause)
        if not self.anew(stage) and (stored := self._readable(stage)) is not None and not self._again(stage, stored):
            return Done(stage, "ok", stored, reused=True, seconds=stored.seconds)
        failure = self.store.failure(stage.key)
        if failure and failure[0] in REMEMBERED and failure[0] not in self.retry and not self.anew(stage):
            return Done(stage, _status(failure[0]), reused=True, reason=failure[1])
        return None

    def _stored(self, stage: Stage) -> Artefact | None:
        try:
            return self.store.get(stage.key)
        except DamagedError as error:
            self._drop_damaged(stage, error)
            return None

    def _readable(self, stage: Stage) -> Artefact | None:
        """The stored artefact where it holds what its step returns."""
        stored = self._stored(stage)
        try:
            if stored is not None:
                read_result(stored, stage.function)
        except DamagedError as error:
            self._drop_damaged(stage, error)
            return None
        return stored

    def _drop_damaged(self, stage: Stage, error: DamagedError) -> None:
        self.watcher.note(f"damaged and made again: {stage.label} ({error})")
        self.store.remove(stage.key)

    def _again(self, stage: Stage, stored: Artefact) -> bool:
        """Whether a stored result is out of date (it sums up other times), or disturbed and to be tried again."""
        times = (needed for needed in stage.inputs.values() if needed.kind in ("latency", "summary"))
        if any(not self.done[needed.key].reused for needed in times):
            return True
        if "disturbed" not in self.retry:
            return False
        conditions = conditions_met(stored, stage.function)
        return isinstance(conditions, WatchedConditions) and bool(conditions.disturbance)

    def _make(self, stages: Sequence[Stage]) -> None:
        """Make one stage, or those of a round in turns, each in a fresh process."""
        token = uuid4().hex[:8] if len(stages) > 1 else ""
        with contextlib.ExitStack() as stack:
            directories = [stack.enter_context(self.store.unfinished(stage.key)) for stage in stages]
            orders = [self._order(*pair, token) for pair in zip(stages, directories, strict=True)]
            outcomes = run_in_turns(orders, seed=stages[0].seed)
            for stage, directory, outcome in zip(stages, directories, outcomes, strict=True):
                self.done[stage.key] = self._keep(stage, directory, outcome)

    def _order(self, stage: Stage, directory: Path, token: str) -> Order:
        inputs = {name: str(self.store.files(needed.key)) for name, needed in stage.inputs.items()}
        also = {"checkpoints": str(self._checkpoints(stage))} if stage.resumable else {}
        if token:
            also["round"] = token
        return Order(
            stage.function,
            {"out": str(directory / FILES), **stage.arguments, **inputs, **also},
            timeout=self.measure.timeout,
            memory_limit=self.measure.memory_limit,
            threads=stage.threads,
            pin=_processors(stage.threads) if stage.pinned else None,
            on_progress=partial(_report, self.watcher, stage),
            log=self.store.root / "unfinished" / f"{directory.name}.log",
            asks=bool(token),
            # A function of another package is run only where its code is part of the key.
            allow=("harness.", *(f"{name}:" for name in stage.modules)),
        )

    def _keep(self, stage: Stage, directory: Path, outcome: Outcome) -> Done:
        if outcome.status != "ok":
            log = self._keep_log(stage, directory.name)
            remedy = REMEDIES.get(outcome.status, "")
            reason = outcome.reason if outcome.expected else f"{outcome.reason}{remedy} (log: {log})"
            self.store.note_failure(stage.key, outcome.status, reason)
            return Done(stage, _status(outcome.status), reason=reason, seconds=outcome.seconds)
        try:
            artefact = self.store.commit(
                directory,
                key=stage.key,
                kind=stage.kind,
                label=stage.label,
                recipe=stage.recipe,
                result=outcome.result,
                seconds=outcome.seconds,
                peak_bytes=outcome.peak_bytes,
            )
        except OSError as error:
            raise UserError(
                f"cannot store the result: {error.strerror}",
                file=self.store.root,
                remedy="free space, or give another folder with --store; finished stages are kept",
            ) from None
        note(self.store, artefact)
        shutil.rmtree(self._checkpoints(stage), ignore_errors=True)
        (self.store.root / "unfinished" / f"{directory.name}.log").unlink(missing_ok=True)
        return Done(stage, "ok", artefact, seconds=outcome.seconds)

    def _checkpoints(self, stage: Stage) -> Path:
        return self.store.root / "checkpoints" / stage.key

    def _keep_log(self, stage: Stage, name: str) -> str:
        log, target = self.store.root / "unfinished" / f"{name}.log", self.store.root / "failures" / f"{stage.key}.log"
        if log.exists():
            log.replace(target)
        return str(target)

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.store.root).free
        if free < FREE_BYTES:
            raise UserError(
                f"only {free >> 20} MiB are free on the store's disk",
                file=self.store.root,
                remedy="free space, or give another folder with --store; finished stages are kept",
            )


def _report(watcher: Watcher, stage: Stage, done: int, total: int | None, text: str, memory: int) -> None:
    watcher.progress(done, total, text, stage, memory)


def _processors(count: int) -> list[int]:
    """The last of the usable processors: the first ones serve most interrupts."""
    return sorted(os.sched_getaffinity(0))[-count:]


def _status(text: str) -> Status:
    known: dict[str, Status] = {
        name: name for name in ("failed", "unavailable", "timeout", "oom", "killed", "skipped", "incompatible")
    }
    return known.get(text, "failed")
