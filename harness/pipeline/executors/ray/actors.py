"""Actors of a cluster that hold a model each, as many as there is work and room for, and no longer than that."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.executors.ray.types import Actor, Answer
    from harness.pipeline.stage import Stage

Size: TypeAlias = "tuple[float, int | None, int]"
"""Processors, bytes of memory (None: not asked for) and accelerators."""


@dataclass(eq=False)
class Held:
    """An actor, as the driver sees it.

    Attributes:
        holds: Key of the model that it keeps.
        actor: Its handle.
        answer: The call that it has not answered yet; None while it is idle.
        unit: The stages that it makes; None before its first ones.
    """

    holds: str
    actor: Actor
    answer: Answer | None
    unit: list[Stage] | None = None


class Holders:
    """The actors, and the units that wait for one.

    A unit is given only to an actor that has its place, so that no unit waits for a busy node while another actor has
    nothing to do. An actor that nothing waits for is ended at once: it would keep processors from stages that want a
    whole node, and those that its own next stage waits for.

    Args:
        cluster: Where they live.
        arguments: An actor is created with them.
        ask: Asks an actor to make a unit, and returns the answer to wait for.
        size: What an actor for this unit takes.
    """

    def __init__(
        self,
        cluster: Cluster,
        arguments: tuple[object, ...],
        ask: Callable[[Actor, list[Stage]], Answer],
        size: Callable[[list[Stage]], Size],
    ) -> None:
        self.cluster, self.arguments, self.ask, self.size = cluster, arguments, ask, size
        self.waiting: dict[str, list[list[Stage]]] = {}
        self.actors: list[Held] = []

    def add(self, unit: list[Stage]) -> None:
        """Let a unit wait for an actor that holds what it needs."""
        self.waiting.setdefault(unit[0].holds, []).append(unit)

    def assign(self) -> list[Answer]:
        """Give idle actors units, begin and end actors as is due. Returns the answers to wait for."""
        for holds, units in self.waiting.items():
            own = [held for held in self.actors if held.holds == holds]
            for held in own:
                if units and held.answer is None:
                    held.unit = units.pop(0)
                    held.answer = self.ask(held.actor, held.unit)
            if units:
                coming = sum(held.unit is None for held in own)
                size = self.size(units[0])
                for _ in range(min(len(units) - coming, self.cluster.places(*size) - len(own))):
                    self._begin(holds, size)
        for held in list(self.actors):
            if held.unit is None and not self.waiting.get(held.holds):
                self.end(held)
        return [held.answer for held in self.actors if held.answer is not None]

    def answering(self, answer: Answer) -> Held | None:
        """The actor whose answer this is; None where it is no actor's."""
        return next((held for held in self.actors if held.answer == answer), None)

    def take(self, holds: str) -> list[Stage] | None:
        """A unit that waits, which then waits no longer; None where there is none."""
        units = self.waiting.get(holds)
        return units.pop(0) if units else None

    def end(self, held: Held) -> None:
        """End an actor, whatever it does."""
        self.actors.remove(held)
        with contextlib.suppress(self.cluster.ray.exceptions.RayError):
            self.cluster.ray.kill(held.actor)

    def close(self) -> None:
        """End all."""
        for held in list(self.actors):
            self.end(held)

    def _begin(self, holds: str, size: Size) -> None:
        from harness.pipeline.executors.ray.node import Holder

        cpus, memory, gpus = size
        actor = self.cluster.actor(Holder, cpus=cpus, memory=memory, gpus=gpus).remote(*self.arguments)
        self.actors.append(Held(holds, actor, actor.begun.remote()))
