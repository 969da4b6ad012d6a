"""Actors of a cluster that hold a model each, as many as there is work and room for, and no longer than that."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.stage import Stage


@dataclass(eq=False)
class Held:
    """An actor, as the driver sees it: `asked` is the answer it owes, `unit` what it makes.

    One that owes its beginning has no unit yet; one that owes nothing is idle.
    """

    holds: str
    actor: Any
    asked: Any
    unit: list[Stage] | None = None


class Holders:
    """The actors, and the units that wait for one.

    A unit is given only to an actor that has its place, so that no unit waits for a busy node while another actor has
    nothing to do. An actor that nothing waits for is ended at once: it would keep processors from stages that want a
    whole node, and those that its own next stage waits for.

    Args:
        cluster: Where they live.
        given: What an actor is created with.
        ask: Asks an actor to make a unit, and returns the answer that it then owes.
        size: Processors, bytes and accelerators that an actor for this unit takes.
    """

    def __init__(
        self,
        cluster: Cluster,
        given: tuple[Any, ...],
        ask: Callable[[Any, list[Stage]], Any],
        size: Callable[[list[Stage]], tuple[float, int | None, int]],
    ) -> None:
        self.cluster, self.given, self.ask, self.size = cluster, given, ask, size
        self.waiting: dict[str, list[list[Stage]]] = {}
        self.actors: list[Held] = []

    def add(self, unit: list[Stage]) -> None:
        """Let a unit wait for an actor that holds what it needs."""
        self.waiting.setdefault(unit[0].holds, []).append(unit)

    def tend(self) -> list[Any]:
        """Give idle actors units, begin and end actors as is due. Returns the answers that are owed."""
        for holds, units in self.waiting.items():
            own = [one for one in self.actors if one.holds == holds]
            for one in own:
                if units and one.asked is None:
                    one.unit = units.pop(0)
                    one.asked = self.ask(one.actor, one.unit)
            if units:
                coming = sum(one.unit is None for one in own)
                size = self.size(units[0])
                for _ in range(min(len(units) - coming, self.cluster.places(*size) - len(own))):
                    self._begin(holds, size)
        for one in list(self.actors):
            if one.unit is None and not self.waiting.get(one.holds):
                self.end(one)
        return [one.asked for one in self.actors]

    def who_owes(self, asked: Any) -> Held | None:
        """The actor whose answer this is."""
        return next((one for one in self.actors if one.asked == asked), None)

    def take(self, holds: str) -> list[Stage] | None:
        """A unit that waits, which then waits no longer; None where there is none."""
        units = self.waiting.get(holds)
        return units.pop(0) if units else None

    def end(self, one: Held) -> None:
        """End an actor, whatever it does."""
        self.actors.remove(one)
        with contextlib.suppress(self.cluster.ray.exceptions.RayError):
            self.cluster.ray.kill(one.actor)

    def close(self) -> None:
        """End all."""
        for one in list(self.actors):
            self.end(one)

    def _begin(self, holds: str, size: tuple[float, int | None, int]) -> None:
        from harness.pipeline.executors.ray.node import Holder

        cpus, memory, gpus = size
        actor = self.cluster.actor(Holder, cpus=cpus, memory=memory, gpus=gpus).remote(*self.given)
        self.actors.append(Held(holds, actor, actor.begun.remote()))
