"""Batches of one topic: in-batch negatives that are near the query, at no cost (arXiv 2104.06967, "TAS")."""

from __future__ import annotations

import re
import warnings
from array import array
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

COLUMNS = 1 << 15
"""Columns that words are hashed into."""
DIMENSIONS = 32
"""Of the latent space in which texts are near or far."""
ITERATIONS = 6
"""Of the search for that space."""
LETTERS = 1000
"""Of a text that are looked at."""
LEARNED = 20_000
"""Texts that topics are learned from, at most."""
BLOCK = 2000
"""Texts that are given their topics at a time."""


def topics(texts: Sequence[str], count: int, seed: int) -> array[int]:
    """The topic of each text: k-means on latent semantic analysis: TF-IDF in its leading dimensions.

    Space and centres are those of `LEARNED` texts, evenly spaced, where there are more; the others go to the nearest
    centre, so that memory does not grow with the texts but by four bytes each.

    Args:
        texts: A word counts once in a text.
        count: Topics at most.
        seed: Equal seeds give equal topics on one machine.

    Returns:
        A number below `count` for each text.
    """
    from scipy.cluster.vq import kmeans2

    whole = len(texts) <= LEARNED
    learned = _words_of(texts if whole else (texts[place * len(texts) // LEARNED] for place in range(LEARNED)))
    frequency = np.bincount(learned.indices, minlength=COLUMNS)
    weights = np.log(learned.shape[0] / np.maximum(frequency, 1)) + 1e-9
    table = _weighted(learned, weights)
    generator = np.random.default_rng(seed)
    # Subspace iteration: the leading right singular vectors up to a rotation, which changes no distance.
    basis = generator.standard_normal((COLUMNS, DIMENSIONS))
    for _ in range(ITERATIONS):
        basis, _ = np.linalg.qr(table.T @ (table @ basis))
    points = _unit(table @ basis)
    count = min(count, len(np.unique(points.round(6), axis=0)))  # no more than there are different ones
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a topic without texts does no harm
        centres, labels = kmeans2(points, count, minit="++", seed=generator)
    if whole:
        return array("I", labels.tolist())
    nearest = array("I")
    for begin in range(0, len(texts), BLOCK):
        block = _words_of(texts[place] for place in range(begin, min(begin + BLOCK, len(texts))))
        points = _unit(_weighted(block, weights) @ basis)
        # Of distances to a point, its own length is the same for all centres.
        nearest.extend(((centres**2).sum(1) - 2 * points @ centres.T).argmin(1).tolist())
    return nearest


def arrange(places: Sequence[int], labels: Sequence[int], size: int, drawn: random.Random) -> array[int]:
    """The places in runs of `size` of one topic, the runs in a random order; what is left of the topics comes last.

    Args:
        places: In a random order, which stays the order within a topic.
        labels: Topic by place.
        size: Pairs a batch.
        drawn: Source of the order.
    """
    ordered = np.asarray(places, np.uint32)
    of_place = np.asarray(labels, np.uint32)[ordered]
    _, first, counts = np.unique(of_place, return_index=True, return_counts=True)
    by_topic = ordered[np.argsort(of_place, kind="stable")]
    ends = counts.cumsum()
    runs: list[NDArray[np.uint32]] = []
    rest: list[NDArray[np.uint32]] = []
    for topic in first.argsort():  # topics in the order in which they come
        own = by_topic[ends[topic] - counts[topic] : ends[topic]]
        full = len(own) // size * size
        runs += [own[begin : begin + size] for begin in range(0, full, size)]
        rest.append(own[full:])
    drawn.shuffle(runs)
    return array("I", np.concatenate([np.empty(0, np.uint32), *runs, *rest]).tobytes())


def _words_of(texts: Iterable[str]) -> sparse.csr_matrix:
    """Ones, a row a text: which columns its words are hashed into."""
    ends, columns = array("q", [0]), array("i")
    for text in texts:
        columns.extend(sorted({crc32(word.encode()) % COLUMNS for word in _words(text)}))
        ends.append(len(columns))
    indices = np.frombuffer(columns, np.int32) if columns else np.empty(0, np.int32)
    return sparse.csr_matrix((np.ones(len(columns)), indices, np.frombuffer(ends, np.int64)), (len(ends) - 1, COLUMNS))


def _weighted(table: sparse.csr_matrix, weights: NDArray[np.float64]) -> sparse.csr_matrix:
    """Weights in place of the ones, and rows of length 1."""
    values = weights[table.indices]
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    values /= np.sqrt(np.bincount(row, values**2, table.shape[0]))[row]
    return sparse.csr_matrix((values, table.indices, table.indptr), table.shape)


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points / (np.linalg.norm(points, axis=1, keepdims=True) + 1e-9))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]{3,}", text[:LETTERS].lower())
