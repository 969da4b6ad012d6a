"""Shards of an index in processes of a Ray cluster: each is opened where its files are seen, else they are sent."""

from __future__ import annotations

import contextlib
import gc
import os
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from harness.cluster import connect, require
from harness.errors import UserError
from harness.indexes import registry
from harness.indexes._files import digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECE = 64 << 20
"""Bytes of a file that are sent, and held in memory, at a time."""
MAPS = Path("/proc/self/smaps")
KEY = 'on = "ray"'


def check() -> None:
    """Say that Ray is missing before anything is built.

    Raises:
        UserError: It is not installed.
    """
    require(KEY)


def reach() -> Any:
    """Connect this process to the cluster, if it is not yet, and return Ray.

    Raises:
        UserError: Ray is not installed, or not reached.
    """
    ray = connect(os.environ.get("RAY_ADDRESS") or None, needed_by=KEY, given_by="RAY_ADDRESS")
    ray.put(bytes(1 << 20))  # maps the store of objects, whose pages do not belong to an index
    return ray


class Shards:
    """The shards of a saved index, each in an actor of its own; all end with the process that made this.

    The cluster is the one at ``RAY_ADDRESS``; without it Ray is started on this machine. Actors ask for no processor:
    a search waits for all of them, and one that measures may have taken every processor of its node.

    Args:
        directory: Of the whole index; a folder ``shard-N`` a shard.
        index: The engine's `type` and parameters.
        digests: SHA-256 of each shard's index.json.

    Raises:
        UserError: Ray is not installed or not reached, a shard is missing, damaged or of another index, or was lost.
    """

    def __init__(self, directory: Path, index: dict[str, Any], digests: Sequence[str]) -> None:
        self.directory = directory.absolute()
        self.ray = reach()
        kind = self.ray.remote(_Shard).options(num_cpus=0, max_restarts=0, scheduling_strategy="SPREAD")
        self.actors = [kind.remote(index) for _ in digests]
        folders = [self.directory / f"shard-{number}" for number in range(len(digests))]
        for number, seen in enumerate(self._seen(folders, digests)):
            if not seen:
                self._send(number, folders[number], digests[number])

    def each(self, method: str, *given: Any, **more: Any) -> list[Any]:
        """Call a method of every shard's index, all at once, and return what each gave.

        Raises:
            UserError: A shard was lost, or its index raised one.
        """
        return self._answers([actor.call.remote(method, given, more) for actor in self.actors])

    def maps(self) -> list[tuple[str, str]]:
        """What the kernel said of each shard's memory (smaps) before it was opened, and says now."""
        return self._answers([actor.maps.remote() for actor in self.actors])

    def _seen(self, folders: Sequence[Path], digests: Sequence[str]) -> list[bool]:
        """Whether each actor saw its shard, and so opened it."""
        pairs = zip(self.actors, folders, digests, strict=True)
        return self._answers([actor.find.remote(str(folder), digest) for actor, folder, digest in pairs])

    def _answers(self, asked: Sequence[Any]) -> list[Any]:
        return [self._answer(number, one) for number, one in enumerate(asked)]

    def _answer(self, number: int, asked: Any) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(asked)
        except errors.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            raise
        except errors.RayError as error:
            raise UserError(
                f"shard {number} of {len(self.actors)} was lost with its process or node ({type(error).__name__})",
                file=self.directory / f"shard-{number}",
                remedy="run again, with --retry failed, when the cluster is whole",
            ) from None

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

    def __init__(self, index: dict[str, Any]) -> None:
        self.engine: Any = registry.get(index["type"])
        self.index: Any = None
        self._sent: TemporaryDirectory[str] | None = None
        _warm(self.engine, index)
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
        with self._sent as here:
            self._sent = None
            if not self.find(here, digest):
                raise UserError("this shard is of another index", file=folder, remedy="build the index again")

    def call(self, method: str, given: tuple[Any, ...], more: dict[str, Any]) -> Any:
        """Call a method of the index."""
        return getattr(self.index, method)(*given, **more)

    def maps(self) -> tuple[str, str]:
        """See `Shards.maps`."""
        now = _maps()
        return zlib.decompress(self._before).decode(), zlib.decompress(now).decode()


def _warm(engine: Any, index: dict[str, Any]) -> None:
    """Import and compile what the engine needs: it is no part of what the shard takes."""
    rows: Any = sparse.identity(64, dtype=np.float32, format="csr")
    rows = rows if engine.supports.kind == "sparse" else rows.toarray()
    with contextlib.suppress(Exception):  # an engine may refuse such vectors; then it starts cold
        tiny = engine(engine.Params.model_validate({name: value for name, value in index.items() if name != "type"}))
        tiny.build(rows)
        tiny.search(rows[:1], 2)


def _maps() -> bytes:
    """Packed, lest the text itself counts."""
    gc.collect()
    return zlib.compress(MAPS.read_bytes())
