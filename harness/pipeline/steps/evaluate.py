"""From hits to quality, and from samples to latencies: values with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.steps.explain import RANKS, explain
from harness.pipeline.steps.per_query import intervals, write_per_query
from harness.pipeline.steps.prepare import read_qrels, read_rules, read_texts
from harness.pipeline.steps.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.encoders.base import Progress

TIMED_RUN = "timed.trec.gz"
"""Results of the search with the timed k, where an engine answers that otherwise."""
FIRST = 10
"""Ranks whose ties are counted: those of nDCG@10."""
SAMPLES = ("query", "repeat", "encode", "search", "engine")


@dataclass(frozen=True)
class MetricValue:
    """A metric of quality, mean over queries.

    Attributes:
        value: The mean.
        low: Lower bound of its interval; None where there are too few queries for one.
        high: Upper bound of its interval; None where there are too few.
        n: Queries.
        method: How it was computed, one phrase.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    method: str


@dataclass(frozen=True)
class Quality(StepResult):
    """How well a system ranks.

    Attributes:
        metrics: Every metric by its name; intervals are of the mean over queries (Student's t).
        tied: Queries with equal scores among the first eleven documents: a tie decides which are the first ten, or
            their order.
        tied_grades: Those of them where another order of equal scores gives another order of grades, and so another
            nDCG@10.
    """

    metrics: dict[str, MetricValue]
    tied: int
    tied_grades: int

    def facts(self) -> dict[str, str]:
        """What a reader must know of ties; nothing where there are none."""
        decided = f"{self.tied} queries; in {self.tied_grades} of them the order decides nDCG@10"
        return {"equal scores among the first 11": decided} if self.tied else {}


@dataclass(frozen=True)
class LatencySummary(StepResult):
    """Latencies of all processes of a system, in seconds.

    Attributes:
        encode: (value, low, high) of each percentile and of the mean; None where encoding was not timed.
        search: The same of searching.
        total: The same of encoding and searching one query; None where encoding was not timed.
        engine: The same of the engine's own part of a search; None where it is not known.
        adapter: The same of what the adapter adds to it.
        least: By side, the shortest of a query's times, mean over queries.
        n: Timed queries of all processes and passes.
    """

    encode: dict[str, tuple[float, float, float]] | None
    search: dict[str, tuple[float, float, float]]
    total: dict[str, tuple[float, float, float]] | None
    engine: dict[str, tuple[float, float, float]] | None
    adapter: dict[str, tuple[float, float, float]] | None
    least: dict[str, float]
    n: int

    def sides(self) -> dict[str, dict[str, tuple[float, float, float]]]:
        """Those of encode, search and total that were timed, by these names."""
        sides = {"encode": self.encode, "search": self.search, "total": self.total}
        return {name: values for name, values in sides.items() if values is not None}


def quality(
    *,
    out: str,
    collection: str,
    hits: str,
    tag: str,
    metrics: dict[str, str],
    confidence: float,
    report: Progress,
    vectors: str | None = None,
    timed: str | None = None,
    fused: list[str] | None = None,
) -> Quality:
    """Write ``run.trec.gz`` and ``per_query.json`` ({metric: {query: value}}); evaluate the run as it was written.

    Besides ``explain.jsonl`` and ``active.npz``, see `harness.pipeline.steps.explain`.

    Args:
        out: Folder to write to.
        collection: Folder of the prepared collection.
        hits: Folder of the hits of all queries.
        tag: Name of the system.
        metrics: {name of a metric of quality: its name in ir_measures, empty where it computes itself}.
        confidence: Of the intervals.
        report: Called with progress.
        vectors: Folder of the system's vectors; None for a fusion, which has none.
        timed: Folder of the hits with the timed k, which metrics with a cut-off up to k rest on; None where they are
            the first of `hits`.
        fused: Names of the systems whose runs were fused; None for a system that searches itself.
    """
    from harness.measure.quality import evaluate, read_trec, write_trec
    from harness.metrics import quality_metric
    from harness.metrics.named_measures import cut_off

    texts, folder = Path(collection), Path(hits)
    documents = [name for name, _ in read_texts(texts / "documents.jsonl")]
    queries = [name for name, _ in read_texts(texts / "queries.jsonl")]
    path = Path(out) / "run.trec.gz"
    ids, scores, qrels = np.load(folder / "ids.npy"), np.load(folder / "scores.npy"), read_qrels(texts / "qrels.tsv")
    write_trec(path, queries, documents, ids, scores, tag)
    ranks = None if fused is None else (fused, np.load(folder / RANKS))
    explain(Path(out), texts, None if vectors is None else Path(vectors), ids, qrels, ranks)
    near, unanswerable = list[str](), read_rules(texts).without_relevant
    values: dict[str, dict[str, float]] = {}
    if timed is not None:
        short = np.load(Path(timed) / "ids.npy")
        near = [name for name, measure in metrics.items() if cut_off(measure or name) <= short.shape[1]]
        write_trec(Path(out) / TIMED_RUN, queries, documents, short, np.load(Path(timed) / "scores.npy"), tag)
        values = evaluate(qrels, read_trec(Path(out) / TIMED_RUN), near, unanswerable)
    values |= evaluate(qrels, read_trec(path), [name for name in metrics if name not in near], unanswerable)
    values = {name: values[name] for name in metrics}
    write_per_query(Path(out), values)
    ends = intervals({name: list(by_query.values()) for name, by_query in values.items()}, confidence)
    result = {}
    for name, by_query in values.items():
        numbers = list(by_query.values())
        low, high = ends.get(name, (None, None))
        method = f"{quality_metric(name).method}, Student's t over queries"
        result[name] = MetricValue(float(np.mean(numbers)), low, high, len(numbers), method)
    report(1, 1, "evaluated")
    tied = tied_queries(ids, scores)
    grades = {row: [qrels.get(queries[row], {}).get(documents[n], 0) for n in ids[row] if n >= 0] for row in tied}
    changed = sum(changes_grades(scores[row], of_row) for row, of_row in grades.items())
    return Quality(result, len(tied), changed)


def tied_queries(ids: NDArray[np.int64], scores: NDArray[np.float32]) -> list[int]:
    """Rows with equal scores among the first eleven documents.

    Args:
        ids: Numbers of documents, queries x k, -1 past the last.
        scores: The same shape, descending.
    """
    ids, scores = ids[:, : FIRST + 1], scores[:, : FIRST + 1]
    equal = (scores[:, 1:] == scores[:, :-1]) & (ids[:, 1:] >= 0)
    tied: list[int] = np.flatnonzero(equal.any(axis=1)).tolist()
    return tied


def changes_grades(scores: NDArray[np.float32], grades: Sequence[int]) -> bool:
    """Whether another order of equal scores changes which grade stands at one of the first ten ranks.

    Args:
        scores: Of a query, descending.
        grades: Relevance of its documents in the same order, not more than there are scores.
    """
    by_score: dict[float, set[int]] = {}
    for rank, (score, grade) in enumerate(zip(scores.tolist(), grades, strict=False)):
        if rank < FIRST or score in by_score:
            by_score.setdefault(score, set()).add(max(grade, 0))
    return any(len(different) > 1 for different in by_score.values())


def latencies(*, out: str, confidence: float, seed: int, report: Progress, **processes: str) -> LatencySummary:
    """Write ``samples.npz``, the samples of all processes with the number of each row's process (``process``).

    Args:
        out: Folder to write to.
        confidence: Of the intervals.
        seed: Of the resampling.
        report: Called with progress.
        **processes: ``process0`` and so on: folders of the processes' own samples.
    """
    from harness.measure.latency import least, summarise

    parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in ("process", *SAMPLES)}
    for number in range(len(processes)):
        with np.load(Path(processes[f"process{number}"]) / "samples.npz") as samples:
            parts["process"].append(np.full(len(samples["query"]), number, np.int32))
            for name in SAMPLES:
                parts[name].append(samples[name])
    joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    np.savez_compressed(Path(out) / "samples.npz", allow_pickle=False, **joined)
    process, query = joined["process"].astype(np.int32), joined["query"].astype(np.int32)
    encode, search = joined["encode"].astype(np.float64), joined["search"].astype(np.float64)
    sides = timed_sides(encode, search)
    engine = joined["engine"].astype(np.float64)
    parts_of_search = {} if np.isnan(engine).any() else {"engine": engine, "adapter": search - engine}
    summaries = {
        side: summarise(process, query, seconds, confidence=confidence, seed=seed)
        for side, seconds in (sides | parts_of_search).items()
    }
    shortest = {side: least(query, seconds) for side, seconds in sides.items()}
    report(1, 1, "summarised")
    return LatencySummary(
        summaries.get("encode"),
        summaries["search"],
        summaries.get("total"),
        summaries.get("engine"),
        summaries.get("adapter"),
        shortest,
        len(query),
    )


def timed_sides(encode: NDArray[np.float64], search: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Seconds by encode, search and total; of search alone where encoding was not timed (NaN)."""
    if np.isnan(encode).any():
        return {"search": search}
    return {"encode": encode, "search": search, "total": encode + search}
