"""Compiled loops of the inverted index."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=False)
def accumulate(columns, weights, starts, scales, ids, impacts, scores):  # type: ignore[no-untyped-def]
    """Add each term's contribution to its documents, terms in ascending order, in float32. Returns postings read."""
    touched = 0
    for place in range(len(columns)):
        term = columns[place]
        first, last = starts[term], starts[term + 1]
        factor = np.float32(weights[place] * scales[term])
        for posting in range(first, last):
            scores[ids[posting]] += factor * np.float32(impacts[posting])
        touched += last - first
    return touched


@njit(cache=True, nogil=True)
def select(scores, base, heap_scores, heap_ids, held):  # type: ignore[no-untyped-def]
    """Move the best positive scores into a bounded min-heap (worst first: lowest score, then highest number).

    Documents come in ascending order, so that an equal score never replaces one that is held. Clears `scores`.
    """
    k = len(heap_scores)
    bound = heap_scores[0] if held == k else np.float32(0.0)
    for document in range(len(scores)):
        score = scores[document]
        if score <= bound:
            scores[document] = 0
            continue
        scores[document] = 0
        if held < k:
            place = held
            held += 1
            while place > 0:
                parent = (place - 1) // 2
                if heap_scores[parent] >= score:
                    heap_scores[place], heap_ids[place] = heap_scores[parent], heap_ids[parent]
                    place = parent
                else:
                    break
            heap_scores[place], heap_ids[place] = score, base + document
        else:
            place = 0
            while True:
                child = 2 * place + 1
                if child >= k:
                    break
                other = child + 1
                if other < k and (
                    heap_scores[other] < heap_scores[child]
                    or (heap_scores[other] == heap_scores[child] and heap_ids[other] > heap_ids[child])
                ):
                    child = other
                if heap_scores[child] < score:
                    heap_scores[place], heap_ids[place] = heap_scores[child], heap_ids[child]
                    place = child
                else:
                    break
            heap_scores[place], heap_ids[place] = score, base + document
        if held == k:
            bound = heap_scores[0]
    return held
