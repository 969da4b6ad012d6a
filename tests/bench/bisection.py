"""An order of documents that puts those with the same terms beside each other: recursive graph bisection.

Dhulipala et al., Compressing Graphs and Indexes with Recursive Graph Bisection, KDD 2016. A range of documents is cut
into halves; documents change sides in pairs while the logarithms of the distances in the terms' lists become smaller;
then each half is treated alike.
"""

import numpy as np

from harness.compiled import compiled

LEAST, ROUNDS = 16, 12
"""The smallest range that is cut; how often at most documents of a range change sides."""


def order_of(rows):
    """The documents of a CSR matrix in their new order; it depends on the matrix alone."""
    indptr, indices, width = rows.indptr.astype(np.int64), rows.indices, rows.shape[1]
    shared = np.bincount(indices, minlength=width) > 1
    numbers = np.where(shared, np.cumsum(shared) - 1, -1).astype(np.int32)
    documents = np.arange(len(indptr) - 1)
    filled = np.arange(len(documents) + 2, dtype=np.float64)
    _bisect(indptr, numbers[indices], int(shared.sum()), documents, (filled * np.log2(filled + 1)).astype(np.float32))
    return documents


@compiled
def _bisect(indptr, terms, width, documents, costs):
    """Order `documents` in place; negative terms count for nothing."""
    counts = np.zeros((width, 2), np.int32)
    gains, present = np.zeros((width, 2), np.float32), np.empty(width, np.int32)
    size = len(documents)
    while size > LEAST:
        for begin in range(0, len(documents), size):
            end = min(begin + size, len(documents))
            if end - begin > LEAST:
                _halve(indptr, terms, documents[begin:end], (size + 1) // 2, costs, counts, gains, present)
        size = (size + 1) // 2


@compiled
def _halve(indptr, terms, documents, half, costs, counts, gains, present):
    """Let documents before and after the one at `half` change sides; `counts` are 0 before and after."""
    length, found = len(documents), 0
    half = min(half, length)
    for place in range(length):
        side = np.int64(place >= half)
        for at in range(indptr[documents[place]], indptr[documents[place] + 1]):
            term = terms[at]
            if term >= 0:
                if counts[term, 0] + counts[term, 1] == 0:
                    present[found] = term
                    found += 1
                counts[term, side] += 1
    benefits = np.empty(length, np.float32)
    for _ in range(ROUNDS):
        for place in range(found):
            term = present[place]
            left, right = counts[term, 0], counts[term, 1]
            now = costs[left] + costs[right]
            gains[term, 0] = costs[left - 1] + costs[right + 1] - now if left else np.float32(0)
            gains[term, 1] = costs[left + 1] + costs[right - 1] - now if right else np.float32(0)
        for place in range(length):
            side, total = np.int64(place >= half), np.float32(0)
            for at in range(indptr[documents[place]], indptr[documents[place] + 1]):
                if terms[at] >= 0:
                    total += gains[terms[at], side]
            benefits[place] = -total
        from_left, from_right = np.argsort(benefits[:half]), np.argsort(benefits[half:])
        moved = 0
        while moved < min(half, length - half):
            one, other = from_left[moved], half + from_right[moved]
            if benefits[one] + benefits[other] >= 0:
                break
            documents[one], documents[other] = documents[other], documents[one]
            for side, document in ((1, documents[other]), (0, documents[one])):
                for at in range(indptr[document], indptr[document + 1]):
                    if terms[at] >= 0:
                        counts[terms[at], side] += 1
                        counts[terms[at], 1 - side] -= 1
            moved += 1
        if moved == 0:
            break
    for place in range(found):
        counts[present[place], 0] = counts[present[place], 1] = 0
