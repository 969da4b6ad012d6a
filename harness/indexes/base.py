"""Vectors to ranked documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.jsonvalue import JsonValue
    from harness.vectors import Kind, Vectors

Hits: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.float32]]"
"""(ids, scores), both queries x k: descending scores, ties by ascending document number, -1 and -inf past the last."""


@dataclass(frozen=True)
class Supports:
    """What an engine can take, so that an impossible pair is refused before any work."""

    kind: Kind
    exact: bool
    """The true top k of the vectors as stored (quantised where the engine quantises)."""
    max_width: int | None = None
    """Widest vocabulary or dimension; None for no bound that matters."""
    weights: tuple[str, ...] = ("float32",)
    """Weight types on offer."""
    threads: bool = True
    """The number of threads can be set and is obeyed."""
    block: int | None = None
    """Rows that are stored together, whatever else there is: an index cut between two blocks has the same scores, bit
    for bit. None where what is stored of a row depends on all."""


@dataclass(frozen=True)
class Work:
    """What a batch of queries made an engine do, in all. Exact counts, no estimates.

    `multiply_adds` are those really done to score; `postings` and `documents` are those visited; `bounds` are
    upper bounds evaluated to skip the rest. A field that an engine cannot count is None.
    """

    multiply_adds: int
    postings: int | None = None
    documents: int | None = None
    bounds: int | None = None

    def __add__(self, other: Work) -> Work:
        """Of both; a field that either engine cannot count is None."""
        return Work(
            self.multiply_adds + other.multiply_adds,
            _sum(self.postings, other.postings),
            _sum(self.documents, other.documents),
            _sum(self.bounds, other.bounds),
        )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


class Searcher(Protocol):
    """Answers one query after another; what can be done once for all of them was done before.

    An engine takes its own time. What its adapter adds around it (checks, conversions, the order of equal scores) is no
    merit or fault of the engine. So both are known.
    """

    engine_ns: int | None
    """Nanoseconds that the last query spent in the engine's own calls; None where that is not known."""

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row; the same hits as `Index.search` gives."""
        ...


@runtime_checkable
class Index(Protocol):
    """One engine over one set of vectors. A class registers itself with ``@indexes.register("name")``.

    Document numbers are row numbers; identifiers are stored, and counted, apart. `IndexBase` has the defaults that are
    named here; a class that does not inherit from it writes every hook itself.
    """

    Params: ClassVar[type[Params]]
    """Its parameters in a spec. No default."""
    supports: ClassVar[Supports]
    """Which vectors it takes. No default."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide what it builds, finds and takes; they are part of its stages' keys. No
    default: an engine in plain Python writes ``()``."""
    search_params: ClassVar[tuple[str, ...]]
    """Those of its parameters that `build` does not read, each with a default: one index is built and searched with
    several of their values. Default: none."""

    def __init__(self, params: Any) -> None: ...

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Build from CSR or float32 ndarray, also memory-mapped, or from an iterator of row blocks of either.

        Raises:
            UserError: Wrong kind or width, NaN or infinite values, negative weights where the engine has none.
        """
        ...

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The top k of each query row; see `Hits`."""
        ...

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """What answers single queries where latencies are measured. Default: `search`, nothing known of its parts."""
        ...

    def save(self, directory: Path) -> None:
        """Write into an existing empty folder; checksummed and versioned, no pickle."""
        ...

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open a saved index, memory-mapped where the engine can.

        Raises:
            UserError: A file is missing, truncated, damaged, or of another version.
        """
        ...

    def search_with(self, values: Mapping[str, JsonValue]) -> None:
        """Take these values of `search_params` from now on. Default: they replace those of ``self.params``.

        Raises:
            UserError: The index has no such parameter.
            pydantic.ValidationError: A value is out of bounds, or the index has no part that it applies to.
        """
        ...

    def memory(self) -> Mapping[str, int]:
        """Bytes by component; their sum is within 2 % of the saved size."""
        ...

    def work(self, queries: Vectors, k: int) -> Work | None:
        """What searching these queries does. Default: None, the engine does not tell."""
        ...

    @classmethod
    def codec(cls, params: Any) -> str:
        """In what an index with these parameters stores weights or vectors. Default: the first of its weights."""
        ...

    @classmethod
    def modules(cls, params: Any) -> tuple[str, ...]:
        """Modules whose code decides the result. Default: the module of the class."""
        ...

    @classmethod
    def libraries_with(cls, params: Any) -> tuple[str, ...]:
        """Distributions whose versions decide what an index with these parameters does. Default: `libraries`.

        An engine made of another one adds those of the other.
        """
        ...

    def reach(self) -> None:
        """Connect to whatever will run its parts, so that this is no part of what is measured afterwards.

        Default: nothing, all is in this process.

        Raises:
            UserError: It is not installed, or not reached.
        """
        ...

    def elsewhere(self) -> Sequence[tuple[str, str]]:
        """``/proc/self/smaps`` of each other process that holds a part: before it opened its part, and now.

        Default: none. Where there are some, the processor times of the process that opened the index are only a part.
        """
        ...


P = TypeVar("P", bound=Params)


class IndexBase(Generic[P]):
    """The defaults of `Index`: inherit from it, and write the rest.

    ``IndexBase[MyParams]`` tells a type checker which parameters the hooks take; plain ``IndexBase`` runs as well.
    """

    supports: ClassVar[Supports]
    libraries: ClassVar[tuple[str, ...]]
    search_params: ClassVar[tuple[str, ...]] = ()
    params: P

    def search_with(self, values: Mapping[str, JsonValue]) -> None:
        """Put them into ``self.params``."""
        if values:
            self.params = type(self.params).model_validate({**self.params.model_dump(), **values})

    def searcher(self: _CanSearch, k: int, *, threads: int = 1) -> Searcher:
        """`search`, one query at a time; how much of its time is the engine's is not known."""
        return PlainSearcher(self, k, threads)

    def work(self, queries: Vectors, k: int) -> Work | None:
        """None: the engine does not tell."""
        return None

    @classmethod
    def codec(cls, params: P) -> str:
        """The first of the weights that the engine has."""
        return cls.supports.weights[0]

    @classmethod
    def modules(cls, params: P) -> tuple[str, ...]:
        """The module of the class."""
        return (cls.__module__,)

    @classmethod
    def libraries_with(cls, params: P) -> tuple[str, ...]:
        """Those that the class declares."""
        return cls.libraries

    def reach(self) -> None:
        """Nothing: all is in this process."""

    def elsewhere(self) -> Sequence[tuple[str, str]]:
        """No other process."""
        return ()


class PlainSearcher:
    """`Index.search` for one query at a time."""

    engine_ns: int | None = None

    def __init__(self, index: _CanSearch, k: int, threads: int) -> None:
        self._index, self._k, self._threads = index, k, threads

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row."""
        return self._index.search(query, self._k, threads=self._threads)


class _CanSearch(Protocol):
    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits: ...
