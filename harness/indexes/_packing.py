"""How the inverted index lays out the postings of up to 65,536 documents, and the compiled loops that do it.

Per term, documents ascending: the distance to the document before, less 1, and the impact. `_lists` says how distances
of rare terms are written. A frequent term's are of `width` bits, and one that does not fit is reached by escapes:
entries with the largest distance and impact 0. Escapes cost an entry but keep the loop that reads free of branches; the
width is chosen so that bits are fewest in all. 8-bit impacts of a term that very many documents have come with a bitmap
of the documents instead, which is read 64 documents at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.compiled import compiled
from harness.errors import UserError
from harness.indexes._bits import load_bits
from harness.indexes._lists import BLOCK, SPARSE, is_set, rare_list, scale_of, set_before
from harness.indexes._segment import DTYPES, SPARE, SPREAD, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.indexes._rows import Rows
    from harness.indexes._segment import Impacts

SEGMENT = 1 << 16
LEVELS = {"u4": 15, "u8": 255, "u16": 65535}
BITS = {"u4": 4, "u8": 8, "u16": 16, "float32": 32}
COMMON, FEW = 6, 16
"""8-bit terms in at least one of 6 documents, and in 16 of them, have a bitmap: docs/indexes.md says why."""


def pack(blocks: Sequence[Rows], weights: str) -> Segment:
    """Pack rows, at most 65,536 in all; each block is tidied three times rather than copied once as a whole."""
    terms = blocks[0].width
    # One line of cache a term: postings / next high bit, entries / next entry, document before + 1, width.
    state, highest = np.zeros((terms, 4), np.int64), np.zeros(terms, np.float32)
    for block in blocks:
        rows = block.tidy()
        _count(rows.indices, rows.data, state, highest)
    documents = sum(len(block) for block in blocks)
    occurs = state[:, 0] > 0
    postings = state[occurs, 0]
    rare = postings * SPARSE < documents
    shift = round(np.log2(max(documents, 1)))
    widths = np.where(rare, shift - np.frexp(postings)[1], _widths(postings, documents, weights))
    state[occurs, 3] = widths
    first = 0
    for block in blocks:
        rows = block.tidy()
        _count_beyond(rows.indptr, rows.indices, first, state)
        first += len(block)
    beyond = state[occurs, 1]
    entries = postings + np.where(rare, 0, beyond)
    bitmaps = np.where(widths, 0, -(-documents // 64) * 8)
    starts = np.zeros(len(entries), np.int64)
    ends = _cumulated(np.append(entries[~rare], entries[rare]))
    bytes_ = _cumulated(((entries * widths + 7) // 8 + bitmaps)[~rare])
    blocks_at, low, high = _blocks_of(entries[rare], widths[rare], (postings + beyond)[rare], bytes_[-1])
    if max(ends[-1], blocks_at[-1]) >= 1 << 32:
        raise UserError(
            f"65,536 documents have {ends[-1]} postings, more than an index can address",
            remedy="prune the vectors (max_active_terms), or use a dense engine",
        )
    frequent = np.count_nonzero(~rare)
    starts[~rare], starts[rare] = ends[:frequent], ends[frequent:-1]
    scales, inverse = _scales(highest, weights)
    gaps = np.zeros(blocks_at[-1] + SPARE, np.uint8)
    _write_counts(entries[rare], blocks_at, gaps)
    room = {"u4": (ends[-1] + 1) // 2, "u8": ends[-1] + SPREAD}.get(weights, ends[-1])
    impacts = np.zeros(room, DTYPES[weights])
    bits, highs = np.zeros(len(entries), np.int64), np.full(len(entries), -1)
    bits[~rare], bits[rare], highs[rare] = 8 * bytes_[:-1], low, high
    beginnings, first = np.zeros(terms, np.int64), 0
    beginnings[occurs] = bits - starts * widths
    state[occurs, 0], state[occurs, 1], state[:, 2] = highs, starts, 0
    for block in blocks:
        rows = block.tidy()
        given = rows.indptr, rows.indices, rows.data, first
        _fill(*given, state, beginnings, inverse, LEVELS.get(weights, 0), BITS[weights], gaps, impacts)
        first += len(block)
    lowest, wide, packed = _packed_scales(scales[occurs])
    present, ranks = _numbered(occurs)
    often, often_ranks = _numbered(~rare)
    return Segment(
        gaps,
        impacts,
        present,
        ranks,
        often,
        often_ranks,
        starts=ends[: frequent + 1].astype(np.uint32),
        offsets=bytes_[:-1].astype(np.uint32),
        widths=widths[~rare].astype(np.uint8),
        heads=np.stack([blocks_at[:-1], ends[frequent:-1:BLOCK]], axis=1).ravel().astype(np.uint32),
        facts=np.array([len(entries) - frequent, shift, lowest, wide], np.uint32),
        scales=packed,
    ).frozen()


def terms_of(segment: Segment) -> NDArray[np.int64]:
    """The terms that occur, ascending."""
    bits = np.unpackbits(segment.present.astype("<u8").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits)


def lists_of(segment: Segment) -> NDArray[np.int64]:
    """Of each term that occurs (rows): its first entry, how many it has, the width of its distances, and two bits.

    The width is 0 for a bitmap. The bits in `gaps` are where distances or their low parts begin, and where high parts
    do, -1 for a frequent term.
    """
    lists = np.zeros((len(terms_of(segment)), 5), np.int64)
    _read_lists(segment, lists)
    return lists


def entries_of(segment: Segment, terms: NDArray[np.int32 | np.int64]) -> NDArray[np.int64]:
    """How many entries each of these terms has."""
    known, counts = terms_of(segment), lists_of(segment)[:, 1]
    places = np.minimum(np.searchsorted(known, terms), max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(len(terms), np.int64)
    return np.where(known[places] == terms, counts[places], 0)


def unpack(segment: Segment, weights: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The stored weights as (documents, terms, weights): int64, int64, float32; each term's documents ascending."""
    lists = lists_of(segment)
    entries = int(lists[:, 1].sum())
    impacts: Impacts = segment.impacts[:entries]
    if weights == "u4":
        pairs = segment.impacts.view(np.uint8)
        impacts = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[:entries]
    numbers, places, scales = np.zeros(entries, np.int64), np.zeros(entries, np.int64), np.zeros(len(lists), np.float32)
    _unpack(segment, lists, numbers, places, scales)
    values = scales[places] * impacts.astype(np.float32)
    real = impacts > 0
    return numbers[real], terms_of(segment)[places[real]], values[real]


def _blocks_of(
    entries: NDArray[np.int64], widths: NDArray[np.int64], high: NDArray[np.int64], first: np.int64
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lay out blocks of rare terms from a byte on, given entries, bits of a low part, and bits of all high parts.

    Returns:
        int64s: the first byte of each block, and the end; of each list, the bits where its low and high parts begin.
    """

    def summed(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sum of each block, and of each term the sum before it in its block."""
        filled = np.zeros((-(-len(values) // BLOCK), BLOCK), np.int64)
        filled.ravel()[: len(values)] = values
        ends = np.cumsum(filled, axis=1)
        return ends[:, -1], (ends - filled).ravel()[: len(values)]

    counts, _ = summed(2 * np.frexp(entries + 3)[1] - 3)
    lows, low_before = summed(entries * widths)
    highs, high_before = summed(high)
    counted = (counts + 7) // 8
    at = first + _cumulated(counted + (lows + highs + 7) // 8)
    low = 8 * (at[:-1] + counted)
    block = np.arange(len(entries)) // BLOCK
    return at, low[block] + low_before, (low + lows)[block] + high_before


def _numbered(occurs: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """A bit a term, in whole words of 64, and how many bits are set before each word."""
    filled = np.zeros((len(occurs) + 63) // 64 * 64, np.bool_)
    filled[: len(occurs)] = occurs
    words = np.packbits(filled, bitorder="little").view("<u8").astype(np.uint64)
    return words, _cumulated(filled.reshape(-1, 64).sum(axis=1))[:-1].astype(np.uint32)


def _cumulated(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)])


def _widths(counts: NDArray[np.int64], documents: int, weights: str) -> NDArray[np.int64]:
    """The width that takes fewest bits for a term in `counts` documents that lie at random; 0 for a bitmap."""
    distinct, where = np.unique(counts, return_inverse=True)
    filled, tried = np.maximum(distinct, 1)[:, None], np.arange(1, 17)
    reach = 2.0**tried
    escapes = np.minimum(1 / np.expm1(np.minimum(reach * filled / documents, 700)), documents / filled / reach)
    best: NDArray[np.int64] = tried[np.argmin((tried + BITS[weights]) * (1 + escapes), axis=1)]
    bitmap = (weights == "u8") & (distinct >= FEW) & (distinct * COMMON >= documents)
    return np.where(bitmap | (distinct == 0), 0, best)[where]


def _scales(highest: NDArray[np.float32], weights: str) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """A term's scale, rounded up to the upper half of a float32 so that its highest weight fits, and 1 / scale."""
    if weights == "float32":
        return np.full(len(highest), 0x3F80, np.uint16), np.ones(len(highest), np.float32)
    wanted = np.maximum(highest / np.float32(LEVELS[weights]), np.finfo(np.float32).tiny)
    halves = ((wanted.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)
    return halves, np.float32(1) / (halves.astype(np.uint32) << 16).view(np.float32)


def _packed_scales(scales: NDArray[np.uint16]) -> tuple[int, int, NDArray[np.uint8]]:
    """The lowest of the scales, the bits of what is above it, and all of those, side by side."""
    lowest = int(scales.min(initial=0xFFFF))
    above = scales - np.uint16(lowest)
    bits = int(above.max(initial=0)).bit_length()
    single = above[:, None] >> np.arange(bits, dtype=np.uint16) & 1
    packed = np.packbits(single.ravel().astype(np.uint8), bitorder="little")
    return lowest, bits, np.append(packed, np.zeros(SPARE, np.uint8))


@compiled
def _count(indices, data, state, highest):  # type: ignore[no-untyped-def]
    for place in range(len(indices)):
        term = indices[place]
        state[term, 0] += 1
        highest[term] = max(highest[term], data[place])


@compiled
def _count_beyond(indptr, indices, first, state):  # type: ignore[no-untyped-def]
    """What is above `width` bits of each distance: escapes of a frequent term, zeros of a rare one."""
    for row in range(len(indptr) - 1):
        document = first + row
        for place in range(indptr[row], indptr[row + 1]):
            term = indices[place]
            if state[term, 3]:
                state[term, 1] += (document - state[term, 2]) >> state[term, 3]
            state[term, 2] = document + 1


@compiled
def _write(gaps, bit, value):  # type: ignore[no-untyped-def]
    """Add the ones of a number from a bit on."""
    value, byte = value << (bit & 7), bit >> 3
    while value:
        gaps[byte] |= value & 255
        value >>= 8
        byte += 1


@compiled
def _write_counts(entries, blocks_at, gaps):  # type: ignore[no-untyped-def]
    bit = np.int64(0)
    for place in range(len(entries)):
        if place % BLOCK == 0:
            bit = blocks_at[place // BLOCK] * 8
        number, zeros = entries[place] + 3, 0
        while number >> (zeros + 3):
            zeros += 1
        _write(gaps, bit, ((number - (4 << zeros)) << (zeros + 1)) | (1 << zeros))
        bit += 2 * zeros + 3


@compiled
def _fill(indptr, indices, data, first, state, beginnings, inverse, levels, bits, gaps, impacts):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        document = first + row
        for place in range(indptr[row], indptr[row + 1]):
            term = indices[place]
            high, entry, width = state[term, 0], state[term, 1], state[term, 3]
            gap = document - state[term, 2]
            limit = (1 << width) - 1
            if high >= 0:
                _write(gaps, beginnings[term] + entry * width, limit - (gap & limit))
                high += gap >> width
                _write(gaps, high, 1)
                state[term, 0] = high + 1
            elif width == 0:
                _write(gaps, beginnings[term] + document, 1)
            else:
                while gap > limit:
                    _write(gaps, beginnings[term] + entry * width, limit)
                    gap -= limit + 1
                    entry += 1
                _write(gaps, beginnings[term] + entry * width, gap)
            if levels:
                impact = np.int64(min(max(np.rint(data[place] * inverse[term]), 1), levels))
                if bits == 4:
                    impacts[entry >> 1] = np.int64(impacts[entry >> 1]) | (impact << ((entry & 1) * 4))
                else:
                    impacts[entry] = impact
            else:
                impacts[entry] = data[place]
            state[term, 1], state[term, 2] = entry + 1, document + 1


@compiled
def _read_lists(segment, lists):  # type: ignore[no-untyped-def]
    for place in range(len(lists)):
        number = set_before(place, segment.often, segment.often_ranks)
        if is_set(place, segment.often):
            lists[place, 0], lists[place, 1] = (
                segment.starts[number],
                segment.starts[number + 1] - segment.starts[number],
            )
            lists[place, 2], lists[place, 3] = segment.widths[number], np.int64(segment.offsets[number]) * 8
            lists[place, 4] = -1
            continue
        entry, count, width, low, high = rare_list(place - number, segment.facts, segment.heads, segment.gaps)
        lists[place, 0], lists[place, 1], lists[place, 2] = entry, count, width
        lists[place, 3], lists[place, 4] = low, high


@compiled
def _unpack(segment, lists, numbers, places, scales):  # type: ignore[no-untyped-def]
    gaps = segment.gaps
    for place in range(len(scales)):
        scales[place] = scale_of(place, segment.facts, segment.scales)
        entry, count, width, bit, high = lists[place]
        document, end, mask = np.int64(-1), entry + count, (1 << width) - 1
        while entry < end:
            read = np.int64(load_bits(gaps, np.uint64(bit)) >> np.uint64(bit & 7))
            if high >= 0:
                while not gaps[high >> 3] >> (high & 7) & 1:
                    document += 1 << width
                    high += 1
                high += 1
                document += mask - (read & mask) + 1
            elif width:
                document += (read & mask) + 1
            else:
                document += 1
                bit += 1
                if not read & 1:
                    continue
            bit += width
            numbers[entry], places[entry] = document, place
            entry += 1
