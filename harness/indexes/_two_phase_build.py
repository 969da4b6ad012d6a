"""The arrays of a two-phase index, and how they are made of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.indexes._forward import FAR, NEAR, SPLIT, Forward, pack_rows
from harness.indexes._rooms import rooms_for
from harness.indexes.files import REMEDY, map_array

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.indexes._rows import Rows, TidyRows
    from harness.indexes.inverted import Inverted

    Heavy: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32]]
    """Numbers of terms, documents, weights."""
    Lists: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32]]
    """Where each term's postings begin; postings (document x 256 + impact); scales of the terms' impacts."""

COUNTED = 1 << 16
"""The first documents, which decide the order of terms by frequency, and which postings are heavy."""
RARITY = 0.5
"""Power of a term's rarity, log(1 + documents / documents with it). Weights are multiplied by it to choose postings.

Queries hold frequent terms more often, so a posting of such a term is read more often for what it tells.
"""
MOST = (1 << 24) - 1
"""Documents that numbers of three bytes can name, one of them meaning none."""
S = TypeVar("S", bound=np.generic)


class Parts(NamedTuple):
    """The arrays of an index; n documents, v terms of the vocabulary.

    `rows`, `offsets`, `counts`, `row_scales`: see `Forward`. `numbers` int32 (v): a term's number by frequency, which
    rows use. `links` uint8 (n x links x 3): documents, low byte first; ones alone where there is none.
    """

    rows: NDArray[np.uint8]
    offsets: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    row_scales: NDArray[np.float32]
    numbers: NDArray[np.int32]
    links: NDArray[np.uint8]

    def forward(self) -> Forward:
        """The rows, as kernels take them."""
        return Forward(self.rows, self.offsets, self.counts, self.row_scales)

    @property
    def degree(self) -> int:
        """Links of a document."""
        return len(self.links) // 3 // max(len(self.counts), 1)

    def frozen(self) -> Parts:
        """Read-only, like mapped ones, so that one compiled kernel serves both."""
        for array in self:
            array.flags.writeable = False
        return self


def map_parts(directory: Path, documents: int, terms: int, degree: int) -> Parts:
    """The arrays of a saved index, mapped.

    Raises:
        UserError: As `map_array`, or an array is not as long as these numbers of documents, terms and links need.
    """

    def array(name: str, dtype: type[S]) -> NDArray[S]:
        return map_array(directory, name, dtype)

    parts = Parts(
        rows=array("rows", np.uint8),
        offsets=array("offsets", np.uint32),
        counts=array("counts", np.uint16),
        row_scales=array("row_scales", np.float32),
        numbers=array("numbers", np.int32),
        links=array("links", np.uint8),
    )
    needed = {"offsets": documents + 1, "counts": documents, "row_scales": documents, "links": 3 * degree * documents}
    needed |= {"rows": int(parts.offsets.max(initial=0)), "numbers": terms}
    for name, values in parts._asdict().items():
        if values.shape != (needed[name],):
            raise UserError(
                f"the index is damaged: {values.size} numbers in an array that needs {needed[name]}",
                file=directory / f"{name}.npy",
                remedy=REMEDY,
            )
    return parts.frozen()


class Counts(NamedTuple):
    """What the first documents say of v terms.

    `numbers` int32 (v): by descending frequency. `rarities` float32 (v): what a weight of each term is multiplied by.
    `least`: the product from which on a posting is heavy.
    """

    numbers: NDArray[np.int32]
    rarities: NDArray[np.float32]
    least: np.float32


def make(blocks: Iterable[Rows], share: float, degree: int, heavy: Inverted) -> Parts:
    """Index rows, each block as it comes; `heavy` is built over the heaviest postings, at least one of each document.

    Raises:
        UserError: More documents, or more bytes of rows, than an index can hold.
    """
    work = _Work(share, degree)
    heavy.build(work.pruned(blocks))
    return work.parts()


class _Work:
    """What a build gathers of the blocks while their heavy postings are indexed."""

    def __init__(self, share: float, degree: int) -> None:
        self.share, self.degree = share, degree
        self.packed: list[Forward] = []
        self.heavy: list[Heavy] = []
        self.norms: list[NDArray[np.float32]] = []
        self.numbers = np.zeros(0, np.int32)

    def pruned(self, blocks: Iterable[Rows]) -> Iterator[sparse.csr_matrix]:
        """Each block's rows with their heavy postings alone, and at least with the heaviest of each."""
        documents = size = 0
        for block, counts in _counted(blocks, self.share):
            rows, self.numbers = block.tidy(), counts.numbers
            terms = counts.numbers[rows.indices]
            self.packed.append(_packed(rows, terms))
            documents, size = documents + len(rows), size + len(self.packed[-1].rows)
            if documents > MOST or size >= 1 << 32:
                raise UserError(
                    f"more than {documents - len(rows):,} of these documents do not fit into one index of this engine",
                    remedy="use the engine inverted, in shards where memory is short",
                )
            lengths = np.diff(rows.indptr)
            products, filled = rows.data * counts.rarities[rows.indices], lengths > 0
            highest = np.maximum.reduceat(products, rows.indptr[:-1][filled]) if len(products) else products
            chosen = np.flatnonzero(products >= np.minimum(np.repeat(highest, lengths[filled]), counts.least))
            if self.degree:
                named = (np.repeat(np.arange(len(rows)), lengths)[chosen] + documents - len(rows)).astype(np.uint32)
                self.heavy.append((terms[chosen].astype(np.uint32), named, rows.data[chosen]))
                self.norms.append(_norms(rows))
            heaviest = rows.data[chosen], rows.indices[chosen], np.searchsorted(chosen, rows.indptr)
            yield sparse.csr_matrix(heaviest, shape=(len(rows), rows.width))

    def parts(self) -> Parts:
        """The arrays; nothing that was gathered is needed afterwards."""
        ends = np.cumsum([0, *(len(part.rows) for part in self.packed)])
        offsets = [part.offsets[:-1] + np.uint32(begin) for part, begin in zip(self.packed, ends[:-1], strict=True)]
        forward = Forward(
            rows=np.concatenate([part.rows for part in self.packed]),
            offsets=np.append(np.concatenate(offsets), ends[-1]).astype(np.uint32),
            counts=np.concatenate([part.counts for part in self.packed]),
            scales=np.concatenate([part.scales for part in self.packed]),
        )
        self.packed.clear()
        parts = Parts(*forward, self.numbers, np.zeros(0, np.uint8)).frozen()
        if self.degree:
            lists = _lists(self.heavy, len(self.numbers))
            parts = parts._replace(links=_linked(parts, lists, np.concatenate(self.norms), self.degree))
        return parts.frozen()


def _counted(blocks: Iterable[Rows], share: float) -> Iterator[tuple[Rows, Counts]]:
    """All blocks, each with what the first `COUNTED` documents say, of whose postings `share` are heavy."""
    waiting: list[Rows] = []
    left, counts = COUNTED, None
    for block in blocks:
        if counts is not None:
            yield block, counts
            continue
        left -= min(left, len(block))
        waiting.append(block)
        if not left:
            counts = _counts(waiting, share)
            yield from ((each, counts) for each in waiting)
            waiting = []
    if waiting:
        counts = _counts(waiting, share)
        yield from ((each, counts) for each in waiting)


def _counts(blocks: Sequence[Rows], share: float) -> Counts:
    """What the first `COUNTED` documents of these blocks say."""
    parts, left = [], COUNTED
    for block in blocks:
        parts.append(block.part(0, min(left, len(block))).tidy())
        left -= len(parts[-1])
    indices, width = np.concatenate([part.indices for part in parts]), blocks[0].width
    frequencies = np.bincount(indices, minlength=width)
    numbers = np.empty(width, np.int32)
    numbers[np.argsort(-frequencies, kind="stable")] = np.arange(width, dtype=np.int32)
    rarities = (np.log1p((COUNTED - left) / np.maximum(frequencies, 1)) ** RARITY).astype(np.float32)
    products = np.concatenate([part.data for part in parts]) * rarities[indices]
    light = len(products) - int(np.ceil(share * len(products)))
    least = np.partition(products, light)[light] if light else np.float32(0)
    return Counts(numbers, rarities, least)


def _packed(rows: TidyRows, terms: NDArray[np.int32]) -> Forward:
    escapes = len(rows) * (2 * (SPLIT // NEAR + 1) + 3 * (rows.width // FAR + 1))
    room, offsets = np.zeros(3 * len(terms) + escapes, np.uint8), np.zeros(len(rows) + 1, np.uint32)
    counts, scales = np.zeros(len(rows), np.uint16), np.zeros(len(rows), np.float32)
    offsets[-1] = used = pack_rows(rows.indptr, terms, rows.data, room, offsets, counts, scales)
    return Forward(room[:used].copy(), offsets, counts, scales)


def _lists(heavy: list[Heavy], width: int) -> Lists:
    """Heavy postings by term, the highest impact first: what documents to link to are sought in."""
    terms, documents, weights = (np.concatenate([part[place] for part in heavy]) for place in range(3))
    heavy.clear()
    highest = np.zeros(width, np.float32)
    np.maximum.at(highest, terms, weights)
    scales = np.maximum(highest / np.float32(255), np.finfo(np.float32).tiny)
    impacts = np.clip(np.rint(weights / scales[terms]), 1, 255).astype(np.uint64)
    starts = np.append(0, np.cumsum(np.bincount(terms, minlength=width))).astype(np.uint32)
    keys = (terms.astype(np.uint64) << np.uint64(32)) | ((255 - impacts) << np.uint64(24)) | documents
    keys.sort()
    keys &= np.uint64(0xFFFFFFFF)
    postings = ((keys & np.uint64(MOST)) << np.uint64(8)) | (255 - (keys >> np.uint64(24)))
    return starts, postings.astype(np.uint32), scales


def _norms(rows: TidyRows) -> NDArray[np.float32]:
    """Lengths of the rows, at least the least float32 and at most the largest."""
    squares = np.append(0, np.cumsum(rows.data.astype(np.float64) ** 2))[rows.indptr]
    limits = np.finfo(np.float32)
    return np.clip(np.sqrt(np.maximum(np.diff(squares), 0)), limits.tiny, limits.max).astype(np.float32)


def _linked(parts: Parts, lists: Lists, norms: NDArray[np.float32], degree: int) -> NDArray[np.uint8]:
    """The links of all documents."""
    from harness.indexes._graph import link_all

    links, likeness = np.full(3 * degree * len(norms), 255, np.uint8), np.zeros(len(norms) * degree, np.float32)
    rooms = rooms_for(len(norms), len(parts.numbers))
    link_all(parts.forward(), lists, degree, norms, links, likeness, rooms)
    return links
