"""Where the postings of a term lie in a segment of the inverted index.

A frequent term is one in at least 1 of `SPARSE` documents; what `Segment` holds of each says where its list begins.
Rare terms stand in blocks of `BLOCK`. A block's part of `gaps` holds in turn: how many entries each list has; the low
bits of all distances; and their high parts. A count c is written as c + 3 in Elias' gamma code without its first two
zeros. Distances are in Golomb's code with a power of two (Rice's code), which takes hardly more than the entropy of
documents at random: of each the low `width` bits, as complements, and the rest in unary, zeros and then a one. The
width follows from the number of entries.
"""

from __future__ import annotations

import numpy as np

from harness.compiled import compiled
from harness.indexes._bits import fetch, first_one, length, load_bits, ones

LINE, LEAD = 64, 256
"""Bytes that come from memory at once, and how many of a list are asked for before they are read."""
BLOCK, SPARSE = 16, 256
"""Terms of a block, whose counts are read to find one list; and 1 in how many documents makes a term frequent."""
RARE, SHIFT, LOWEST, BITS = range(4)
"""What stands where in `Segment.facts`: rare terms that occur, what a rare list's width is counted from, the lowest
scale, and the bits of a scale above it."""


@compiled
def is_set(number, words):  # type: ignore[no-untyped-def]
    """Whether a bit of uint64 words is set."""
    return (np.uint64(words[number >> 6]) >> np.uint64(number & 63)) & np.uint64(1) != 0


@compiled
def set_before(number, words, ranks):  # type: ignore[no-untyped-def]
    """How many bits of uint64 words are set before this one; `ranks` has how many there are before each word."""
    below = np.uint64(words[number >> 6]) & ((np.uint64(1) << np.uint64(number & 63)) - np.uint64(1))
    return np.int64(ranks[number >> 6]) + np.int64(ones(below))


@compiled
def scale_of(place, facts, scales):  # type: ignore[no-untyped-def]
    """The float32 scale of the term at this place among those that occur."""
    bits = np.uint64(facts[BITS])
    bit = np.uint64(place) * bits
    above = (load_bits(scales, bit) >> (bit & np.uint64(7))) & ((np.uint64(1) << bits) - np.uint64(1))
    return np.uint32((np.uint64(facts[LOWEST]) + above) << np.uint64(16)).view(np.float32)


@compiled
def count_at(gaps, bit):  # type: ignore[no-untyped-def]
    """How many entries the list has whose count is written from this bit on, and where the next count is, uint64s."""
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    word = load_bits(gaps, bit) >> (bit & np.uint64(7))
    zeros = first_one(word)
    top = np.uint64(4) << zeros
    return ((word >> (zeros + one)) & (top - one)) + top - three, bit + zeros * two + three


@compiled
def rare_list(place, facts, heads, gaps):  # type: ignore[no-untyped-def]
    """The list of the term at this place among the rare ones.

    Returns:
        uint64s: its first entry; how many it has; the bits of a distance's low part; and the bits in `gaps` where low
        parts begin and where high parts do.
    """
    one, three, seven, shift = np.uint64(1), np.uint64(3), np.uint64(7), np.uint64(facts[SHIFT])
    block = place // BLOCK
    at, terms = place - block * BLOCK, min(BLOCK, np.int64(facts[RARE]) - block * BLOCK)
    bit, entry = np.uint64(heads[2 * block]) << three, np.uint64(heads[2 * block + 1])
    passed = lows = np.uint64(0)
    for _ in range(at):
        entries, bit = count_at(gaps, bit)
        passed += entries
        lows += entries * (shift - length(entries))
    count, bit = count_at(gaps, bit)
    width, before = shift - length(count), lows
    lows += count * width
    for _ in range(terms - at - 1):
        entries, bit = count_at(gaps, bit)
        lows += entries * (shift - length(entries))
    low = (bit + seven) & ~seven
    high, entry = low + lows, entry + passed
    while passed:
        word = load_bits(gaps, high) >> (high & seven)
        here = ones(word)
        if here >= passed:
            for _ in range(passed - one):
                word &= word - one
            high += first_one(word) + one
            break
        passed -= here
        high += np.uint64(64) - (high & seven)
    return entry, count, width, low + before, high


@compiled
def locate(columns, weights, begin, end, segment, bits, lists, list_factors, words, entries, factors):  # type: ignore[no-untyped-def]
    """Find the lists of a query's terms, before any is read: what one term waits for does not delay the next.

    `lists` uint64 (terms x 5) gets what `rare_list` returns, with 0 for high parts of a frequent term, and
    `list_factors` float32 weight x scale. Bitmaps go into `words`, `entries`, `factors`, as `add_expanded` takes them.

    Returns:
        How many lists there are, and how many bitmaps.
    """
    listed = bitmaps = rare = 0
    three, half, line = np.uint64(3), np.uint64(bits == 4), np.uint64(64)
    for place in range(begin, end):
        column = columns[place]
        if not is_set(column, segment.present):
            continue
        term = set_before(column, segment.present, segment.ranks)
        number = set_before(term, segment.often, segment.often_ranks)
        factor = weights[place] * scale_of(term, segment.facts, segment.scales)
        if not is_set(term, segment.often):
            at = np.uint64(segment.heads[(term - number) // BLOCK * 2])
            fetch(segment.gaps, at)
            fetch(segment.gaps, at + line)
            lists[listed, 0], lists[listed, 4] = term - number, 1
            rare += 1
        else:
            entry, at = np.uint64(segment.starts[number]), np.uint64(segment.offsets[number])
            width = np.uint64(segment.widths[number])
            if bits == 8 and width == 0:
                words[bitmaps], entries[bitmaps], factors[bitmaps] = at, entry, factor
                bitmaps += 1
                continue
            for lines in range(LEAD // LINE):
                fetch(segment.gaps, at + np.uint64(lines * LINE))
                fetch(segment.impacts, (entry >> half) + np.uint64(lines * LINE * 8 // max(bits, 8)))
            lists[listed, 0], lists[listed, 1] = entry, np.uint64(segment.starts[number + 1]) - entry
            lists[listed, 2], lists[listed, 3], lists[listed, 4] = width, at << three, 0
        list_factors[listed] = factor
        listed += 1
    for place in range(listed if rare else 0):
        if lists[place, 4]:
            where = rare_list(np.int64(lists[place, 0]), segment.facts, segment.heads, segment.gaps)
            lists[place, 0], lists[place, 1], lists[place, 2], lists[place, 3], lists[place, 4] = where
            fetch(segment.gaps, where[3] >> three)
            fetch(segment.impacts, where[0] >> half)
    return listed, bitmaps
