"""Batches of one topic: in-batch negatives that are near the query, at no cost (arXiv 2104.06967, "TAS")."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

COLUMNS = 1 << 15
"""Columns that words are hashed into."""
DIMENSIONS = 32
"""Of the latent space in which texts are near or far."""
ITERATIONS = 6
"""Of the search for that space."""
LETTERS = 1000
"""Of a text that are looked at."""


def topics(texts: Sequence[str], count: int, seed: int) -> list[int]:
    """The topic of each text: k-means on latent semantic analysis: TF-IDF in its leading dimensions.

    Args:
        texts: A word counts once in a text.
        count: Topics at most.
        seed: Equal seeds give equal topics on one machine.

    Returns:
        A number below `count` for each text.
    """
    from scipy.cluster.vq import kmeans2

    words = [{crc32(word.encode()) % COLUMNS for word in _words(text)} for text in texts]
    indptr = np.cumsum([0, *(len(row) for row in words)])
    indices = np.fromiter((column for row in words for column in sorted(row)), np.int64, int(indptr[-1]))
    frequency = np.bincount(indices, minlength=COLUMNS)
    weights = np.log(len(texts) / frequency[indices]) + 1e-9
    norms = np.sqrt(np.bincount(np.repeat(np.arange(len(texts)), np.diff(indptr)), weights**2, len(texts)))
    weights /= np.repeat(norms, np.diff(indptr))
    table = sparse.csr_matrix((weights, indices, indptr), (len(texts), COLUMNS))
    generator = np.random.default_rng(seed)
    # Subspace iteration: the leading right singular vectors up to a rotation, which changes no distance.
    basis = generator.standard_normal((COLUMNS, DIMENSIONS))
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(table.T @ (table @ basis))
    points = table @ basis
    points /= np.linalg.norm(points, axis=1, keepdims=True) + 1e-9
    count = min(count, len(np.unique(points.round(6), axis=0)))  # no more than there are different ones
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a topic without texts does no harm
        _, labels = kmeans2(points, count, minit="++", seed=generator)
    return [int(label) for label in labels]


def arrange(places: Sequence[int], labels: Sequence[int], size: int, drawn: random.Random) -> list[int]:
    """The places in runs of `size` of one topic, the runs in a random order; what is left of the topics comes last.

    Args:
        places: In a random order, which stays the order within a topic.
        labels: Topic by place.
        size: Pairs a batch.
        drawn: Source of the order.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place in places:
        members[labels[place]].append(place)
    runs: list[list[int]] = []
    rest: list[int] = []
    for own in members.values():
        full = len(own) // size * size
        runs += [own[begin : begin + size] for begin in range(0, full, size)]
        rest += own[full:]
    drawn.shuffle(runs)
    return [place for run in runs for place in run] + rest


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]{3,}", text[:LETTERS].lower())
