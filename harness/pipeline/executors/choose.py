"""Where stages run: on this machine, or on a Ray cluster. Each is one module that satisfies `Runs`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done, Watcher
    from harness.pipeline.store.local import Store
    from harness.spec.models import MeasureSpec

EXECUTORS = ("local", "ray")


class Runs(Protocol):
    """Runs stages and says how each ended; what is finished is kept whatever happens afterwards."""

    def run(self, stages: Sequence[Stage]) -> dict[str, Done]:
        """Run all stages; those whose input failed are skipped."""
        ...


class MakesExecutor(Protocol):
    """Makes the executor of a place; `harness.pipeline.executors.local.Executor` says what the arguments mean."""

    def __call__(
        self,
        store: Store,
        measure: MeasureSpec,
        watcher: Watcher,
        *,
        fresh: bool = ...,
        retry: Iterable[str] = ...,
        again: Callable[[Stage], bool] | None = ...,
    ) -> Runs:
        """Make it."""
        ...


@dataclass(frozen=True)
class Place:
    """Where stages run: `machine` is the fingerprint that times are kept under, `make` makes the executor."""

    machine: str
    make: MakesExecutor


def place(
    name: str, store: Store, *, address: str | None = None, artefacts: str | None = None, jobs: int | None = None
) -> Place:
    """Open the place of this name.

    Args:
        name: One of `EXECUTORS`.
        store: The local store; shared artefacts lie in it where `artefacts` is None, for nodes that see its folder.
        address: Of a Ray cluster.
        artefacts: URL (fsspec) of the store that all nodes reach.
        jobs: Stages at a time on this machine; by default as many as its processors and its memory allow.

    Raises:
        UserError: There is no such executor, its package is missing, or the cluster cannot be reached; or an option
            belongs to another executor, or is out of range.
    """
    if name == "local":
        from harness.measure.machine.environment import machine_fingerprint
        from harness.pipeline.executors.beside import default_jobs
        from harness.pipeline.executors.local import Executor

        if address or artefacts:
            raise UserError("--address and --artefacts belong to --executor ray", remedy="add --executor ray")
        if jobs is not None and jobs < 1:
            raise UserError(f"{jobs} stages cannot run at a time", key="--jobs", remedy="give 1 or more")
        return Place(machine_fingerprint(), partial(Executor, jobs=jobs or default_jobs()))
    if name == "ray":
        from harness.pipeline.executors.ray.cluster import Cluster
        from harness.pipeline.executors.ray.driver import RayExecutor
        from harness.pipeline.store.shared import SharedStore

        if jobs is not None:
            raise UserError(
                "--jobs belongs to --executor local",
                key="--jobs",
                remedy="leave it out: a cluster runs what its nodes have room for",
            )
        cluster, shared = Cluster(address), SharedStore(artefacts or str(store.root / "shared"))

        return Place(cluster.machine(), partial(RayExecutor, cluster, shared))
    raise UserError(f"there is no executor {name!r}", key="--executor", remedy=allowed(name, EXECUTORS))
