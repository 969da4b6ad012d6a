"""How the inverted index lays out the postings of up to 65,536 documents, and the compiled loops that do it.

Per term, documents ascending: the distance to the document before, less 1, in `widths[term]` bits, and the impact. A
distance that does not fit is reached by escapes: entries with the largest distance and impact 0. Escapes cost an entry
but keep the loop that reads free of branches; the width is chosen so that bits are fewest in all. 8-bit impacts of a
term that many documents have come with a bitmap of the documents instead, which is read 64 documents at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.compiled import compiled
from harness.errors import UserError
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
    # One line of cache a term: postings, entries / next entry, document before + 1, first byte, width.
    state, highest = np.zeros((terms, 4), np.int64), np.zeros(terms, np.float32)
    for block in blocks:
        rows = block.tidy()
        _count(rows.indices, rows.data, state, highest)
    documents = sum(len(block) for block in blocks)
    widths = state[:, 3] = _widths(state[:, 0], documents, weights)
    first = 0
    for block in blocks:
        rows = block.tidy()
        _count_entries(rows.indptr, rows.indices, first, state)
        first += len(block)
    occurs = state[:, 0] > 0
    bitmaps = np.where(occurs & (widths == 0), (documents + 63) // 64 * 8, 0)
    starts, bytes_ = _cumulated(state[:, 1]), _cumulated((state[:, 1] * widths + 7) // 8 + bitmaps)
    if max(starts[-1], bytes_[-1]) >= 1 << 32:
        raise UserError(
            f"65,536 documents have {starts[-1]} postings, more than an index can address",
            remedy="prune the vectors (max_active_terms), or use a dense engine",
        )
    scales, inverse = _scales(highest, weights)
    gaps = np.zeros(bytes_[-1] + SPARE, np.uint8)
    room = {"u4": (starts[-1] + 1) // 2, "u8": starts[-1] + SPREAD}.get(weights, starts[-1])
    impacts = np.zeros(room, DTYPES[weights])
    state[:, 1], state[:, 2] = starts[:-1], 0
    beginnings, first = bytes_[:-1] * 8 - starts[:-1] * widths, 0
    for block in blocks:
        rows = block.tidy()
        given = rows.indptr, rows.indices, rows.data, first
        _fill(*given, state, beginnings, inverse, LEVELS.get(weights, 0), BITS[weights], gaps, impacts)
        first += len(block)
    return Segment(
        gaps,
        impacts,
        *_numbered(occurs),
        starts=np.append(starts[:-1][occurs], starts[-1]).astype(np.uint32),
        offsets=bytes_[:-1][occurs].astype(np.uint32),
        widths=widths[occurs].astype(np.uint8),
        scales=scales[occurs],
    ).frozen()


def terms_of(segment: Segment) -> NDArray[np.int64]:
    """The terms that occur, ascending."""
    bits = np.unpackbits(segment.present.astype("<u8").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits)


def entries_of(segment: Segment, terms: NDArray[np.int32 | np.int64]) -> NDArray[np.int64]:
    """How many entries each of these terms has."""
    known, counts = terms_of(segment), np.diff(segment.starts.astype(np.int64))
    places = np.minimum(np.searchsorted(known, terms), max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(len(terms), np.int64)
    return np.where(known[places] == terms, counts[places], 0)


def unpack(segment: Segment, weights: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The stored weights as (documents, terms, weights): int64, int64, float32, by term, then by document."""
    entries = int(segment.starts[-1])
    impacts: Impacts = segment.impacts[:entries]
    if weights == "u4":
        pairs = segment.impacts.view(np.uint8)
        impacts = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[:entries]
    ends = segment.starts.astype(np.int64)
    counts = ends[1:] - ends[:-1]
    numbers = np.zeros(entries, np.int64)
    _unpack(segment.starts, segment.offsets, segment.widths, segment.gaps, numbers)
    terms = np.repeat(terms_of(segment), counts)
    scales = np.repeat((segment.scales.astype(np.uint32) << 16).view(np.float32), counts)
    values = scales * impacts.astype(np.float32)
    real = impacts > 0
    return numbers[real], terms[real], values[real]


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


@compiled
def _count(indices, data, state, highest):  # type: ignore[no-untyped-def]
    for place in range(len(indices)):
        term = indices[place]
        state[term, 0] += 1
        highest[term] = max(highest[term], data[place])


@compiled
def _count_entries(indptr, indices, first, state):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        document = first + row
        for place in range(indptr[row], indptr[row + 1]):
            term = indices[place]
            state[term, 1] += 1
            if state[term, 3]:
                state[term, 1] += (document - state[term, 2]) >> state[term, 3]
            state[term, 2] = document + 1


@compiled
def _fill(indptr, indices, data, first, state, beginnings, inverse, levels, bits, gaps, impacts):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        document = first + row
        for place in range(indptr[row], indptr[row + 1]):
            term = indices[place]
            width, entry = state[term, 3], state[term, 1]
            gap = document - state[term, 2]
            limit = (1 << width) - 1
            if width == 0:
                gaps[(beginnings[term] + document) >> 3] |= 1 << (document & 7)
            while width:
                stored = min(gap, limit)
                bit = beginnings[term] + entry * width
                value = stored << (bit & 7)
                byte = bit >> 3
                while value:
                    gaps[byte] |= value & 255
                    value >>= 8
                    byte += 1
                if gap <= limit:
                    break
                gap -= limit + 1
                entry += 1
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
def _unpack(starts, offsets, widths, gaps, numbers):  # type: ignore[no-untyped-def]
    for term in range(len(widths)):
        document, width = np.int64(-1), np.int64(widths[term])
        if width == 0:
            place, number = np.int64(starts[term]), 0
            while place < starts[term + 1]:
                if gaps[np.int64(offsets[term]) + (number >> 3)] >> (number & 7) & 1:
                    numbers[place] = number
                    place += 1
                number += 1
            continue
        for entry in range(starts[term], starts[term + 1]):
            bit = np.int64(offsets[term]) * 8 + (entry - np.int64(starts[term])) * width
            byte = bit >> 3
            read = np.int64(gaps[byte]) | np.int64(gaps[byte + 1]) << 8 | np.int64(gaps[byte + 2]) << 16
            document += ((read >> (bit & 7)) & ((1 << width) - 1)) + 1
            numbers[entry] = document
