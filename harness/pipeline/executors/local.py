"""Run stages, each in a process of its own; keep what they make; go on when one fails."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING
from uuid import uuid4

from harness.errors import UserError
from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.executors.rounds import parts_that_fit, timed_separately
from harness.pipeline.executors.timings import note
from harness.pipeline.stage_outcome import REMEMBERED, Done, Status, Watcher
from harness.pipeline.store.local import FILES
from harness.pipeline.store.manifest import DamagedError
from harness.pipeline.stored_result import conditions_met, read_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.measure.workers.worker_process import Order, Outcome
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


class Executor:
    """Runs stages on this machine, one after another; those of a round in turns.

    Args:
        store: Where artefacts are kept.
        measure: Limits of a stage.
        watcher: Is called with what happens.
        fresh: Make everything anew, whatever is stored.
        retry: Statuses of earlier failures to try again; ``disturbed`` for timings that were disturbed,
            ``not-in-turns`` for those that were not taken in turns with the others of their round.
        again: Says of a stage whether it is made anew although it is stored; of none by default.
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
    ) -> None:
        self.store, self.measure, self.watcher = store, measure, watcher
        self.retry = frozenset(retry)
        self.anew: Callable[[Stage], bool] = (lambda _: True) if fresh else again or (lambda _: False)
        self.done: dict[str, Done] = {}

    def run(self, stages: Sequence[Stage]) -> dict[str, Done]:
        """Run all stages, in order; those whose input failed are skipped. Returns how each ended, by key."""
        self.store.sweep()
        numbers = {stage.key: number for number, stage in enumerate(stages, start=1)}
        rounds: dict[str, list[Stage]] = {}
        for stage in stages:
            rounds.setdefault(stage.round or stage.key, []).append(stage)
        ran: set[str] = set()
        for stage in stages:
            if stage.key not in ran:
                self._run(rounds[stage.round or stage.key], numbers)
                ran.update(member.key for member in rounds[stage.round or stage.key])
            self.watcher.end(self.done[stage.key], numbers[stage.key], len(stages))
        return self.done

    def _run(self, stages: Sequence[Stage], numbers: Mapping[str, int]) -> None:
        """Run one stage, or one round of them."""
        with contextlib.ExitStack() as locks:
            for key in sorted(stage.key for stage in stages):  # sorted, so that no two runs wait for each other
                locks.enter_context(self.store.lock(key))
            known = {stage.key: self._known(stage) for stage in stages}
            if NOT_IN_TURNS in self.retry and timed_separately(stages, known):
                known = {key: done if done and done.status != "ok" else None for key, done in known.items()}
            self.done |= {key: done for key, done in known.items() if done is not None}
            waiting = [stage for stage in stages if known[stage.key] is None]
            for part in parts_that_fit(waiting, self.done):
                self._check_disk()
                for stage in part:
                    self.watcher.begin(stage, numbers[stage.key], len(numbers))
                self._make(part)

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
        token = uuid4().hex[:8] if len(stages) > 1 else ""
        with contextlib.ExitStack() as stack:
            directories = [stack.enter_context(self.store.unfinished(stage.key)) for stage in stages]
            orders = [self._order(*pair, token) for pair in zip(stages, directories, strict=True)]
            outcomes = self._call(orders, stages[0].seed)
            for stage, directory, outcome in zip(stages, directories, outcomes, strict=True):
                self.done[stage.key] = self._keep(stage, directory, outcome)

    def _call(self, orders: Sequence[Order], seed: int) -> list[Outcome]:
        """Each in a process of its own."""
        from harness.measure.workers.isolated import run_in_turns

        return run_in_turns(orders, seed=seed)

    def _order(self, stage: Stage, directory: Path, token: str) -> Order:
        from harness.measure.workers.worker_process import Order

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
            on_progress=self.watcher.progress,
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


def _processors(count: int) -> list[int]:
    """The last of the usable processors: the first ones serve most interrupts."""
    return sorted(os.sched_getaffinity(0))[-count:]


def _status(text: str) -> Status:
    known: dict[str, Status] = {
        name: name for name in ("failed", "unavailable", "timeout", "oom", "killed", "skipped", "incompatible")
    }
    return known.get(text, "failed")
