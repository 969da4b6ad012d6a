"""An index in shards: each is an index of a part of the documents, and the results of all are merged exactly.

With an exact engine the results are those of one index. An approximate engine proposes candidates in each shard, so its
results differ from those of one index; see `ShardedTwoPhase`.
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, JsonValue, ValidationError, field_validator

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, _remote, register, registry
from harness.indexes._shard_engine import shard_engine
from harness.indexes.files import Header, digest_of, seal, unseal_header
from harness.indexes.two_phase import TwoPhase, TwoPhaseParams
from harness.spec.params import Params
from harness.vectors import Kind, csr_over, matrices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness import jsonvalue
    from harness.indexes import Index
    from harness.vectors import Vectors

VERSION = 1
BLOCK = 4096
"""Rows that are handed to an engine at a time."""


class ShardedParams(Params):
    """What is sharded, and how finely."""

    index: dict[str, JsonValue]
    """The engine of each shard as it would stand in a spec: its `type` and parameters. Only exact ones can be cut."""
    documents: int = Field(default=1 << 20, ge=1)
    """Documents of a full shard, rounded up to whole blocks of the engine (65,536 for `inverted`)."""
    on: Literal["here", "ray"] = "here"
    """Where the shards of a saved index live when it is opened: in this process, or each in a process of a Ray cluster
    (the one at RAY_ADDRESS; without it, of this machine). The results are the same."""

    kind: ClassVar[Kind] = "sparse"

    @field_validator("index")
    @classmethod
    def _can_be_sharded(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            inner = shard_engine(value)
        except UserError as error:
            raise ValueError(f"{error.what} ({error.remedy})") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"index.{where}: {first['msg']}") from None
        if not _can_be_cut(inner.engine.supports, cls.kind):
            known = [name for name in registry.names() if _can_be_cut(registry.get(name).supports, cls.kind)]
            other = "; to shard two-phase, use the engine sharded-two-phase" if value["type"] == "two-phase" else ""
            raise ValueError(
                f"shards of {value['type']!r} cannot be searched as one index; here, shard one of: "
                f"{', '.join(known)}{other}"
            )
        return {"type": value["type"], **inner.params.model_dump(mode="json")}


class ShardedDenseParams(ShardedParams):
    """What is sharded, and how finely: a dense engine."""

    kind: ClassVar[Kind] = "dense"


class ShardedTwoPhaseParams(TwoPhaseParams):
    """Parameters of each shard, a two-phase index, and how finely documents are sharded."""

    documents: int = Field(default=1 << 20, ge=1)
    """Documents of a full shard."""
    on: Literal["here", "ray"] = "here"
    """Where the shards of a saved index live when it is opened, as for `sharded`."""

    @property
    def index(self) -> dict[str, JsonValue]:
        """The engine of each shard as it would stand in a spec."""
        return {"type": "two-phase", **self.model_dump(mode="json", include=set(TwoPhaseParams.model_fields))}


AnyShardedParams: TypeAlias = ShardedParams | ShardedTwoPhaseParams


class ShardedHeader(Header):
    """What binds the shards to each other.

    `params` are the index's parameters; `starts` the number of each shard's first document, then of all documents;
    `shards` the SHA-256 of each shard's ``index.json``.
    """

    params: dict[str, JsonValue]
    starts: list[int]
    shards: list[str]


class _Sharded(IndexBase[AnyShardedParams]):
    """Shards of one engine, searched one after another, or side by side where there are threads to spare.

    Shards of an exact engine end where its own blocks end (`Supports.block`), so that each holds what the engine would
    hold of these documents anyway: every score has the same bits as in one index. The best k of all shards' best k,
    ties by ascending document number, are therefore one index's best k. Those of an approximate engine are the best k
    of all shards' candidates.

    An index is built in one process. With `on = "ray"`, each shard of a saved one is opened in a process of its own:
    `away` then has the shards, and `shards` is empty.
    """

    Params: ClassVar[type[Params]]
    supports: ClassVar[Supports]
    sealed_as: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    def __init__(self, params: AnyShardedParams) -> None:
        self.params = params
        self.shards: list[Index] = []
        self.away: _remote.Shards | None = None
        self.starts = [0]

    @classmethod
    def codec(cls, params: AnyShardedParams) -> str:
        """The codec of the shards."""
        inner = shard_engine(params.index)
        return inner.engine.codec(inner.params)

    @classmethod
    def modules(cls, params: AnyShardedParams) -> tuple[str, ...]:
        """This module and those of the shards' engine."""
        inner = shard_engine(params.index)
        return (cls.__module__, *inner.engine.modules(inner.params))

    @classmethod
    def libraries_with(cls, params: AnyShardedParams) -> tuple[str, ...]:
        """Those of the shards' engine, with ours; Ray's where it carries the shards."""
        inner = shard_engine(params.index)
        carrier = ("ray",) if params.on == "ray" else ()
        return tuple(sorted({*cls.libraries, *inner.engine.libraries_with(inner.params), *carrier}))

    @property
    def size(self) -> int:
        """Documents of a full shard."""
        block = shard_engine(self.params.index).engine.supports.block or 1
        return -(-self.params.documents // block) * block

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Build shard by shard; the engine's own memory apart, no more than one block of rows is held."""
        if self.params.on == "ray":
            _remote.check()
        self.shards, self.away, self.starts = [], None, [0]
        rows, engine = _Feed(vectors), shard_engine(self.params.index)
        while not self.shards or rows.more():
            shard = engine.new()
            begin = rows.taken
            shard.build(rows.take(self.size))
            self.shards.append(shard)
            self.starts.append(self.starts[-1] + rows.taken - begin)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The best k of all shards' best k: the exact top k where the engine is exact.

        Threads take shards where there are fewer queries than threads, else queries.
        Shards in other processes search all at once, each with `threads` threads.
        """
        if self.away is not None:
            parts = self.away.search(queries, k, threads=threads)
        elif threads > queries.shape[0] and len(self.shards) > 1:
            with ThreadPoolExecutor(min(threads, len(self.shards))) as pool:
                parts = list(pool.map(lambda shard: shard.search(queries, k), self.shards))
        else:
            parts = [shard.search(queries, k, threads=threads) for shard in self.shards]
        if not parts:
            raise UserError("this index is empty", remedy="call build or load before anything else")
        return merge(parts, self.starts, k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """The shards' searchers one after another, and the merge; other processes and threads answer as in `search`."""
        if self.away is not None or (threads > 1 and len(self.shards) > 1) or not self.shards:
            return super().searcher(k, threads=threads)
        return ShardSearcher([shard.searcher(k, threads=threads) for shard in self.shards], self.starts, k)

    def search_with(self, values: Mapping[str, jsonvalue.JsonValue]) -> None:
        """Every shard takes them."""
        super().search_with(values)
        for shard in self.shards:
            shard.search_with(values)
        if self.away is not None:
            self.away.search_with(values)

    def save(self, directory: Path) -> None:
        """A folder for each shard, and index.json with `ShardedHeader`."""
        if self.away is not None:
            shutil.copytree(self.away.directory, directory, dirs_exist_ok=True)
            return
        digests = []
        for number, shard in enumerate(self.shards):
            folder = directory / f"shard-{number}"
            folder.mkdir()
            shard.save(folder)
            digests.append(digest_of(folder / "index.json"))
        params = self.params.model_dump(mode="json")
        seal(directory, self.sealed_as, VERSION, ShardedHeader(params=params, starts=self.starts, shards=digests))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open every shard as its engine does, here or in other processes."""
        header = unseal_header(directory, cls.sealed_as, VERSION, ShardedHeader)
        index = cls(cls._params(header.params))
        engine = shard_engine(index.params.index).engine
        index.starts = header.starts
        if index.params.on == "ray":
            index.away = _remote.Shards(directory, index.params.index, header.shards)
            return index
        for number, digest in enumerate(header.shards):
            folder = directory / f"shard-{number}"
            index.shards.append(engine.load(folder))
            if digest_of(folder / "index.json") != digest:
                raise UserError("this shard belongs to another index", file=folder, remedy="build the index again")
        return index

    def memory(self) -> dict[str, int]:
        """The engine's components, summed over shards."""
        parts: list[Mapping[str, int]] = [shard.memory() for shard in self.shards]
        total: dict[str, int] = {}
        for part in parts if self.away is None else self.away.memory():
            for name, size in part.items():
                total[name] = total.get(name, 0) + size
        return total

    def work(self, queries: Vectors, k: int) -> Work | None:
        """Summed over shards; None where the engine does not tell."""
        if self.away is not None:
            parts = self.away.work(queries, k)
        else:
            parts = [shard.work(queries, k) for shard in self.shards]
        total: Work | None = Work(0, 0, 0, 0)
        for part in parts:
            total = None if part is None or total is None else total + part
        return total

    def reach(self) -> None:
        """See `Index`."""
        if self.params.on == "ray":
            _remote.reach()

    def elsewhere(self) -> list[tuple[str, str]]:
        """See `Index`."""
        return self.away.maps() if self.away is not None else []

    @classmethod
    @abstractmethod
    def _params(cls, table: dict[str, JsonValue]) -> AnyShardedParams:
        """The parameters that a saved index has."""


@register("sharded")
class Sharded(_Sharded):
    """Shards of an exact sparse engine with an exact merge."""

    Params: ClassVar[type[Params]] = ShardedParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, weights=("as the engine's",))
    sealed_as: ClassVar[str] = "sharded-sparse"

    @classmethod
    def _params(cls, table: dict[str, JsonValue]) -> AnyShardedParams:
        return ShardedParams.model_validate(table)


@register("sharded-dense")
class ShardedDense(_Sharded):
    """Shards of an exact dense engine with an exact merge."""

    Params: ClassVar[type[Params]] = ShardedDenseParams
    supports: ClassVar[Supports] = Supports("dense", exact=True, weights=("as the engine's",))
    sealed_as: ClassVar[str] = "sharded-dense"

    @classmethod
    def _params(cls, table: dict[str, JsonValue]) -> AnyShardedParams:
        return ShardedDenseParams.model_validate(table)


@register("sharded-two-phase")
class ShardedTwoPhase(_Sharded):
    """Shards of the two-phase index, each of which proposes and scores `candidates` documents of its own.

    Scores are comparable between shards, because each is that of the document's own row.
    """

    Params: ClassVar[type[Params]] = ShardedTwoPhaseParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("u8",))
    search_params: ClassVar[tuple[str, ...]] = TwoPhase.search_params
    sealed_as: ClassVar[str] = "sharded-two-phase"

    @classmethod
    def _params(cls, table: dict[str, JsonValue]) -> AnyShardedParams:
        return ShardedTwoPhaseParams.model_validate(table)


class ShardSearcher:
    """Single queries over shards in this process; the engine's time is that of all shards."""

    def __init__(self, shards: Sequence[Searcher], starts: Sequence[int], k: int) -> None:
        self.engine_ns: int | None = None
        self._shards, self._starts, self._k = shards, starts, k

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row."""
        parts = [shard(query) for shard in self._shards]
        times = [shard.engine_ns for shard in self._shards]
        known = [spent for spent in times if spent is not None]
        self.engine_ns = sum(known) if len(known) == len(times) else None
        return merge(parts, self._starts, self._k)


def merge(parts: Sequence[Hits], starts: Sequence[int], k: int) -> Hits:
    """The best k of several shards' best; see `Hits` for the order.

    Args:
        parts: (ids int64, scores float32) of each shard, queries x its depth, numbers counted from the shard's start.
        starts: Number of each shard's first document; what follows the last shard's is not read.
        k: Documents to return. The result is exact where each shard returned its best k or more.
    """
    pairs = zip(parts, starts, strict=False)
    ids = np.concatenate([np.where(own >= 0, own + start, -1) for (own, _), start in pairs], axis=1)
    scores = np.concatenate([own for _, own in parts], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


class _Feed:
    """Rows of a matrix, or of an iterator of matrices, handed out shard by shard in blocks, nothing copied."""

    def __init__(self, vectors: Vectors | Iterable[Vectors]) -> None:
        self._source = matrices_of(vectors)
        self._block: Vectors | None = next(self._source)
        self._begin = self.taken = 0

    def more(self) -> bool:
        """Whether there are rows left."""
        while self._block is not None and self._begin >= self._block.shape[0]:
            self._block, self._begin = next(self._source, None), 0
        return self._block is not None

    def take(self, count: int) -> Iterator[Vectors]:
        """Blocks of the next `count` rows; an empty block where there are none, for the sake of its width."""
        if self._block is not None and not self._block.shape[0]:
            yield self._block
        while count and self.more() and self._block is not None:
            end = min(self._begin + min(count, BLOCK), self._block.shape[0])
            block = _rows(self._block, self._begin, end)
            count, self.taken, self._begin = count - (end - self._begin), self.taken + end - self._begin, end
            yield block


def _rows(matrix: Vectors, begin: int, end: int) -> Vectors:
    """Rows as a view: scipy would copy, and so read a mapped file into memory."""
    if isinstance(matrix, np.ndarray):
        return matrix[begin:end]
    csr = matrix.tocsr()
    first, last = int(csr.indptr[begin]), int(csr.indptr[end])
    indptr = np.asarray(csr.indptr[begin : end + 1]) - first
    return csr_over(csr.data[first:last], csr.indices[first:last], indptr, csr.shape[1])


def _can_be_cut(supports: Supports, kind: Kind) -> bool:
    return supports.kind == kind and supports.exact and supports.block is not None
