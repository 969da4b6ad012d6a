"""Documents as rows in few bytes, from which the score of any document is computed.

Terms are numbered by how many of the first documents hold them, the most frequent first, so that most distances between
the terms of a document are small. A row has two parts. The first has the terms below `SPLIT`, a byte each: the distance
to the term before, less 1. The second has the others, two bytes each. A distance that does not fit is reached by
escapes: entries with a distance as large and impact 0. The impacts follow, a byte an entry. A weight is the
document's scale times its impact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.compiled import compiled
from harness.indexes._bits import fetch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLIT = 4096
"""Terms from this number on take two bytes."""
NEAR, FAR = 255, 65_535
"""What an escape moves on by, in the first part and in the second: its stored distance is 1 less, its impact 0."""
LEVELS = 255
LINE = 64
"""Bytes that come from memory at once."""
TINY = np.finfo(np.float32).tiny


class Forward(NamedTuple):
    """Rows of all documents.

    `rows` uint8: gaps of the first part, gaps of the second (low byte first), impacts, row after row. `offsets` uint32
    (documents + 1): where each begins. `counts` uint16: entries of its first part. `scales` float32: of each document.
    """

    rows: NDArray[np.uint8]
    offsets: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    scales: NDArray[np.float32]


@compiled
def pack_rows(indptr, terms, data, rows, offsets, counts, scales):  # type: ignore[no-untyped-def]
    """Write the rows of a block; returns the bytes written.

    `terms` are numbered by frequency, in any order within a row. `rows` has room for all: 3 bytes a posting, and 2 for
    each 255 terms of the first part and 3 for each 65,535 of the second, a row.
    """
    at = np.int64(0)
    for row in range(len(counts)):
        begin, end = indptr[row], indptr[row + 1]
        order = np.argsort(terms[begin:end])
        highest = np.float32(0)
        for place in range(begin, end):
            highest = max(highest, data[place])
        scale = max(highest / np.float32(LEVELS), TINY)
        first, second, before, split = np.int64(0), np.int64(0), np.int64(-1), np.int64(SPLIT) - 1
        for place in order:
            term = np.int64(terms[begin + place])
            if term < SPLIT:
                first += 1 + (term - before - 1) // NEAR
                before = term
            else:
                second += 1 + (term - split - 1) // FAR
                split = term
        offsets[row], counts[row], scales[row] = at, first, scale
        near, far, impact = at, at + first, at + first + 2 * second
        before, split = np.int64(-1), np.int64(SPLIT) - 1
        for place in order:
            term = np.int64(terms[begin + place])
            if term < SPLIT:
                for _ in range((term - before - 1) // NEAR):
                    rows[near], rows[impact] = NEAR - 1, 0
                    near, impact = near + 1, impact + 1
                rows[near] = (term - before - 1) % NEAR
                near, before = near + 1, term
            else:
                for _ in range((term - split - 1) // FAR):
                    rows[far], rows[far + 1], rows[impact] = (FAR - 1) & 255, (FAR - 1) >> 8, 0
                    far, impact = far + 2, impact + 1
                left = (term - split - 1) % FAR
                rows[far], rows[far + 1] = left & 255, left >> 8
                far, split = far + 2, term
            # Rounded to nearest, but a weight above 0 stays one.
            level = np.int64(np.rint(data[begin + place] / scale))
            rows[impact] = min(max(level, 1), LEVELS)
            impact += 1
        at = impact
    return at


@compiled
def unpack_row(document, forward, terms, weights):  # type: ignore[no-untyped-def]
    """Write a document's terms, numbered by frequency, and weights; returns how many there are."""
    rows, at, end = forward.rows, np.int64(forward.offsets[document]), np.int64(forward.offsets[document + 1])
    first = np.int64(forward.counts[document])
    second = (end - at - 2 * first) // 3
    far, impact = at + first, at + first + 2 * second
    scale, term, count = forward.scales[document], np.int64(-1), 0
    for entry in range(first + second):
        if entry < first:
            term += np.int64(rows[at + entry]) + 1
        else:
            if entry == first:
                term = np.int64(SPLIT) - 1
            place = far + 2 * (entry - first)
            term += (np.int64(rows[place]) | np.int64(rows[place + 1]) << 8) + 1
        level = rows[impact + entry]
        if level:
            terms[count], weights[count] = term, scale * np.float32(level)
            count += 1
    return count


@compiled
def fetch_facts(document, forward):  # type: ignore[no-untyped-def]
    """Ask for what a row's place and scale are read from, before `fetch_row`."""
    fetch(forward.offsets, document)
    fetch(forward.counts, document)
    fetch(forward.scales, document)


@compiled
def fetch_row(document, forward):  # type: ignore[no-untyped-def]
    """Ask for a row before it is needed: rows that are not beside each other take longer to come than to score."""
    at, end = np.uint64(forward.offsets[document]), np.uint64(forward.offsets[document + np.uint64(1)])
    while at < end:
        fetch(forward.rows, at)
        at += np.uint64(LINE)


@compiled
def score_of(document, forward, query):  # type: ignore[no-untyped-def]
    """The product of a row and a query of one float32 a term, in four sums by an entry's place, times the scale."""
    rows, one = forward.rows, np.uint64(1)
    at, end = np.uint64(forward.offsets[document]), np.uint64(forward.offsets[document + np.uint64(1)])
    first = np.uint64(forward.counts[document])
    second = (end - at - (first << one)) // np.uint64(3)
    wide = at + first
    impact = wide + (second << one)
    term = np.uint64(0) - one
    a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for _ in range(first >> np.uint64(2)):
        term += np.uint64(rows[at]) + one
        a += query[term] * np.float32(rows[impact])
        term += np.uint64(rows[at + one]) + one
        b += query[term] * np.float32(rows[impact + one])
        term += np.uint64(rows[at + np.uint64(2)]) + one
        c += query[term] * np.float32(rows[impact + np.uint64(2)])
        term += np.uint64(rows[at + np.uint64(3)]) + one
        d += query[term] * np.float32(rows[impact + np.uint64(3)])
        at += np.uint64(4)
        impact += np.uint64(4)
    while at < wide:
        term += np.uint64(rows[at]) + one
        a += query[term] * np.float32(rows[impact])
        at += one
        impact += one
    term = np.uint64(SPLIT - 1)
    for _ in range(second):
        term += (np.uint64(rows[wide]) | np.uint64(rows[wide + one]) << np.uint64(8)) + one
        b += query[term] * np.float32(rows[impact])
        wide += np.uint64(2)
        impact += one
    return ((a + b) + (c + d)) * forward.scales[document]
