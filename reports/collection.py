"""What the page shows of one collection: its tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports import evidence, figures, null, queries
from reports.compare import best
from reports.values import interval, label, number

if TYPE_CHECKING:
    from reports.figures import Figure
    from reports.load import RunData

SUMMARY = (
    "ndcg@10", "index_bytes_per_document", "latency_total/p50", "latency_total/p99", "latency_total/p95",
    "flops_encode_query", "flops_search",
)  # fmt: skip
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Quality", ("ndcg@10", "recall@10", "recall@100", "mrr@10")),
    (
        "Memory",
        (
            "index_bytes", "index_bytes_per_document", "index_lower_bound_bytes", "index_file_bytes", "resident_bytes",
            "build_peak_bytes", "build_seconds", "identifier_bytes", "dimensions", "active_terms_document",
            "active_terms_query",
        ),
    ),
    ("Resident memory by kind", ("resident_bytes/anonymous", "resident_bytes/file", "resident_bytes/pss")),
    (
        "Latency",
        tuple(f"latency_{side}/{q}" for side in ("encode", "search", "total") for q in ("p50", "p95", "p99", "mean")),
    ),
    (
        "Starting, batches and load",
        (
            "load_seconds", "first_query_seconds", "cold_load_seconds", "cold_first_query_seconds",
            "throughput_encode/1", "throughput_encode/all", "throughput_search/1", "throughput_search/all",
            "highest_load",
        ),
    ),
    ("Energy and cost", ("energy_query", "cost_million_queries")),
    (
        "Encoder",
        (
            "encoder_file_bytes", "encoder_resident_bytes", "encoder_resident_bytes/anonymous",
            "encoder_resident_bytes/file", "encoder_activation_bytes",
        ),
    ),
    (
        "Work",
        (
            "flops_encode_query", "flops_encode_document", "flops_search", "postings_touched", "documents_scored",
            "bounds_evaluated", "expected_overlap", "model_parameters", "encode_documents_per_second", "train_seconds",
            "train_flops",
        ),
    ),
)  # fmt: skip


def shown(run: RunData, name: str, place: int) -> dict[str, Any]:
    """All that the page shows of one collection."""
    return {
        "name": name,
        "tag": f"c{place}",
        "facts": run.facts["collections"].get(name),
        "summary": table(run, name, SUMMARY),
        "null": null.sentences(run.records, name),
        "sections": [(title, table(run, name, wanted)) for title, wanted in SECTIONS],
        "against": evidence.against_best(run, name),
        "equal": evidence.at_equal_quality(run, name),
        "queries": [
            found
            for first, second in queries.pairs(run, name)
            if (found := queries.compared(run, name, first, second)) is not None
        ],
        "figures": {
            title: [figure for figure in drawn if figure is not None] for title, drawn in _figures(run, name).items()
        },
    }


def overview(run: RunData, name: str = "ndcg@10") -> dict[str, Any] | None:
    """One metric over all collections, with its mean for systems that have it on every one; None for one collection."""
    cells, collections = run.cells(), run.collections()
    if len(collections) < 2 or not any(row.metric == name for row in run.records):
        return None
    marked = {collection: best(run, collection, name) for collection in collections}
    rows = []
    for system in dict.fromkeys(system["name"] for system in run.systems):
        found = [cells.get((collection, system, name)) for collection in collections]
        values = [record.value for record in found if record is not None]
        mean = sum(values) / len(values) if len(values) == len(collections) else None
        none = ("–", "", False)
        told = [
            (number(record.value, record.unit), repr(record.value), marked[collection] == system) if record else none
            for collection, record in zip(collections, found, strict=True)
        ]
        rows.append((system, [*told, none if mean is None else (f"{mean:.3f}", repr(mean), False)]))
    return {"heads": [*collections, "Mean"], "metric": label(name), "rows": rows}


def table(run: RunData, collection: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Columns that at least one system has, and a row a system; the best is marked where it beats all others."""
    cells = run.cells()
    used = [m for m in wanted if any((collection, s, m) in cells for s in run.names(collection))]
    marked = {name: best(run, collection, name) for name in used}
    rows = []
    for system in run.systems:
        if system["collection"] != collection:
            continue
        row = []
        for name in used:
            found = cells.get((collection, system["name"], name))
            row.append(
                {
                    "text": number(found.value, found.unit) if found else "–",
                    "interval": interval(found) if found else "",
                    "label": "" if found is None or found.source == "measured" else found.source,
                    "value": "" if found is None else repr(found.value),
                    "title": "" if found is None else f"{found.method}; n = {found.n}",
                    "best": marked[name] == system["name"],
                }
            )
        rows.append({"system": system, "cells": row})
    return {"columns": [(name.partition("/")[0], label(name)) for name in used], "rows": rows}


def _figures(run: RunData, name: str) -> dict[str, list[Figure | None]]:
    def against(cost: str, words: str) -> Figure | None:
        caption = f"nDCG@10 against {words}: up and left is better. Dotted: what no other system beats."
        return figures.trade_off(run, name, cost, "ndcg@10", caption)

    def terms(side: str, words: str) -> Figure | None:
        counts = {s: run.active[name, s][side] for s in run.names(name) if side in run.active.get((name, s), {})}
        return figures.term_ridges(counts, f"Active terms of {words}; the line is the median.")

    counted = any(row.metric == "flops_encode_query" and row.value for row in run.of(name))
    return {
        "Summary": [against("index_bytes_per_document", "index bytes per document")],
        "Memory": [
            figures.memory_bars(run, name, "Index bytes by component."),
            terms("document", "a document"),
            terms("query", "a query"),
        ],
        "Latency": [
            figures.latency_curves(
                run, name, "total", "Share of queries answered (encoded and searched) within a time."
            ),
            figures.latency_ridges(run, name, "search", "How the times of searches (the vector given) are spread."),
            against("latency_total/p50", "median query latency"),
            against("latency_total/p99", "the 99th percentile of query latency"),
        ],
        "Work": [against("flops_encode_query", "FLOPs of a query's encoding") if counted else None],
    }
