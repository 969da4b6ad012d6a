"""Compiled loops that choose the best of the documents whose scores are known: exactly, or about so many candidates."""

from __future__ import annotations

import numpy as np

from harness.compiled import compiled

GROUP = 64
"""Documents in a group: the group's highest score decides whether each of them is looked at."""
OVER, MORE = 2.0, 8
"""A segment may propose so many times its share of the documents wanted, and so many more: it may hold many of them."""


@compiled
def highest_of(as_bits, group):  # type: ignore[no-untyped-def]
    """The highest of a group's scores, as bits."""
    top = np.int32(0)
    for document in range(group * GROUP, group * GROUP + GROUP):
        top = max(top, as_bits[document])
    return top


@compiled
def eighths(as_bits):  # type: ignore[no-untyped-def]
    """The highest of each eighth of a group: of its documents whose numbers leave the same rest by 8."""
    highest = np.zeros(len(as_bits) // 8, np.int32)
    for group in range(len(as_bits) // GROUP):
        for row in range(8):
            for rest in range(8):
                place = group * 8 + rest
                highest[place] = max(highest[place], as_bits[group * GROUP + row * 8 + rest])
    return highest


@compiled
def above(values, limit):  # type: ignore[no-untyped-def]
    """How many int32 values are above a limit."""
    limit, count = np.int32(limit), np.int32(0)
    for place in range(len(values)):
        count += np.int32(values[place] > limit)
    return count


@compiled
def raised(maxima, k, bound):  # type: ignore[no-untyped-def]
    """The highest bound that at least k maxima are above, by halving; the given one where fewer are above that.

    All maxima are read each time, but many at once, which takes less time than np.partition.
    """
    low = np.int64(bound)
    if above(maxima, low) < k:
        return low
    high = np.int64(maxima.max())
    while high - low > 1:
        middle = (low + high) >> 1
        count = above(maxima, middle)
        if count >= k:
            low = middle
        else:
            high = middle
        if count == k:
            break
    return low


@compiled
def select(scores, highest, base, keys, held):  # type: ignore[no-untyped-def]
    """Add the best of these positive scores to those held, and clear `scores`.

    A key is the score's bits above the complement of the document's number, so that keys in descending order are
    scores in descending order and, among equals, documents in ascending order. `keys` int64 has room for 2 k; on
    entry and on return its first `held` <= k are the best so far, in no order. Groups of documents whose maximum,
    in `highest`, cannot reach the k-th best are passed over.

    Returns:
        The number held.
    """
    as_bits, groups, k = scores.view(np.int32), len(highest), len(keys) // 2
    bound = np.int64(0)
    if held == k:
        bound = keys[:held].min() >> 32
    maxima = highest if groups >= 2 * k else eighths(as_bits)
    # k sets of documents have one at least this good, so nothing below it is among the best k.
    bound = raised(maxima, k, bound)
    for group in range(groups):
        if highest[group] <= bound:
            continue
        for document in range(group * GROUP, group * GROUP + GROUP):
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


@compiled
def propose(scores, highest, base, keys, held, share):  # type: ignore[no-untyped-def]
    """Add about `OVER` x `share` + `MORE` of the best of these positive scores to those held, and clear `scores`.

    `keys` are as in `select`, but have room for any number; where it ends, the better half stays. As many groups are
    above the bound as would hold so many documents if these were spread by chance. Fewer groups than documents are
    counted, so that none of the best `share` is missed where `share` is at most three quarters of the groups. A share
    as long as `scores` is all.

    Returns:
        The number held.
    """
    as_bits, groups, bound = scores.view(np.int32), len(highest), np.int64(0)
    if share < len(scores):
        bound = raised(highest, np.int64(-np.expm1(-(OVER * share + MORE) / groups) * groups), bound)
    limit = np.int32(bound)
    for group in range(groups):
        if highest[group] <= limit:
            continue
        for first in range(group * GROUP, group * GROUP + GROUP, 8):
            top = np.int32(0)
            for document in range(first, first + 8):
                top = max(top, as_bits[document])
            if top <= limit:
                continue
            for document in range(first, first + 8):
                if as_bits[document] > limit:
                    if held == len(keys):
                        held = best_half(keys)
                    keys[held] = (np.int64(as_bits[document]) << 32) | (np.int64(0xFFFFFFFF) - (base + document))
                    held += 1
    scores[:] = 0
    return held


@compiled
def best_half(keys):  # type: ignore[no-untyped-def]
    """Move the better half of all keys to the front; returns how many these are."""
    half = (len(keys) + 1) // 2
    keys[:half] = np.partition(keys, len(keys) - half)[len(keys) - half :]
    return half


@compiled
def keep_best(keys, held, count):  # type: ignore[no-untyped-def]
    """Of each query's keys held, move the best `count` to the front, in the order in which they were proposed."""
    for query in range(len(held)):
        own = keys[query, : held[query]]
        if len(own) <= count:
            continue
        bound, kept = np.partition(own, len(own) - count)[len(own) - count], 0
        for place in range(len(own)):
            own[kept] = own[place]
            kept += own[place] >= bound
            if kept == count:
                break
        held[query] = count


@compiled
def ranked(keys, held, ids, scores):  # type: ignore[no-untyped-def]
    """Write the documents of the keys held, best first, and their scores as bits, int32."""
    best = np.sort(keys[:held])
    for place in range(held):
        key = best[held - 1 - place]
        ids[place], scores[place] = 0xFFFFFFFF - (key & 0xFFFFFFFF), key >> 32


@compiled
def ranked_each(keys, held, ids, scores):  # type: ignore[no-untyped-def]
    """`ranked` for each query of a block: a row of each array, and one number of `held`."""
    for query in range(len(held)):
        ranked(keys[query], held[query], ids[query], scores[query])
