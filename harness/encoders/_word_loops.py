"""Compiled loops that number words and count the terms of texts: harness/encoders/_words.py."""

from __future__ import annotations

import numpy as np

from harness.compiled import compiled


@compiled
def slot_of(key, mask):  # type: ignore[no-untyped-def]
    """Where the search for a key begins."""
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    return (mixed ^ (mixed >> np.uint64(32))) & mask


@compiled
def number(codes, ends, in_words, state, slots, keys, offsets, pool, words, bounds):  # type: ignore[no-untyped-def]
    """Write the number of each word, and after each text how many there are.

    A word of up to 8 ASCII characters is its key, so that equal keys are equal words. The key of another is a hash with
    the highest bit set, and its characters are compared. `state`: texts done, characters read, words known, words
    written. A word that is new is added.

    Returns:
        Whether all texts are done; False where there is no room for another word or its characters.
    """
    text, place, known, written = state[0], state[1], state[2], state[3]
    mask, highest, done = np.uint64(len(slots) - 1), np.uint64(1) << np.uint64(63), True
    while text < len(ends) and done:
        end = ends[text]
        while place < end:
            if not in_words[codes[place]]:
                place += 1
                continue
            begin, key, every = place, np.uint64(0), np.uint32(0)
            while place < end and in_words[codes[place]]:
                every |= codes[place]
                key = (key << np.uint64(8)) | np.uint64(codes[place])
                place += 1
            length, word = place - begin, np.int64(-1)
            long = length > 8 or every > 127
            if long:
                key = np.uint64(0xCBF29CE484222325)
                for at in range(begin, place):
                    key = (key ^ np.uint64(codes[at])) * np.uint64(0x100000001B3)
                key |= highest
            slot = slot_of(key, mask)
            while slots[slot]:
                if keys[slot] == key:
                    other = np.int64(slots[slot]) - 1
                    same = 0
                    if long and offsets[other + 1] - offsets[other] == length:
                        while same < length and pool[offsets[other] + same] == codes[begin + same]:
                            same += 1
                    if same == length or not long:
                        word = other
                        break
                slot = (slot + np.uint64(1)) & mask
            if word < 0:
                if known == len(offsets) - 1 or offsets[known] + length > len(pool):
                    place, done = begin, False
                    break
                word, slots[slot], keys[slot] = known, known + 1, key
                pool[offsets[known] : offsets[known] + length] = codes[begin:place]
                offsets[known + 1] = offsets[known] + length
                known += 1
            words[written] = word
            written += 1
        if done:
            text += 1
            bounds[text] = written
    state[0], state[1], state[2], state[3] = text, place, known, written
    return done


@compiled
def move(slots, keys, to_slots, to_keys):  # type: ignore[no-untyped-def]
    """Put what the slots hold into more slots, all empty."""
    mask = np.uint64(len(to_slots) - 1)
    for place in range(len(slots)):
        if slots[place]:
            slot = slot_of(keys[place], mask)
            while to_slots[slot]:
                slot = (slot + np.uint64(1)) & mask
            to_slots[slot], to_keys[slot] = slots[place], keys[place]


@compiled
def tally(bounds, term_of, left_out, words, times, counts, indptr, lengths):  # type: ignore[no-untyped-def]
    """Replace the words of each text in front of `words` by its terms, ascending, with their counts; how many.

    `times` has a zero for each term, and is left so.
    """
    stored = 0
    for text in range(len(lengths)):
        end = stored
        for place in range(bounds[text], bounds[text + 1]):
            term = term_of[words[place]]
            lengths[text] += term != left_out
            if term >= 0:
                if not times[term]:
                    words[end] = term
                    end += 1
                times[term] += 1
        words[stored:end].sort()
        for place in range(stored, end):
            counts[place], times[words[place]] = times[words[place]], 0
        stored = end
        indptr[text + 1] = stored
    return stored
