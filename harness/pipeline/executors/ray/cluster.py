"""A connection to a Ray cluster: what its nodes have, and tasks and actors on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cluster import connect
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from harness.pipeline.executors.ray.types import ActorMaker, Remote


class Cluster:
    """A connection to Ray.

    Args:
        address: Of the cluster's head; None starts Ray on this machine.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str | None) -> None:
        self.ray: ModuleType = connect(address, needed_by="--executor", given_by="--address")
        self._machines: dict[str, str] = {}

    def nodes(self) -> dict[str, int]:
        """Processors of each living node that has any, by its identifier."""
        return {name: int(resources["CPU"]) for name, resources in self._resources().items()}

    def room(self, threads: int, memory: int | None, gpus: int = 0) -> tuple[float, int | None, int]:
        """Processors, bytes and accelerators to ask for: as many as are wanted, but no more than some living node has.

        A task that fits on no node would wait for ever, and Ray would say nothing. What needs an accelerator and gets
        none says so itself.
        """
        nodes = list(self._resources().values())
        gpus = min(gpus, max((int(node.get("GPU", 0)) for node in nodes), default=0))
        nodes = [node for node in nodes if int(node.get("GPU", 0)) >= gpus]
        cpus = float(max(1, min(threads, int(max((node["CPU"] for node in nodes), default=1)))))
        most = max((int(node.get("memory", 0)) for node in nodes if node["CPU"] >= cpus), default=0)
        return cpus, None if memory is None else min(memory, most), gpus

    def places(self, cpus: float, memory: int | None, gpus: int) -> int:
        """How many that ask for this the living nodes could have at a time, at least one."""

        def on(node: dict[str, float]) -> int:
            wanted = {"CPU": cpus, "memory": memory or 0, "GPU": gpus}
            return min(int(node.get(name, 0) // much) for name, much in wanted.items() if much)

        return max(1, sum(on(node) for node in self._resources().values()))

    def gpus(self, node: str) -> int:
        """Accelerators of a node."""
        return int(self._resources().get(node, {}).get("GPU", 0))

    def _resources(self) -> dict[str, dict[str, float]]:
        living = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
        return {name: resources for name, resources in living.items() if resources.get("CPU", 0) >= 1}

    def machines(self) -> dict[str, str]:
        """Fingerprint of every living node's machine, by its identifier: times are kept under it."""
        for name in self.nodes():
            if name not in self._machines:
                try:
                    self._machines[name] = self.ray.get(self.task(_fingerprint, node=name, cpus=0).remote())
                except self.ray.exceptions.RayError:
                    continue  # it was lost meanwhile
        return {name: self._machines[name] for name in self.nodes() if name in self._machines}

    def machine(self) -> str:
        """The fingerprint that most nodes have: times are taken on those alone.

        Raises:
            UserError: No node lives.
        """
        machines = sorted(self.machines().values())
        if not machines:
            raise UserError("the Ray cluster has no node with a processor", key="--address", remedy="start one")
        return max(machines, key=machines.count)

    def task(
        self,
        function: Callable[..., object],
        *,
        cpus: float,
        memory: int | None = None,
        gpus: int = 0,
        node: str | None = None,
    ) -> Remote:
        """A function as a task with these resources; `node` binds it to one."""
        options: dict[str, object] = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "memory": memory}
        if node is not None:
            strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            options["scheduling_strategy"] = strategy(node, soft=False)
        task: Remote = self.ray.remote(function).options(**options)
        return task

    def actor(self, kind: type, *, cpus: float, memory: int | None = None, gpus: int = 0) -> ActorMaker:
        """A class whose actors keep these resources while they live."""
        maker: ActorMaker = self.ray.remote(kind).options(num_cpus=cpus, num_gpus=gpus, max_restarts=0, memory=memory)
        return maker


def _fingerprint() -> str:
    from harness.measure.machine.environment import machine_fingerprint

    return machine_fingerprint()
