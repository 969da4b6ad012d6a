"""Which queries win and which lose between two systems, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.figures.differences import METRIC, differences, gaps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData
    from reports.figures.base import Panel

SHOWN = 5


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
    figure: Panel
    rows: Sequence[ComparedQuery]


def compared(run: RunData, collection: str, first: str, second: str) -> ComparedPair | None:
    """The differences of a pair as a figure, and the queries with the largest either way; None without a query."""
    gaps, figure = gaps_of(run, collection, first, second), differences(run, collection, first, second)
    if figure is None:
        return None
    lines = run.explained.get((collection, first), {}).keys() | run.explained.get((collection, second), {}).keys()
    # The run holds the documents of some queries only; the table shows queries whose documents are there.
    explained = {query: json.dumps(query, ensure_ascii=False) in lines for _, query in gaps}
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
    return ComparedPair(first, second, text, sum(explained.values()), figure, rows)


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
