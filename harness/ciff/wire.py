"""Compiled loops over the postings of a CIFF list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(message: NDArray[np.uint8]) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64]]:
    """(term, documents, whole numbers) of a list of postings.

    Raises:
        ValueError: It does not follow the format.
    """
    numbers, wholes = np.empty(len(message) // 2 + 1, np.int64), np.empty(len(message) // 2 + 1, np.int64)
    count, begin, end, announced = _postings(message, numbers, wholes)
    if count < 0 or announced != count:
        raise ValueError("a list of postings does not follow the format")
    return message[begin:end].tobytes(), numbers[:count], wholes[:count]


@compiled
def _varint(message, place, end):  # type: ignore[no-untyped-def]
    """(value, place after it); place -1 where there is none, or it takes more than 63 bits."""
    value, shift = np.int64(0), 0
    while place < end and shift < 63:
        byte = np.int64(message[place])
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    return np.int64(0), -1


@compiled
def _postings(message, numbers, wholes):  # type: ignore[no-untyped-def]
    """Fill the arrays; (postings or -1, the term's first byte, the byte after it, postings announced)."""
    place, count, begin, end, announced, document = 0, 0, 0, 0, np.int64(0), np.int64(0)
    bad = -1, 0, 0, np.int64(0)
    while place < len(message):
        key, place = _varint(message, place, len(message))
        if place < 0 or (key & 7 != 0 and key & 7 != 2):
            return bad
        value, place = _varint(message, place, len(message))
        if place < 0:
            return bad
        if key == 16:
            announced = value
        if key & 7 == 0:
            continue
        if value > len(message) - place:
            return bad
        last = place + value
        if key == 10:
            begin, end = place, last
        elif key == 34:
            gap, whole = np.int64(0), np.int64(0)
            while place < last:
                inner, place = _varint(message, place, last)
                if place < 0 or inner & 7 != 0:
                    return bad
                number, place = _varint(message, place, last)
                if place < 0:
                    return bad
                if inner == 8:
                    gap = number
                elif inner == 16:
                    whole = number
            if gap >= 1 << 31 or whole >= 1 << 31:
                return bad
            document += gap
            numbers[count], wholes[count] = document, whole
            count += 1
        place = last
    return count, begin, end, announced


@compiled
def _put(out, place, value):  # type: ignore[no-untyped-def]
    while value > 127:
        out[place] = value & 127 | 128
        value >>= 7
        place += 1
    out[place] = value
    return place + 1


@compiled
def encode(gaps, wholes, out):  # type: ignore[no-untyped-def]
    """Write the postings as field 4, distances and whole numbers below 2^31; return the bytes written."""
    place = 0
    for number in range(len(gaps)):
        out[place] = 34
        begin = place + 2
        place = begin
        if gaps[number]:
            out[place] = 8
            place = _put(out, place + 1, gaps[number])
        out[place] = 16
        place = _put(out, place + 1, wholes[number])
        out[begin - 1] = place - begin
    return place
