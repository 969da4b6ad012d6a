"""Training pairs by their number: lists, tables on disk, and choices of their rows, none of which copies a text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray


class Pair(NamedTuple):
    """One training pair with any hard negatives. All texts are without prefixes."""

    query: str
    positive: str
    negatives: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Further passages that answer the query: a training draws one of all of them in each pass."""
    scores: tuple[tuple[float, ...], ...] = ()
    """What each teacher gives the positive, the `others` and the negatives, in this order; for distillation."""
    symmetric: bool = False
    """Whether the passages are of the queries' kind and get the queries' prefix."""

    @property
    def positives(self) -> tuple[str, ...]:
        """All passages that answer the query."""
        return (self.positive, *self.others)


Example: TypeAlias = "Pair | tuple[str, str] | tuple[str, str, Sequence[str]]"
"""A pair, or its first two or three fields alone."""
BLOCK = 1 << 16
"""Places that are looked up at a time."""


def pair_of(example: Example) -> Pair:
    """An example with all fields."""
    if isinstance(example, Pair):
        return example
    return Pair(example[0], example[1], tuple(example[2]) if len(example) == 3 else ())


class Examples(Sequence[Pair]):
    """Pairs that are read one by one; a subclass says how many there are and how one is read.

    What looks at all pairs is a method, because a table on disk does it block by block.
    """

    @abstractmethod
    def row(self, place: int) -> Pair:
        """The pair at a place from 0."""

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> list[Pair]: ...
    def __getitem__(self, place: int | slice) -> Pair | list[Pair]:
        if isinstance(place, slice):
            return [self.row(number) for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self.row(place % len(self))

    def sharing(self, texts: Collection[str]) -> NDArray[np.bool_]:
        """Which pairs have one of these texts as the query or as a passage that answers it."""
        own = frozenset(texts)
        shared = (not own.isdisjoint((pair.query, *pair.positives)) for pair in self)
        return np.fromiter(shared, np.bool_, len(self))

    def with_negatives(self) -> NDArray[np.bool_]:
        """Which pairs have hard negatives."""
        return np.fromiter((bool(pair.negatives) for pair in self), np.bool_, len(self))


class Listed(Examples):
    """Pairs in memory.

    Args:
        pairs: Not copied.
    """

    def __init__(self, pairs: Sequence[Example]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def row(self, place: int) -> Pair:
        """See `Examples`."""
        return pair_of(self.pairs[place])


class Chosen(Examples):
    """Some pairs of others: four bytes a pair.

    Args:
        pairs: Of which they are chosen.
        mask: One for each pair: whether it is.
    """

    def __init__(self, pairs: Examples, mask: NDArray[np.bool_]) -> None:
        self.pairs = pairs
        self.places = np.empty(int(mask.sum()), np.uint32)
        end = 0
        for begin in range(0, len(mask), BLOCK):  # all places at once would be numbers of eight bytes
            block = mask[begin : begin + BLOCK].nonzero()[0]
            self.places[end : end + len(block)] = block + begin
            end += len(block)

    def __len__(self) -> int:
        return len(self.places)

    def row(self, place: int) -> Pair:
        """See `Examples`."""
        return self.pairs.row(int(self.places[place]))

    def sharing(self, texts: Collection[str]) -> NDArray[np.bool_]:
        """See `Examples`."""
        return self.pairs.sharing(texts).take(self.places)

    def with_negatives(self) -> NDArray[np.bool_]:
        """See `Examples`."""
        return self.pairs.with_negatives().take(self.places)


class Rest(Examples):
    """All pairs but some: sixteen bytes for each that is left out.

    Args:
        pairs: Of which.
        left_out: One for each pair: whether it is left out.
    """

    def __init__(self, pairs: Examples, left_out: NDArray[np.bool_]) -> None:
        self.pairs = pairs
        self._places = left_out.nonzero()[0]
        self._before = self._places - np.arange(len(self._places))  # pairs of the rest before each that is left out

    def __len__(self) -> int:
        return len(self.pairs) - len(self._places)

    def row(self, place: int) -> Pair:
        """See `Examples`."""
        return self.pairs.row(place + int(self._before.searchsorted(place, side="right")))

    def sharing(self, texts: Collection[str]) -> NDArray[np.bool_]:
        """See `Examples`."""
        return np.delete(self.pairs.sharing(texts), self._places)

    def with_negatives(self) -> NDArray[np.bool_]:
        """See `Examples`."""
        return np.delete(self.pairs.with_negatives(), self._places)


class Texts(Sequence[str]):
    """One text of each pair, made when it is asked for.

    Args:
        pairs: Of which.
        text: Of a pair.
    """

    def __init__(self, pairs: Examples, text: Callable[[Pair], str]) -> None:
        self.pairs, self.text = pairs, text

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self.text(pair) for pair in self.pairs[place]]
        return self.text(self.pairs[place])


def examples(pairs: Iterable[Example]) -> Examples:
    """These pairs as `Examples`; only what is no sequence is copied."""
    if isinstance(pairs, Examples):
        return pairs
    return Listed(pairs if isinstance(pairs, Sequence) else list(pairs))
