"""An engine that has scores and nothing else."""

import numpy as np


def engine_of(scores, asked):
    """An exact engine with these scores of all documents, which notes to what depth it was asked."""

    def search(rows, k):
        asked.append((len(rows), k))
        ids = np.full((len(rows), k), -1, np.int64)
        values = np.full((len(rows), k), -np.inf, np.float32)
        for place, row in enumerate(rows):
            order = np.argsort(-scores[row], kind="stable")[:k]
            ids[place, : len(order)], values[place, : len(order)] = order, scores[row, order]
        return ids, values

    return search
