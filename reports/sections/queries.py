"""Which queries win and which lose between two systems, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot
from reports.sections.ranking import ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.runs.read import RunData

METRIC = "ndcg@10"
SHOWN = 5
PAIRS = 2


@dataclass(frozen=True)
class Side:
    """How one system answered a query: its value, the rank of its first relevant document, and its first document.

    `document` is the text, or the identifier where there is no text.
    `terms` are those that query and document share, with the product of their weights. `ranks` says for a fusion where
    each of its systems ranks the document.
    """

    value: str
    rank: str
    document: str
    relevant: bool
    terms: Sequence[tuple[str, str]]
    ranks: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ComparedQuery:
    """One query: the difference of the pair, its text (its identifier where it has none), and both answers."""

    gap: str
    text: str
    sides: Sequence[Side]


@dataclass(frozen=True)
class ComparedPair:
    """Two systems query by query; `explained` counts the queries whose results the run holds."""

    first: str
    second: str
    text: str
    explained: int
    figure: Figure
    rows: Sequence[ComparedQuery]


def pairs(run: RunData, collection: str) -> list[tuple[str, str]]:
    """The pairs that the claims are about, then the best two systems; at most `PAIRS`."""
    wanted = [(claim["system"], other) for claim in run.facts["claims"] if (other := claim["baseline"]) is not None]
    leaders = ranked(run, collection, METRIC)[:2]
    if len(leaders) == 2:
        wanted.append((leaders[0], leaders[1]))
    chosen: list[tuple[str, str]] = []
    for first, second in wanted:
        measured = all((collection, system, METRIC) in run.quality for system in (first, second))
        if measured and first != second and {first, second} not in [set(pair) for pair in chosen]:
            chosen.append((first, second))
    return chosen[:PAIRS]


def compared(run: RunData, collection: str, first: str, second: str) -> ComparedPair | None:
    """The differences of a pair as a figure, and the queries with the largest either way; None without a query."""
    ours, theirs = (run.quality[collection, system, METRIC] for system in (first, second))
    lines = run.explained.get((collection, first), {}).keys() | run.explained.get((collection, second), {}).keys()
    # The run holds the documents of some queries only; the table shows queries whose documents are there.
    explained = {query: json.dumps(query, ensure_ascii=False) in lines for query in ours.keys() & theirs.keys()}
    gaps = sorted(((ours[query] - theirs[query], query) for query in explained), reverse=True)
    if not gaps:
        return None
    wins, losses = [gap for gap in gaps if gap[0] > 0], [gap for gap in gaps[::-1] if gap[0] < 0]
    shown = [
        [gap for gap in side if explained[gap[1]] or not any(explained.values())][:SHOWN] for side in (wins, losses)
    ]
    text = (
        f"{first} ranks better than {second} on {len(wins)} of {len(gaps)} queries, worse on {len(losses)}, "
        f"the same on {len(gaps) - len(wins) - len(losses)}."
    )
    rows = [
        ComparedQuery(
            f"{gap:+.3f}",
            _text(run, collection, query, (first, second)),
            [_side(run, collection, system, query) for system in (first, second)],
        )
        for gap, query in (*shown[0], *shown[1])
    ]
    figure = _figure(np.asarray([gap for gap, _ in gaps]), first, second)
    return ComparedPair(first, second, text, sum(explained.values()), figure, rows)


def _figure(gaps: NDArray[np.float64], first: str, second: str) -> Figure:
    x = Axis("queries, the largest win first", 0, max(len(gaps), 2))
    reach = max(float(np.abs(gaps).max()), 0.05) * 1.08
    plot = Plot(x, Axis("nDCG@10, first - second", -reach, reach), height=240)
    places = np.unique(np.linspace(0, len(gaps) - 1, min(len(gaps), 400)).astype(int))
    plot.line([(float(place), float(gaps[place])) for place in places] + [(float(len(gaps)), float(gaps[-1]))], "s0",
              step=True)  # fmt: skip
    plot.level(y=0.0)
    caption = f"nDCG@10 of {first} less that of {second}, query by query."
    quantiles = np.quantile(gaps, [1, 0.9, 0.75, 0.5, 0.25, 0.1, 0])
    rows = [(name, f"{value:+.3f}") for name, value in zip(
        ("largest win", "9 in 10 below", "3 in 4 below", "median", "1 in 4 below", "1 in 10 below", "largest loss"),
        quantiles, strict=True)]  # fmt: skip
    return Figure(caption, plot.svg(), (), ("Queries", "Difference"), rows)


def _text(run: RunData, collection: str, query: str, systems: tuple[str, str]) -> str:
    """The query's text; its identifier where the run has none, or the collection has no texts."""
    for system in systems:
        row = run.explain(collection, system, query)
        if row and row["text"]:
            return str(row["text"])
    return query


def _side(run: RunData, collection: str, system: str, query: str) -> Side:
    row = run.explain(collection, system, query)
    top = row.get("top") or [{}]
    rank = row.get("first_relevant")
    return Side(
        value=f"{run.quality[collection, system, METRIC][query]:.3f}",
        rank=f"first relevant at {rank}" if rank else "no relevant document found" if row else "",
        document=str(top[0].get("text") or top[0].get("document", "")),
        relevant=bool(top[0].get("relevance")),
        terms=[(str(term), f"{weight:.2f}") for term, weight in top[0].get("terms", ())],
        ranks=[(system, str(rank) if rank else "not listed") for system, rank in top[0].get("ranks", ())],
    )
