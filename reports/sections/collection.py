"""What the page shows of one collection: its tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from harness.metrics.benchmarks import BENCHMARKS
from reports.figures.base import under
from reports.figures.components import SERVICE
from reports.figures.differences import pairs
from reports.formatting import interval, label, number
from reports.ranking import best
from reports.sections import at_recall, load_ladder, looked_up, null_control, queries, service, significance, takeaways

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from harness.runs.facts import CollectionFacts, SystemFacts
    from harness.runs.read import RunData
    from reports.figures.base import Panel

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
                "The whole service",
                ("service_bytes", *(f"service_bytes/{part}" for part in SERVICE)),
            ),
            (
                "The index",
                (
                    "index_bytes", "index_bytes_per_document", "index_plain_bytes", "index_to_entropy",
                    "index_file_bytes", "identifier_bytes",
                ),
            ),
            (
                "Serving and building",
                (
                    "resident_bytes", "resident_bytes/anonymous", "resident_bytes/file", "resident_bytes/pss",
                    "build_peak_bytes", "build_peak_bytes/resident", "build_seconds",
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
            (
                "Search: the engine's own call, and what the adapter adds",
                ("search_engine/p50", "search_engine/mean", "search_adapter/p50", "search_adapter/mean"),
            ),
            ("Processor time", ("total_cpu", "encode_cpu", "search_cpu")),
            ("Shortest times, and the clock's own", ("total_least", "encode_least", "search_least", "timer_overhead")),
            ("Starting", ("load_seconds", "first_query_seconds", "cold_load_seconds", "cold_first_query_seconds")),
            (
                "Batches and load",
                (
                    "throughput_encode/1", "throughput_encode/all", "throughput_search/1", "throughput_search/all",
                    "highest_load", "loaded_latency/p50", "loaded_latency/p99", "loaded_latency/p99.9",
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
                    "model_parameters", "query_parameters", "flops_encode_document", "encode_documents_per_second",
                    "train_seconds", "train_flops",
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
FIGURES = ("Summary", "Equal", "Recall")
"""Headings of figures that are not those of `GROUPS`."""
ELSEWHERE = {"flops_query", "null_ratio", "smallest_effect", *BENCHMARKS}
"""Metrics that figures and sentences show, and no table; or the history alone."""


@dataclass(frozen=True)
class Cell:
    """What a table shows of a value.

    `text` is the number with its unit, `value` the same for sorting, `label` the source where it was not measured,
    `title` how it was obtained where that differs within the column; `best` marks the best beyond chance.
    """

    text: str = "–"
    interval: str = ""
    label: str = ""
    value: str = ""
    title: str = ""
    best: bool = False


@dataclass(frozen=True)
class SystemRow:
    """One system in a table: name, status and reason, and a cell a column."""

    system: SystemFacts
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """`columns` holds (anchor of the definition, heading, how all values were obtained or "")."""

    columns: Sequence[tuple[str, str, str]]
    rows: Sequence[SystemRow]


@dataclass(frozen=True)
class CollectionPart:
    """All that the page shows of one collection.

    `tag` is its anchor; `groups` holds (heading, [(title, table)]); `figures` and `openings`
    are by the heading that they stand under.
    """

    name: str
    tag: str
    facts: CollectionFacts | None
    summary: Table
    systems: Sequence[SystemFacts]
    takeaways: Sequence[tuple[str, str]]
    null: Sequence[str]
    groups: Sequence[tuple[str, Sequence[tuple[str, Table]]]]
    against: significance.AgainstBest | None
    equal: Sequence[significance.EqualQuality]
    at_recall: at_recall.AtRecall | None
    queries: Sequence[queries.ComparedPair]
    figures: Mapping[str, Sequence[Panel]]
    openings: Mapping[str, service.Opening]
    ladder: load_ladder.Ladder | None


def part(run: RunData, name: str, place: int) -> CollectionPart:
    """All that the page shows of one collection, the run's `place`-th."""
    against = significance.against_best(run, name)  # before the tables, which mark the best by the same tests
    systems: list[SystemFacts] = [
        {**system, "facts": _facts(system)}
        for system in run.systems
        if system["collection"] == name and system.get("facts")
    ]
    compared = [queries.compared(run, name, first, second) for first, second in pairs(run, name)]
    return CollectionPart(
        name=name,
        tag=f"c{place}",
        facts=run.facts["collections"].get(name),
        summary=table(run, name, SUMMARY),
        systems=systems,
        takeaways=[
            *takeaways.takeaways(
                {(row.system, row.metric): row for row in run.records_of(name)},
                {key: best(run, name, key) for key, *_ in takeaways.HIGHLIGHTS},
            ),
            *looked_up.sentences(run, name),
        ],
        null=null_control.sentences(run.records, name),
        groups=[(title, _tables(run, name, parts)) for title, parts in _groups(run, name)],
        against=against,
        equal=significance.at_equal_quality(run, name),
        at_recall=at_recall.section(run, name),
        queries=[pair for pair in compared if pair is not None],
        figures={heading: under(run, name, heading) for heading in (*FIGURES, *(title for title, _ in GROUPS))},
        openings=service.openings(run, name),
        ladder=load_ladder.section(run, name),
    )


def _facts(system: SystemFacts) -> dict[str, str]:
    """What the run says of an encoder: its checks as one count, and each that failed."""
    facts = {name: text for name, text in system["facts"].items() if not name.startswith("check: ")}
    checks = {name: text for name, text in system["facts"].items() if name.startswith("check: ")}
    failed = {name: text for name, text in checks.items() if "FAILED" in text}
    count = {"checks passed": f"{len(checks) - len(failed)} of {len(checks)}"} if checks else {}
    return {**facts, **count, **failed}


def table(run: RunData, collection: str, wanted: tuple[str, ...]) -> Table:
    """Columns that at least one system has, and a row a system; the best is marked where it beats all others.

    A column says how its values were obtained where that is the same for all of them; otherwise each cell says it.
    """
    cells = run.cells()
    systems = [system for system in run.systems if system["collection"] == collection]
    used = [m for m in wanted if any((collection, s["name"], m) in cells for s in systems)]
    if "latency_total/p99" in used and "latency_total/p95" in used and wanted == SUMMARY:
        used.remove("latency_total/p95")
    marked = {name: best(run, collection, name) for name in used}
    columns: list[tuple[str, str, str]] = []
    rows: list[list[Cell]] = [[] for _ in systems]
    for name in used:
        column = [cells.get((collection, system["name"], name)) for system in systems]
        methods = {_method(row) for row in column if row}
        columns.append((name.partition("/")[0], label(name), methods.pop() if len(methods) == 1 else ""))
        for system, row, shown in zip(systems, column, rows, strict=True):
            shown.append(cell(row, best=marked[name] == system["name"], method=bool(methods)))
    return Table(columns, [SystemRow(system, shown) for system, shown in zip(systems, rows, strict=True)])


def cell(row: Record | None, *, best: bool, method: bool = False) -> Cell:
    """What a table shows of a record; with `method`, how it was obtained as well."""
    if row is None:
        return Cell()
    return Cell(
        text=number(row.value, row.unit),
        interval=interval(row),
        label="" if row.source == "measured" else row.source,
        value=f"{row.value:.6g}",
        title=_method(row) if method else "",
        best=best,
    )


def _method(row: Record) -> str:
    return f"{row.method}; n = {row.n}"


def _tables(run: RunData, name: str, parts: tuple[tuple[str, tuple[str, ...]], ...]) -> list[tuple[str, Table]]:
    tables = [(title, table(run, name, wanted)) for title, wanted in parts]
    return [(title, data) for title, data in tables if data.columns]


def _groups(run: RunData, name: str) -> list[Group]:
    """The parts of the page, with this run's further measures of quality, and all that no other table names."""
    listed = {metric for _, parts in GROUPS for _, wanted in parts for metric in wanted}
    bases = {metric.partition("/")[0] for metric in listed} | ELSEWHERE
    more = dict.fromkeys(row.metric for row in run.records_of(name) if row.metric.partition("/")[0] not in bases)
    judged = {metric for collection, _, metric in run.quality if collection == name}
    added = tuple(metric for metric in more if metric in judged)
    others = tuple(metric for metric in more if metric not in judged)
    groups = [(title, (*parts, ("More measures", added)) if title == "Quality" else parts) for title, parts in GROUPS]
    return [*groups, ("Other metrics", (("", others),))] if others else groups
