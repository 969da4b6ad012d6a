"""Compiled loops that search the inverted index.

Nothing here knows of files or parameters; `_packing` says how postings are laid out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.compiled import compiled
from harness.indexes._best import GROUP, highest_of, propose, select
from harness.indexes._bitmaps import KERNEL, add_bits, add_expanded, add_shuffled
from harness.indexes._bits import fetch, first_one, load_bits
from harness.indexes._lists import LEAD, LINE, locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.indexes._bitmaps import Kernel
    from harness.indexes._segment import Segment

    Search: TypeAlias = Callable[
        [
            NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], Segment, NDArray[np.float32], int,
            NDArray[np.int64], NDArray[np.int64], int,
        ],
        None,
    ]  # fmt: skip
    """Queries as CSR arrays, segment, room for scores, first document, keys of each query, how many it holds, share."""

TIDY, UNTIDY, NOT_FINITE, NEGATIVE, OUTSIDE = range(5)
LONG = 64
"""Entries from which on a rare term's list is worth a table of all products."""


@compiled
def inspect(indptr, indices, data, width):  # type: ignore[no-untyped-def]
    """Whether rows are TIDY (columns ascending, unique; weights positive, finite), or how they are not."""
    state = TIDY
    for row in range(len(indptr) - 1):
        before = -1
        for place in range(indptr[row], indptr[row + 1]):
            weight, column = data[place], indices[place]
            if not np.isfinite(weight):
                return NOT_FINITE
            if weight < 0:
                return NEGATIVE
            if column < 0 or column >= width:
                return OUTSIDE
            if weight == 0 or column <= before:
                state = UNTIDY
            before = column
    return state


@compiled
def impact_of(impacts, entry, bits):  # type: ignore[no-untyped-def]
    """The impact of an entry as float32."""
    if bits == 4:
        pair = np.int64(impacts[entry >> np.uint64(1)])
        return np.float32((pair >> (np.int64(entry & np.uint64(1)) << 2)) & 15)
    return np.float32(impacts[entry])


@compiled
def contribution(impacts, entry, factor, table, bits):  # type: ignore[no-untyped-def]
    """What an entry adds: from the table of all products where impacts are of 4 or 8 bits, else by multiplying."""
    if bits == 8:
        return table[np.int64(impacts[entry])]
    if bits == 4:
        pair = np.int64(impacts[entry >> np.uint64(1)])
        return table[(pair >> (np.int64(entry & np.uint64(1)) << 2)) & 15]
    return factor * np.float32(impacts[entry])


@compiled
def add_rare(gaps, impacts, entry, count, width, bit, high, factor, table, bits, scores):  # type: ignore[no-untyped-def]
    """Add what the list of a rare term contributes, by a `table` of products if it has `LONG` entries or more.

    A document is the number of bits read of the high parts, shifted by `width`, less the complements read. Eight ones
    are taken from any 57 bits of the high parts that have as many.
    """
    one, two, seven, eight = np.uint64(1), np.uint64(2), np.uint64(7), np.uint64(8)
    mask = (one << width) - one
    total, groups = mask, count >= LONG
    while count:
        word = load_bits(gaps, high) >> (high & seven)
        if groups and count >= eight:
            left = word
            for _ in range(7):
                left &= left - one
            if left:
                number = np.uint64(0)
                for _ in range(2):
                    read = load_bits(gaps, bit) >> (bit & seven)
                    for _ in range(4):
                        total -= read & mask
                        read >>= width
                        number = first_one(word)
                        word &= word - one
                        scores[(number << width) + total] += contribution(impacts, entry, factor, table, bits)
                        entry += one
                    bit += width << two
                number += one
                total, high, count = total + (number << width), high + number, count - eight
                continue
        while word == 0:
            room = np.uint64(64) - (high & seven)
            high, total = high + room, total + (room << width)
            word = load_bits(gaps, high) >> (high & seven)
        number = first_one(word)
        total -= (load_bits(gaps, bit) >> (bit & seven)) & mask
        scores[(number << width) + total] += factor * impact_of(impacts, entry, bits)
        number += one
        total, high = total + (number << width), high + number
        bit, entry, count = bit + width, entry + one, count - one


@compiled
def next_four(impacts, entry, factor, table, bits):  # type: ignore[no-untyped-def]
    """What an entry and the next three add, as `contribution`; 4-bit impacts of 64 bits are read at once."""
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    if bits == 4:
        read = load_bits(impacts, entry << two) >> ((entry & one) << two)
        mask = np.uint64(15)
        return (
            table[read & mask],
            table[(read >> four) & mask],
            table[(read >> np.uint64(8)) & mask],
            table[(read >> np.uint64(12)) & mask],
        )
    return (
        contribution(impacts, entry, factor, table, bits),
        contribution(impacts, entry + one, factor, table, bits),
        contribution(impacts, entry + two, factor, table, bits),
        contribution(impacts, entry + three, factor, table, bits),
    )


def _searcher(bits: int, kernel: Kernel) -> Search:
    """The search of one segment, compiled for impacts of `bits` bits: a choice inside its loop would cost a third.

    It is one function that encloses plain values: numba finds what it compiled again, in another process, only where
    no compiled function is enclosed.
    """
    expands, shuffles = bits == 8 and kernel == "expand", bits == 8 and kernel == "shuffle"
    one_by_one = bits == 8 and kernel == "bits"

    @compiled
    def search_segment(indptr, columns, weights, segment, scores, base, keys, held, share):  # type: ignore[no-untyped-def]
        """Score one segment's documents for each query of a block, one after another, and keep the best.

        With `share` 0 these are the best of all segments, see `select`; else those that `propose` adds.

        `indptr` int64 (queries + 1), of any first value, `columns` and `weights` are the queries, `keys` int64 is
        queries x 2 k, `held` int64 how many of each row's keys are held, on entry and on return. Every term's
        contribution is added to its documents in float32, terms in the order given; terms with bitmaps are added last,
        64 documents at a time. An escape has weight 0: it moves on and adds nothing. Four distances of up to 14 bits
        are in any 64 bits that begin at the first one's byte: one load reads them all. `scores` is as long as a whole
        number of groups.
        """
        gaps, impacts = segment.gaps, segment.impacts
        one, two, three, four, seven = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(7)
        half, lead, line = np.uint64(bits == 4), np.uint64(LEAD), np.uint64(LINE)
        # Impacts of 4 bits up to this one have 64 bits behind them.
        whole = np.uint64(max(2 * len(impacts) - 16, 0))
        elements, line_quads = np.uint64(LEAD * 8 // max(bits, 8)), np.uint64(LINE * 2 // bits)
        table, as_bits, highest = (
            np.empty(256, np.float32),
            scores.view(np.int32),
            np.empty(len(scores) // GROUP, np.int32),
        )
        for query in range(len(held)):
            begin, end = indptr[query], indptr[query + 1]
            words, entries = np.empty(end - begin, np.uint64), np.empty(end - begin, np.uint64)
            factors, list_factors = np.empty(end - begin, np.float32), np.empty(end - begin, np.float32)
            lists = np.empty((end - begin, 5), np.uint64)
            listed, bitmaps = locate(
                columns, weights, begin, end, segment, bits, lists, list_factors, words, entries, factors
            )
            for place in range(listed):
                entry, count, width, bit, high = lists[place]
                factor = list_factors[place]
                if bits <= 8 and (high == 0 or count >= LONG):
                    for impact in range(1 << bits):
                        table[impact] = factor * np.float32(impact)
                if high:
                    add_rare(gaps, impacts, entry, count, width, bit, high, factor, table, bits, scores)
                    continue
                mask, document = (one << width) - one, np.uint64(0) - one
                quads = count >> two if width <= np.uint64(14) else np.uint64(0)
                if bits == 4:
                    quads = min(quads, (max(whole, entry) - entry) >> two)
                left = quads
                while left:
                    some = min(left, line_quads)
                    left -= some
                    fetch(impacts, (entry >> half) + elements)
                    fetch(gaps, (bit >> three) + lead)
                    fetch(gaps, (bit >> three) + lead + line)
                    for _ in range(some):
                        read = load_bits(gaps, bit) >> (bit & seven)
                        first = document + (read & mask) + one
                        read >>= width
                        second = first + (read & mask) + one
                        read >>= width
                        third = second + (read & mask) + one
                        document = third + ((read >> width) & mask) + one
                        added = next_four(impacts, entry, factor, table, bits)
                        scores[first] += added[0]
                        scores[second] += added[1]
                        scores[third] += added[2]
                        scores[document] += added[3]
                        bit += width << two
                        entry += four
                for _ in range(count - (quads << two)):
                    document += ((load_bits(gaps, bit) >> (bit & seven)) & mask) + one
                    scores[document] += contribution(impacts, entry, factor, table, bits)
                    bit += width
                    entry += one
            words, entries, factors = words[:bitmaps], entries[:bitmaps], factors[:bitmaps]
            if one_by_one:
                add_bits(words, entries, factors, gaps, impacts, scores)
            for group in range(len(highest)):
                if expands and bitmaps:
                    add_expanded(scores, group * GROUP, words, entries, factors, gaps, impacts)
                if shuffles and bitmaps:
                    add_shuffled(scores, group * GROUP, words, entries, factors, gaps, impacts)
                highest[group] = highest_of(as_bits, group)
            if share:
                held[query] = propose(scores, highest, base, keys[query], held[query], share)
            else:
                held[query] = select(scores, highest, base, keys[query], held[query])

    compiled_search: Search = search_segment
    return compiled_search


search_segment = {bits: _searcher(bits, KERNEL) for bits in (4, 8, 16, 32)}
"""The search of one segment by the bits of an impact."""
