"""Compiled loops that search the inverted index.

Nothing here knows of files or parameters; `_packing` says how postings are laid out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

TIDY, UNTIDY, NOT_FINITE, NEGATIVE, OUTSIDE = range(5)
GROUP = 64
"""Documents whose highest score decides together whether they are looked at one by one."""


@intrinsic
def load_bits(typing: Any, array: Any, bit: Any) -> Any:
    """64 bits of a byte array from the byte that holds `bit`, as uint64; the array ends in 7 spare bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from numba.core import cgutils

        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        place = builder.lshr(arguments[1], ir.Constant(ir.IntType(64), 3))
        pointer = builder.bitcast(builder.gep(view.data, [place]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, types.uint64), generate


@njit(cache=True, nogil=True)
def inspect(indptr, indices, data, width):  # type: ignore[no-untyped-def]
    """Whether rows are TIDY (columns ascending, unique; weights positive, finite), or how they are not."""
    found = TIDY
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
                found = UNTIDY
            before = column
    return found


@njit(cache=True, nogil=True)
def place_of(term, present, ranks):  # type: ignore[no-untyped-def]
    """The term's place among those that occur, -1 where it does not."""
    word, bit = np.uint64(present[term >> 6]), np.uint64(term & 63)
    if not (word >> bit) & np.uint64(1):
        return -1
    below = word & ((np.uint64(1) << bit) - np.uint64(1))
    found = np.int64(ranks[term >> 6])
    while below:
        below &= below - np.uint64(1)
        found += 1
    return found


@njit(cache=True, nogil=True)
def select(scores, base, keys, held, k):  # type: ignore[no-untyped-def]
    """Add the best of these positive scores to those held, and clear `scores`.

    A key is the score's bits above the complement of the document's number, so that keys in descending order are
    scores in descending order and, among equals, documents in ascending order. `keys` int64 has room for 2 k; on
    entry and on return its first `held` <= k are the best so far, in no order. Groups of documents whose maximum
    cannot reach the k-th best are passed over.

    Returns:
        The number held.
    """
    as_bits = scores.view(np.int32)
    groups = (len(scores) + GROUP - 1) // GROUP
    highest = np.empty(groups, np.int32)
    for group in range(groups):
        top = np.int32(0)
        for document in range(group * GROUP, min(group * GROUP + GROUP, len(scores))):
            top = max(top, as_bits[document])
        highest[group] = top
    bound = np.int64(0)
    if held == k:
        bound = keys[:held].min() >> 32
    if groups >= k:
        # k groups have a document at least this good, so nothing below it is among the best k.
        bound = max(bound, np.int64(np.partition(highest, groups - k)[groups - k]) - 1)
    for group in range(groups):
        if highest[group] <= bound:
            continue
        for document in range(group * GROUP, min(group * GROUP + GROUP, len(scores))):
            score = np.int64(as_bits[document])
            if score > bound:
                if held == len(keys):
                    keys[:k] = np.partition(keys, held - k)[held - k :]
                    held = k
                    bound = max(bound, keys[:k].min() >> 32)
                    if score <= bound:
                        continue
                keys[held] = (score << 32) | (np.int64(0xFFFFFFFF) - (base + document))
                held += 1
    if held > k:
        keys[:k] = np.partition(keys[:held], held - k)[held - k :]
        held = k
    scores[:] = 0
    return held


def _searcher(bits: int) -> Any:
    """The search of one segment, compiled for impacts of so many bits: a choice inside its loop would cost a third."""

    @njit(cache=True, nogil=True)
    def contribution(impacts, entry, factor, table):  # type: ignore[no-untyped-def]
        """What an entry adds: from the table of all products where impacts are of 4 or 8 bits, else by multiplying."""
        if bits == 8:
            return table[np.int64(impacts[entry])]
        if bits == 4:
            pair = np.int64(impacts[entry >> np.uint64(1)])
            return table[(pair >> (np.int64(entry & np.uint64(1)) << 2)) & 15]
        return factor * np.float32(impacts[entry])

    @njit(cache=True, nogil=True)
    def accumulate(columns, weights, present, ranks, starts, offsets, widths, scales, gaps, impacts, scores):  # type: ignore[no-untyped-def]
        """Add every term's contribution to its documents in float32, terms in the order given.

        `gaps`, `impacts` and the rest as in `_packing.Segment`. An escape has weight 0: it moves on and adds nothing.
        Four distances of up to 14 bits are in any 64 bits that begin at the first one's byte: they are loaded together.
        """
        one, two, three, four, seven = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(7)
        table = np.empty(256, np.float32)
        for place in range(len(columns)):
            term = place_of(columns[place], present, ranks)
            if term < 0:
                continue
            entry, count = np.uint64(starts[term]), np.uint64(starts[term + 1] - starts[term])
            factor = weights[place] * np.uint32(np.uint32(scales[term]) << np.uint32(16)).view(np.float32)
            if bits <= 8:
                for impact in range(1 << bits):
                    table[impact] = factor * np.float32(impact)
            width = np.uint64(widths[term])
            mask, bit, document = (one << width) - one, np.uint64(offsets[term]) << three, np.uint64(0) - one
            quads = count >> two if width <= np.uint64(14) else np.uint64(0)
            for _ in range(quads):
                read = load_bits(gaps, bit) >> (bit & seven)
                first = document + (read & mask) + one
                read >>= width
                second = first + (read & mask) + one
                read >>= width
                third = second + (read & mask) + one
                document = third + ((read >> width) & mask) + one
                scores[first] += contribution(impacts, entry, factor, table)
                scores[second] += contribution(impacts, entry + one, factor, table)
                scores[third] += contribution(impacts, entry + two, factor, table)
                scores[document] += contribution(impacts, entry + three, factor, table)
                bit += width << two
                entry += four
            for _ in range(count - (quads << two)):
                document += ((load_bits(gaps, bit) >> (bit & seven)) & mask) + one
                scores[document] += contribution(impacts, entry, factor, table)
                bit += width
                entry += one

    @njit(cache=True, nogil=True)
    def search_segment(columns, weights, segment, scores, base, keys, held):  # type: ignore[no-untyped-def]
        """Score one segment's documents for one query and keep the best; see `select`."""
        accumulate(
            columns, weights, segment.present, segment.ranks, segment.starts, segment.offsets, segment.widths,
            segment.scales, segment.gaps, segment.impacts, scores,
        )  # fmt: skip
        return select(scores, base, keys, held, len(keys) // 2)

    return search_segment


search_segment = {bits: _searcher(bits) for bits in (4, 8, 16, 32)}
"""The search of one segment by the bits of an impact."""
