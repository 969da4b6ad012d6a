"""Retrieval quality through ir_measures, from runs in TREC format."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import nullcontext
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote

import numpy as np

from harness.errors import UserError
from harness.metrics import quality_metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.collections.base import WithoutRelevant

Run = dict[str, dict[str, float]]


def write_trec(
    path: Path,
    query_ids: Sequence[str],
    document_ids: Sequence[str],
    ids: NDArray[np.int64],
    scores: NDArray[np.float32],
    tag: str,
) -> None:
    """Write a run, ``query Q0 document rank score tag``; gzipped where the name ends with .gz, the same bytes always.

    trec_eval sorts by score and breaks ties by identifier, whatever the ranks say. So that everybody reads the order
    that the engine gave (ties by ascending document number), a score that is not below the one before it is written as
    the next smaller float32 (trec_eval reads scores as float32): at most as many steps as there are ties. White space
    and control characters in identifiers are percent-encoded, as the percent sign is; `read_trec` decodes them. So is a
    ``#`` with which a line would begin: readers that skip comments would lose that query.

    Args:
        path: File to write.
        query_ids: q identifiers.
        document_ids: Identifiers by document number.
        ids: q x k document numbers, -1 past the last.
        scores: q x k, descending.
        tag: Name of the system.

    Raises:
        UserError: An identifier is empty, or a score is not a number.
    """
    documents = [_quoted(name) for name in document_ids]
    label = _quoted(tag)
    with path.open("wb") as raw, _packed(raw, path) as packed:
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="\n", write_through=True)
        for row, query in enumerate(query_ids):
            name = _quoted(query)
            name = f"%23{name[1:]}" if name.startswith("#") else name
            past = np.flatnonzero(ids[row] < 0)
            numbers = ids[row, : past[0] if len(past) else None].tolist()
            written = np.asarray(scores[row, : len(numbers)], np.float32)
            if np.isnan(written).any():
                document = document_ids[numbers[int(np.isnan(written).argmax())]]
                raise UserError(
                    f"the score of query {query!r} and document {document!r} is not a number",
                    remedy="check the encoder's vectors and the index for values that are not finite",
                )
            ranked = enumerate(zip(numbers, _strictly_descending(written), strict=True), start=1)
            text.write(
                "".join(f"{name} Q0 {documents[number]} {rank} {score!r} {label}\n" for rank, (number, score) in ranked)
            )
        text.flush()
        text.detach()


def _strictly_descending(scores: NDArray[np.float32]) -> list[float]:
    """The scores, each that is not below the one before it as the next smaller float32."""
    before = np.concatenate([np.full(1, np.inf, np.float32), scores[:-1]])
    if (scores < before).all():
        return [float(score) for score in scores.tolist()]
    places = _places(scores)
    steps = np.arange(len(scores))
    # Each place is at most the one before it less 1, and the first is below infinity. Nothing is below minus infinity.
    limited = np.minimum.accumulate(np.minimum(places + steps, _places(np.full(1, np.inf, np.float32)) - 1)) - steps
    limited = np.maximum(limited, _places(np.full(1, -np.inf, np.float32)))
    lower = np.where(limited < 0, -limited | 1 << 31, limited).astype(np.uint32).view(np.float32)
    return [float(score) for score in np.where(limited == places, scores, lower).tolist()]


def _places(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers in the order of the scores, one apart for neighbouring float32; 0 for both zeros."""
    bits = scores.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def read_trec(path: Path) -> Run:
    """Read a run: {query: {document: score}}.

    Raises:
        UserError: The file cannot be read, a line has not six fields, or its score is no number; file and line are
            named.
    """
    run: Run = {}
    before, results = None, dict[str, float]()
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split()
        try:
            query, _, document, _, score, _ = fields
            value = float(score)
            if query != before:
                before, results = query, run.setdefault(_unquoted(query), {})
            results[_unquoted(document) if "%" in document else document] = value
        except ValueError:
            raise UserError(
                f"not a TREC run: found {len(fields)} fields",
                file=path,
                line=number,
                remedy="write query Q0 document rank score tag on each line",
            ) from None
    return run


def evaluate(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str],
    without_relevant: WithoutRelevant = "leave-out",
) -> dict[str, dict[str, float]]:
    """Each metric for each query that has a relevant document, and 0 for others where they are to count.

    Args:
        qrels: {query: {document: relevance}}.
        run: {query: {document: score}}.
        metrics: Names of metrics of quality; see `harness.metrics.quality_metric`.
        without_relevant: Whether queries without a relevant document are left out, or count 0 as in mteb.

    Returns:
        {metric: {query: value}}.

    Raises:
        UserError: A metric is not known, or gives no finite value for one of the queries.
    """
    asked = {query: dict(grades) for query, grades in qrels.items() if grades}
    judged = {query: grades for query, grades in asked.items() if any(grade > 0 for grade in grades.values())}
    kinds = {name: quality_metric(name) for name in metrics}
    computed = _by_ir_measures(judged, run, {name: kind.measure for name, kind in kinds.items() if kind.measure})
    for name, kind in kinds.items():
        if not kind.measure:
            computed[name] = _checked(name, judged, kind.per_query(judged, run))
    if without_relevant == "zero":
        return {name: {query: computed[name].get(query, 0.0) for query in asked} for name in metrics}
    return {name: computed[name] for name in metrics}


def _by_ir_measures(
    judged: dict[str, dict[str, int]], run: Mapping[str, Mapping[str, float]], measures: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Values of the measures by our names; 0 for a query without results."""
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(judged, 0.0) for name in measures}
    answered = {query: dict(run[query]) for query in judged if run.get(query)}
    if answered and measures:
        import ir_measures

        wanted: dict[ir_measures.Measure, list[str]] = {}
        for name, measure in measures.items():
            wanted.setdefault(ir_measures.parse_measure(measure), []).append(name)
        for value in ir_measures.iter_calc(list(wanted), judged, answered):
            for name in wanted[value.measure]:
                values[name][value.query_id] = float(value.value)
    return {name: _checked(name, judged, by_query) for name, by_query in values.items()}


def _checked(name: str, judged: Mapping[str, object], values: Mapping[str, float]) -> dict[str, float]:
    """The values in the order of the judgements."""
    try:
        ordered = {query: float(values[query]) for query in judged}
    except KeyError as error:
        raise UserError(
            f"the metric {name!r} has no value for the query {error}", remedy="give one for every query of the qrels"
        ) from None
    if bad := next((query for query, value in ordered.items() if not np.isfinite(value)), None):
        raise UserError(
            f"the metric {name!r} of the query {bad!r} is {ordered[bad]}", remedy="give a finite value for every query"
        )
    return ordered


def _packed(raw: BinaryIO, path: Path) -> AbstractContextManager[BinaryIO]:
    if path.suffix != ".gz":
        return nullcontext(raw)
    # A level of 6 takes two thirds of the time of 9, and the file is a hundredth larger.
    return gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)  # type: ignore[return-value]


def _quoted(name: str) -> str:
    """One word: what would break the line's fields is percent-encoded, and so is the percent sign."""
    if not name:
        raise UserError("a run cannot hold an empty identifier", remedy="give every document and query an identifier")
    if not any(char.isspace() or not char.isprintable() or char == "%" for char in name):
        return name
    plain = "".join(char for char in name if char.isprintable() and not char.isspace() and char != "%")
    return quote(name, safe=plain, errors="surrogatepass")


def _unquoted(word: str) -> str:
    return unquote(word, errors="surrogatepass") if "%" in word else word


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the run: {error}", file=path, remedy="run the experiment again") from None
