"""Fuse the runs of several systems into one ranking, and add up what its queries take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.pipeline.steps.evaluate import LatencySummary, timed_sides
from harness.pipeline.steps.explain import RANKS, SHOWN
from harness.pipeline.steps.ranking import Ranking
from harness.pipeline.steps.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.encoders.base import Progress

ROW = ("process", "query", "repeat")
"""What tells the samples of one process from each other."""


@dataclass(frozen=True)
class Fused(StepResult):
    """Runs fused: how many queries, and documents of each at most."""

    queries: int
    depth: int


def fuse(
    *,
    out: str,
    method: str,
    rank_constant: int,
    normalisation: str,
    weights: list[float],
    considered: int,
    depth: int,
    collection: str,
    report: Progress,
    **runs: str,
) -> Fused:
    """Write ``ids.npy`` (int64) and ``scores.npy`` (float32), queries x depth, as a search does, and ``ranks.npy``.

    The last is described at `harness.pipeline.steps.explain.RANKS`.

    Args:
        out: Folder to write to.
        method: ``rrf`` or ``sum``.
        rank_constant: Of ``rrf``.
        normalisation: Of ``sum``; see `normalised`.
        weights: One a run.
        considered: Most documents of each run that count.
        depth: Documents that are returned of each query.
        collection: Folder of the prepared collection, whose rules say which of two equal sums comes first.
        report: Called with progress.
        **runs: ``run0`` and so on: folders of the results of searches over the same queries and documents.
    """
    folders = [Path(runs[f"run{number}"]) for number in range(len(runs))]
    lists = [(np.load(folder / "ids.npy"), np.load(folder / "scores.npy")) for folder in folders]
    queries, ranking = len(lists[0][0]), Ranking(Path(collection), depth)
    ids, scores = np.full((queries, depth), -1, np.int64), np.full((queries, depth), -np.inf, np.float32)
    ranks = np.zeros((queries, min(SHOWN, depth), len(lists)), np.int32)
    for query in range(queries):
        listed = [_listed(numbers[query, :considered], values[query, :considered]) for numbers, values in lists]
        if method == "rrf":
            added = [weight / (rank_constant + np.arange(1, len(numbers) + 1))
                     for weight, (numbers, _) in zip(weights, listed, strict=True)]  # fmt: skip
            missing = [0.0] * len(listed)
        else:
            values = [normalised(numbers, normalisation) for _, numbers in listed]
            added = [weight * row for weight, (row, _) in zip(weights, values, strict=True)]
            missing = [weight * lowest for weight, (_, lowest) in zip(weights, values, strict=True)]
        documents, sums = merged([numbers for numbers, _ in listed], added, missing)
        ordered, rounded = ranking.in_order(documents[None], sums[None].astype(np.float32))
        documents, count = ordered[0], min(depth, len(documents))
        ids[query, :count], scores[query, :count] = documents[:count], rounded[0, :count]
        for place, document in enumerate(documents[: ranks.shape[1]]):
            ranks[query, place] = [_rank(numbers, document) for numbers, _ in listed]
    np.save(Path(out) / "ids.npy", ids)
    np.save(Path(out) / "scores.npy", scores)
    np.save(Path(out) / RANKS, ranks)
    report(1, 1, "fused")
    return Fused(queries, depth)


def merged(
    lists: Sequence[NDArray[np.int64]], added: Sequence[NDArray[np.float64]], missing: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every document of several lists with its sum, descending; ties by ascending document number.

    Addends are added from the smallest to the largest, so that the order of the lists changes no sum.

    Args:
        lists: Document numbers, each at most once in a list.
        added: What each document of a list gets.
        missing: What a document gets of a list that lacks it.
    """
    documents = np.unique(np.concatenate(lists))
    addends = np.repeat(np.asarray(missing, np.float64)[:, None], len(documents), axis=1)
    for row, numbers, values in zip(addends, lists, added, strict=True):
        row[np.searchsorted(documents, numbers)] = values
    addends.sort(axis=0)
    sums = np.zeros(len(documents))
    for row in addends:
        sums += row
    order = np.lexsort((documents, -sums))
    return documents[order], sums[order]


def normalised(scores: NDArray[np.float64], normalisation: str) -> tuple[NDArray[np.float64], float]:
    """The scores of one query in one run on a scale that runs share, and the value of a document that the run lacks.

    ``min-max`` gives 0 to the lowest and 1 to the highest score, 1 to all where they are equal; a document that the run
    lacks gets 0. ``z-score`` gives (score - mean) / standard deviation, 0 to all where they are equal, and ``none`` the
    score; a document that the run lacks gets the lowest of these. An empty run adds nothing.

    Args:
        scores: One or more finite scores; or none.
        normalisation: One of these names.
    """
    if not len(scores):
        return scores, 0.0
    low, high = float(scores.min()), float(scores.max())
    if normalisation == "min-max":
        return (scores - low) / (high - low) if high > low else np.ones(len(scores)), 0.0
    if normalisation == "z-score":
        scores = (scores - scores.mean()) / scores.std() if high > low else np.zeros(len(scores))
    return scores, float(scores.min())


def added_latencies(
    *, out: str, shared_encoders: list[int], confidence: float, seed: int, report: Progress, **parts: str
) -> LatencySummary:
    """Write ``samples.npz``: the times of several systems, query by query, in the same process and pass, added.

    Args:
        out: Folder to write to.
        shared_encoders: Numbers of the systems whose encoder an earlier one has: the query is encoded once for both.
        confidence: Of the intervals.
        seed: Of the resampling.
        report: Called with progress.
        **parts: ``part0`` and so on: folders of the samples of all processes of a system.

    Raises:
        UserError: The systems were not timed on the same queries as often.
    """
    from harness.measure.latency import summarise

    tables = []
    for number in range(len(parts)):
        with np.load(Path(parts[f"part{number}"]) / "samples.npz") as samples:
            order = np.lexsort([samples[name] for name in reversed(ROW)])
            tables.append({name: samples[name][order] for name in (*ROW, "encode", "search")})
    first = tables[0]
    if any(not np.array_equal(table[name], first[name]) for table in tables for name in ROW):
        raise UserError("the systems were not timed on the same queries as often", remedy="run the experiment again")
    encode = np.sum([table["encode"] for number, table in enumerate(tables) if number not in shared_encoders], axis=0)
    search = np.sum([table["search"] for table in tables], axis=0)
    rows = {name: first[name] for name in ROW}
    np.savez_compressed(Path(out) / "samples.npz", allow_pickle=False, **rows, encode=encode, search=search)
    summaries = {
        side: summarise(
            first["process"].astype(np.int32), first["query"].astype(np.int32), seconds,
            confidence=confidence, seed=seed,
        )
        for side, seconds in timed_sides(encode, search).items()
    }  # fmt: skip
    report(1, 1, "added up")
    return LatencySummary(
        summaries.get("encode"), summaries["search"], summaries.get("total"), None, None, {}, len(first["query"])
    )


def _listed(ids: NDArray[np.int64], scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One query's results without what fills the row."""
    there = ids >= 0
    return ids[there], scores[there].astype(np.float64)


def _rank(numbers: NDArray[np.int64], document: int) -> int:
    """Where a document stands in a list, from 1; 0 for nowhere."""
    places = np.flatnonzero(numbers == document)
    return int(places[0]) + 1 if len(places) else 0
