"""Where stages run: on this machine, or on a Ray cluster. Each is one module that satisfies `Runs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.pipeline.store.local import Store

EXECUTORS = ("local", "ray")


class Runs(Protocol):
    """Runs stages and says how each ended; what is finished is kept whatever happens afterwards."""

    def run(self, stages: Sequence[Stage]) -> dict[str, Done]:
        """Run all stages; those whose input failed are skipped."""
        ...


@dataclass(frozen=True)
class Place:
    """Where stages run: `machine` is the fingerprint that times are kept under, `make` makes the executor.

    `make` is called with the store, the limits (`MeasureSpec`) and the watcher, and with `fresh` and `retry` by name.
    """

    machine: str
    make: Callable[..., Runs]


def place(name: str, store: Store, *, address: str | None = None, artefacts: str | None = None) -> Place:
    """Open the place of this name.

    Args:
        name: One of `EXECUTORS`.
        store: The local store; shared artefacts lie in it where `artefacts` is None, for nodes that see its folder.
        address: Of a Ray cluster.
        artefacts: URL (fsspec) of the store that all nodes reach.

    Raises:
        UserError: There is no such executor, its package is missing, or the cluster cannot be reached.
    """
    if name == "local":
        from harness.measure.machine.environment import machine_fingerprint
        from harness.pipeline.executors.local import Executor

        if address or artefacts:
            raise UserError("--address and --artefacts belong to --executor ray", remedy="add --executor ray")
        return Place(machine_fingerprint(), Executor)
    if name == "ray":
        from harness.pipeline.executors.ray.cluster import Cluster
        from harness.pipeline.executors.ray.driver import RayExecutor
        from harness.pipeline.store.shared import SharedStore

        cluster, shared = Cluster(address), SharedStore(artefacts or str(store.root / "shared"))

        def make(*given: Any, **more: Any) -> Runs:
            return RayExecutor(cluster, shared, *given, **more)

        return Place(cluster.machine(), make)
    raise UserError(f"there is no executor {name!r}", key="--executor", remedy=allowed(name, EXECUTORS))
