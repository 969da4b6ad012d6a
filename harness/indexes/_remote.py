"""Shards of an index in processes of a Ray cluster. A process that does not see its shard's files gets them sent."""

from __future__ import annotations

import contextlib
import gc
import os
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

import numpy as np
from scipy import sparse

from harness.cluster import connect, require
from harness.errors import UserError
from harness.indexes._checks import built
from harness.indexes._shard_engine import ShardEngine, shard_engine
from harness.indexes.files import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from types import ModuleType

    from harness.indexes import Hits, Index, Work
    from harness.jsonvalue import JsonTable, JsonValue
    from harness.vectors import Vectors

T = TypeVar("T")
P = ParamSpec("P")

PIECE = 64 << 20
"""Bytes of a file that are sent, and held in memory, at a time."""
MAPS = Path("/proc/self/smaps")
KEY = 'on = "ray"'


class Call(Protocol[T]):
    """A call in another process that may not have returned yet: ``ray.ObjectRef``."""

    def future(self) -> Future[T]:
        """What the call will return."""
        ...


class RemoteMethod(Protocol[P, T]):
    """A method of an actor, as its handle has it."""

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """Call it in the actor's process, and return at once."""
        ...


class RemoteShard(Protocol):
    """Handle of an actor whose class is `_Shard`."""

    find: RemoteMethod[[str, str], bool]
    receive: RemoteMethod[[str, bytes], None]
    open: RemoteMethod[[str, str], None]
    search: RemoteMethod[[Vectors, int, int], Hits]
    search_with: RemoteMethod[[Mapping[str, JsonValue]], None]
    memory: RemoteMethod[[], Mapping[str, int]]
    work: RemoteMethod[[Vectors, int], Work | None]
    maps: RemoteMethod[[], tuple[str, str]]


def check() -> None:
    """Say that Ray is missing before anything is built.

    Raises:
        UserError: It is not installed.
    """
    require(KEY)


def reach() -> ModuleType:
    """Connect this process to the cluster, if it is not yet, and return Ray.

    Raises:
        UserError: Ray is not installed, or not reached.
    """
    ray: ModuleType = connect(os.environ.get("RAY_ADDRESS") or None, needed_by=KEY, given_by="RAY_ADDRESS")
    ray.put(bytes(1 << 20))  # maps the store of objects, whose pages do not belong to an index
    return ray


class Shards:
    """The shards of a saved index, each in an actor of its own; all end with the process that made this.

    The cluster is the one at ``RAY_ADDRESS``; without it Ray is started on this machine. Actors ask for no processor:
    a search waits for all of them, and one that measures may have taken every processor of its node.

    Args:
        directory: Of the whole index; each shard has its folder ``shard-N``.
        index: The engine's `type` and parameters.
        digests: SHA-256 of each shard's index.json.

    Raises:
        UserError: Ray is not installed or not reached, a shard is missing, damaged or of another index, or was lost.
    """

    def __init__(self, directory: Path, index: JsonTable, digests: Sequence[str]) -> None:
        self.directory = directory.absolute()
        self.ray = reach()
        kind = self.ray.remote(_Shard).options(num_cpus=0, max_restarts=0, scheduling_strategy="SPREAD")
        self.actors: list[RemoteShard] = [kind.remote(index) for _ in digests]
        folders = [self.directory / f"shard-{number}" for number in range(len(digests))]
        for number, opened in enumerate(self._open_where_visible(folders, digests)):
            if not opened:
                self._send(number, folders[number], digests[number])

    def search(self, queries: Vectors, k: int, *, threads: int) -> list[Hits]:
        """The top k of every shard; all search at once, each with this number of threads.

        Raises:
            UserError: A shard was lost, or its index raised one. So do the methods below.
        """
        return self._answers([actor.search.remote(queries, k, threads) for actor in self.actors])

    def search_with(self, values: Mapping[str, JsonValue]) -> None:
        """See `Index.search_with`; every shard takes them."""
        self._answers([actor.search_with.remote(values) for actor in self.actors])

    def memory(self) -> list[Mapping[str, int]]:
        """Bytes by component of every shard."""
        return self._answers([actor.memory.remote() for actor in self.actors])

    def work(self, queries: Vectors, k: int) -> list[Work | None]:
        """What searching these queries makes every shard do."""
        return self._answers([actor.work.remote(queries, k) for actor in self.actors])

    def maps(self) -> list[tuple[str, str]]:
        """Each shard's memory (smaps) before it was opened, and now."""
        return self._answers([actor.maps.remote() for actor in self.actors])

    def _open_where_visible(self, folders: Sequence[Path], digests: Sequence[str]) -> list[bool]:
        """Open each shard whose actor sees the folder; False where it does not."""
        pairs = zip(self.actors, folders, digests, strict=True)
        return self._answers([actor.find.remote(str(folder), digest) for actor, folder, digest in pairs])

    def _answers(self, calls: Sequence[Call[T]]) -> list[T]:
        return [self._answer(number, call) for number, call in enumerate(calls)]

    def _answer(self, number: int, call: Call[T]) -> T:
        errors = self.ray.exceptions
        try:
            answer: T = self.ray.get(call)
        except errors.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            raise
        except errors.RayError as error:
            raise UserError(
                f"shard {number} of {len(self.actors)} was lost with its process or node ({type(error).__name__})",
                file=self.directory / f"shard-{number}",
                remedy="when all nodes run again, repeat the run with --retry failed",
            ) from None
        return answer

    def _send(self, number: int, folder: Path, digest: str) -> None:
        """Piece by piece; the next one is read when the one before has arrived."""
        actor = self.actors[number]
        try:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                with file.open("rb") as source:
                    while piece := source.read(PIECE):
                        self._answer(number, actor.receive.remote(str(file.relative_to(folder)), piece))
        except OSError as error:
            raise UserError(f"cannot read this shard: {error.strerror}", file=folder) from None
        self._answer(number, actor.open.remote(str(folder), digest))


class _Shard:
    """An actor: one shard, and the memory of its process before it was opened."""

    def __init__(self, index: JsonTable) -> None:
        engine = shard_engine(index)
        self.engine = engine.engine
        self.index: Index | None = None
        self._sent: TemporaryDirectory[str] | None = None
        _warm(engine)
        self._before = _maps()

    def find(self, folder: str, digest: str) -> bool:
        """Open the shard in this folder; False where this node does not see it there."""
        described = Path(folder) / "index.json"
        if not described.is_file() or digest_of(described) != digest:
            return False
        self.index = self.engine.load(Path(folder))
        return True

    def receive(self, name: str, piece: bytes) -> None:
        """Append to a file of a temporary folder."""
        self._sent = self._sent or TemporaryDirectory(prefix="laconic-bench-shard-")
        file = Path(self._sent.name) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as target:
            target.write(piece)

    def open(self, folder: str, digest: str) -> None:
        """Open what was received from this folder.

        The files lose their names at once: what is mapped of them stays until this process ends, in whichever way.
        """
        if self._sent is None:
            raise UserError("this shard has no files", file=folder, remedy="build the index again")
        with self._sent as received:
            self._sent = None
            if not self.find(received, digest):
                raise UserError("this shard belongs to another index", file=folder, remedy="build the index again")

    def search(self, queries: Vectors, k: int, threads: int) -> Hits:
        """See `Index.search`."""
        return built(self.index).search(queries, k, threads=threads)

    def search_with(self, values: Mapping[str, JsonValue]) -> None:
        """See `Index.search_with`."""
        built(self.index).search_with(values)

    def memory(self) -> Mapping[str, int]:
        """See `Index.memory`."""
        return built(self.index).memory()

    def work(self, queries: Vectors, k: int) -> Work | None:
        """See `Index.work`."""
        return built(self.index).work(queries, k)

    def maps(self) -> tuple[str, str]:
        """See `Shards.maps`."""
        now = _maps()
        return zlib.decompress(self._before).decode(), zlib.decompress(now).decode()


def _warm(engine: ShardEngine) -> None:
    """Import and compile what the engine needs: it is no part of what the shard takes."""
    square = np.identity(64, np.float32)
    rows = sparse.csr_matrix(square) if engine.engine.supports.kind == "sparse" else square
    with contextlib.suppress(Exception):  # an engine may refuse such vectors; then it starts cold
        tiny = engine.new()
        tiny.build(rows)
        tiny.search(rows[:1], 2)


def _maps() -> bytes:
    """Packed, so that the text itself takes little memory."""
    gc.collect()
    return zlib.compress(MAPS.read_bytes())
