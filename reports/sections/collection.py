"""What the page shows of one collection: its tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from reports.figures import distributions, trade_off
from reports.formatting import interval, label, number
from reports.sections import null_control, queries, significance, takeaways
from reports.sections.ranking import best

if TYPE_CHECKING:
    from harness.records import Record
    from harness.runs.read import RunData
    from reports.figures.figure import Figure

SUMMARY = (
    "ndcg@10", "index_bytes_per_document", "latency_total/p50", "latency_total/p99", "latency_total/p95",
    "flops_encode_query", "flops_search",
)  # fmt: skip
Group: TypeAlias = "tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]"
"""A part of the page and its tables: heading, metrics."""
QUANTILES = ("p50", "p95", "p99", "mean")
GROUPS: tuple[Group, ...] = (
    (
        "Quality",
        (
            ("", ("ndcg@10", "recall@10", "recall@100", "mrr@10")),
            (
                "What the index loses",
                ("ndcg_exact@10", "recall_vs_exact@10", "recall_vs_exact@100", "recall_vs_exact@1000"),
            ),
        ),
    ),
    (
        "Memory",
        (
            (
                "The index",
                (
                    "index_bytes", "index_bytes_per_document", "index_plain_bytes", "index_file_bytes",
                    "identifier_bytes",
                ),
            ),
            (
                "Serving and building",
                (
                    "resident_bytes", "resident_bytes/anonymous", "resident_bytes/file", "resident_bytes/pss",
                    "build_peak_bytes", "build_seconds",
                ),
            ),
            ("The vectors", ("dimensions", "active_terms_document", "active_terms_query")),
        ),
    ),
    (
        "Latency",
        (
            ("Encoding and search", tuple(f"latency_total/{q}" for q in QUANTILES)),
            ("Encoding alone", tuple(f"latency_encode/{q}" for q in QUANTILES)),
            ("Search alone", tuple(f"latency_search/{q}" for q in QUANTILES)),
            ("Processor time", ("total_cpu", "encode_cpu", "search_cpu")),
            ("Shortest times, and the clock's own", ("total_least", "encode_least", "search_least", "timer_overhead")),
            ("Starting", ("load_seconds", "first_query_seconds", "cold_load_seconds", "cold_first_query_seconds")),
            (
                "Batches and load",
                (
                    "throughput_encode/1", "throughput_encode/all", "throughput_search/1", "throughput_search/all",
                    "highest_load",
                ),
            ),
        ),
    ),
    (
        "Work",
        (
            (
                "A query",
                (
                    "flops_encode_query", "flops_search", "postings_touched", "documents_scored", "bounds_evaluated",
                    "expected_overlap",
                ),
            ),
            (
                "The encoder",
                (
                    "model_parameters", "flops_encode_document", "encode_documents_per_second", "train_seconds",
                    "train_flops",
                ),
            ),
            (
                "The encoder's memory",
                (
                    "encoder_file_bytes", "encoder_resident_bytes", "encoder_resident_bytes/anonymous",
                    "encoder_resident_bytes/file", "encoder_activation_bytes",
                ),
            ),
            ("Energy and cost", ("energy_query", "cost_million_queries")),
        ),
    ),
)  # fmt: skip
WHOLE = 0.99
"""Share of the exact results from which on an index loses nothing that a figure would show."""
ELSEWHERE = {"flops_query", "null_ratio", "smallest_effect"}
"""What figures and sentences tell."""


def shown(run: RunData, name: str, place: int) -> dict[str, Any]:
    """All that the page shows of one collection."""
    against = significance.against_best(run, name)  # before the tables, which mark the best by the same tests
    return {
        "name": name,
        "tag": f"c{place}",
        "facts": run.facts["collections"].get(name),
        "summary": table(run, name, SUMMARY),
        "systems": [
            {**system, "facts": _facts(system)}
            for system in run.systems
            if system["collection"] == name and system.get("facts")
        ],
        "takeaways": takeaways.takeaways(
            {(row.system, row.metric): row for row in run.of(name)},
            {key: best(run, name, key) for key, *_ in takeaways.TOLD},
        ),
        "null": null_control.sentences(run.records, name),
        "groups": [(title, _tables(run, name, parts)) for title, parts in (*GROUPS, *_others(run, name))],
        "against": against,
        "equal": significance.at_equal_quality(run, name),
        "queries": [
            found
            for first, second in queries.pairs(run, name)
            if (found := queries.compared(run, name, first, second)) is not None
        ],
        "figures": {
            title: [figure for figure in drawn if figure is not None] for title, drawn in _figures(run, name).items()
        },
    }


def _facts(system: dict[str, Any]) -> dict[str, str]:
    """What is known of an encoder; its checks as one count, and each that failed."""
    facts = {name: text for name, text in system["facts"].items() if not name.startswith("check: ")}
    checks = {name: text for name, text in system["facts"].items() if name.startswith("check: ")}
    failed = {name: text for name, text in checks.items() if "FAILED" in text}
    count = {"checks passed": f"{len(checks) - len(failed)} of {len(checks)}"} if checks else {}
    return {**facts, **count, **failed}


def table(run: RunData, collection: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Columns that at least one system has, and a row a system; the best is marked where it beats all others.

    A column says how its values were had where that is the same for all of them, else each cell says it.
    """
    cells = run.cells()
    systems = [system for system in run.systems if system["collection"] == collection]
    used = [m for m in wanted if any((collection, s["name"], m) in cells for s in systems)]
    if "latency_total/p99" in used and "latency_total/p95" in used and wanted == SUMMARY:
        used.remove("latency_total/p95")
    marked = {name: best(run, collection, name) for name in used}
    columns: list[tuple[str, str, str]] = []
    rows: list[dict[str, Any]] = [{"system": system, "cells": []} for system in systems]
    for name in used:
        column = [cells.get((collection, system["name"], name)) for system in systems]
        told = {_method(found) for found in column if found}
        columns.append((name.partition("/")[0], label(name), told.pop() if len(told) == 1 else ""))
        for row, found in zip(rows, column, strict=True):
            row["cells"].append(cell(found, best=marked[name] == row["system"]["name"], method=bool(told)))
    return {"columns": columns, "rows": rows}


def cell(found: Record | None, *, best: bool, method: bool = False) -> dict[str, Any]:
    """What a table shows of a value; `method` asks for how it was had."""
    if found is None:
        return {"text": "–", "interval": "", "label": "", "value": "", "title": "", "best": False}
    return {
        "text": number(found.value, found.unit),
        "interval": interval(found),
        "label": "" if found.source == "measured" else found.source,
        "value": f"{found.value:.6g}",
        "title": _method(found) if method else "",
        "best": best,
    }


def _method(found: Record) -> str:
    return f"{found.method}; n = {found.n}"


def _tables(
    run: RunData, name: str, parts: tuple[tuple[str, tuple[str, ...]], ...]
) -> list[tuple[str, dict[str, Any]]]:
    found = [(title, table(run, name, wanted)) for title, wanted in parts]
    return [(title, data) for title, data in found if data["columns"]]


def _others(run: RunData, name: str) -> list[Group]:
    """Metrics that no table names: those of an extension show without another line here."""
    listed = {metric for _, parts in GROUPS for _, wanted in parts for metric in wanted}
    bases = {metric.partition("/")[0] for metric in listed} | ELSEWHERE
    more = dict.fromkeys(row.metric for row in run.of(name) if row.metric.partition("/")[0] not in bases)
    return [("Other metrics", (("", tuple(more)),))] if more else []


def _figures(run: RunData, name: str) -> dict[str, list[Figure | None]]:
    def against(cost: str, words: str, gain: str = "ndcg@10", told: str = "") -> Figure | None:
        points = trade_off.points_of(run, name, cost, gain)
        return trade_off.trade_off(points, f"{told or label(gain)} against {words}.") if len(points) > 1 else None

    def terms(side: str, words: str) -> Figure | None:
        counts = {s: run.active[name, s][side] for s in run.names(name) if side in run.active.get((name, s), {})}
        return distributions.term_ridges(counts, f"Active terms of {words}; the line is the median.")

    def counted(cost: str) -> bool:
        return any(row.value for row in run.having(name, cost))

    work = "flops_query" if counted("flops_query") else "flops_encode_query"
    kept = "recall_vs_exact@100", "What an index keeps of the exact 100"
    loses = any(row.value < WHOLE for row in run.having(name, kept[0]))
    return {
        "Summary": [against("index_bytes_per_document", "index bytes per document")],
        "Equal": [
            against("latency_total/p50", "the median latency of a query"),
            against("latency_total/p99", "the 99th percentile of latency"),
            against("throughput_search/all", "queries per second in batches"),
            against(work, "the FLOPs of a query") if counted(work) else None,
            against("latency_search/p50", "the median latency of a search", *kept) if loses else None,
            against("index_bytes_per_document", "index bytes per document", *kept) if loses else None,
        ],
        "Memory": [
            trade_off.memory_bars(run, name, "Index bytes by component."),
            terms("document", "a document"),
            terms("query", "a query"),
        ],
        "Latency": [
            distributions.latency_curves(run, name, "total", "Share of queries encoded and searched within a time."),
            distributions.latency_ridges(run, name, "total", "Spread of the query times; the line is the median."),
            distributions.latency_ridges(run, name, "search", "Spread of the search times, without encoding."),
        ],
    }
