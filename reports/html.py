"""One self-contained HTML file from a run directory."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

from harness.records import METRICS
from reports import conditions, figures
from reports.compare import ranked, superiors
from reports.load import RunData, load_run
from reports.values import interval, label, number

if TYPE_CHECKING:
    from pathlib import Path

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
            "build_peak_bytes", "build_seconds", "identifier_bytes", "active_terms_document", "active_terms_query",
        ),
    ),
    (
        "Latency",
        tuple(f"latency_{side}/{q}" for side in ("encode", "search", "total") for q in ("p50", "p95", "p99", "mean")),
    ),
    (
        "Work",
        (
            "flops_encode_query", "flops_encode_document", "flops_search", "postings_touched", "model_parameters",
            "encode_documents_per_second", "train_seconds",
        ),
    ),
)  # fmt: skip
SCRIPT = """
document.querySelectorAll('table.sortable').forEach(table => {
  table.querySelectorAll('thead button').forEach((button, column) => button.addEventListener('click', () => {
    const head = button.closest('th'), up = head.getAttribute('aria-sort') !== 'ascending';
    table.querySelectorAll('thead th').forEach(th => th.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const body = table.tBodies[0], key = row => row.cells[column].dataset.value || '';
    const compare = (a, b) => { const x = key(a), y = key(b), n = Number(x) - Number(y);
      if (x === '' || y === '') return (x === '') - (y === '');
      return (isNaN(n) ? x.localeCompare(y) : n) * (up ? 1 : -1); };
    [...body.rows].sort(compare).forEach(row => body.append(row));
  }));
});
"""


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` beside the run's records (or to `out`) and return its path.

    Raises:
        UserError: The folder holds no finished run.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    run = load_run(folder)
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html").render(
        run=run.facts,
        verdicts=run.verdicts(),
        collections=[_collection(run, name, place) for place, name in enumerate(run.collections())],
        training=figures.training_curves(run, "training"),
        conditions={"columns": conditions.COLUMNS, "rows": conditions.table(run.conditions)},
        metrics=METRICS.values(),
        number=number,
        script=SCRIPT,
        script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
    )
    path = out or folder / "report.html"
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(path)
    return path.resolve()


def _collection(run: RunData, name: str, place: int) -> dict[str, Any]:
    """All that the page shows of one collection."""
    tag = f"c{place}"
    return {
        "name": name,
        "tag": tag,
        "facts": run.facts["collections"].get(name),
        "summary": _table(run, name, SUMMARY),
        "sections": [(title, _table(run, name, wanted)) for title, wanted in SECTIONS],
        "figures": {
            title: [(caption, drawn) for caption, drawn in drawings if drawn is not None]
            for title, drawings in _figures(run, name, tag).items()
        },
    }


def _figures(run: RunData, name: str, tag: str) -> dict[str, list[tuple[str, str | None]]]:
    def against(cost: str, part: str) -> str | None:
        return figures.trade_off(run, name, cost, "ndcg@10", f"{tag}-{part}")

    def curve(side: str) -> str | None:
        return figures.latency_curves(run, name, side, f"{tag}-{side}")

    work = against("flops_encode_query", "flops") if _any_flops(run, name) else None
    better = "up and left is better"
    return {
        "Summary": [
            (f"nDCG@10 against index bytes per document: {better}.", against("index_bytes_per_document", "memory"))
        ],
        "Memory": [("Index bytes by component.", figures.memory_bars(run, name, f"{tag}-parts"))],
        "Latency": [
            ("Share of queries answered (encoding and search) within a time.", curve("total")),
            ("Share of searches (the query's vector given) answered within a time.", curve("search")),
            (f"nDCG@10 against median query latency: {better}.", against("latency_total/p50", "latency")),
        ],
        "Work": [(f"nDCG@10 against FLOPs of a query's encoding: {better}.", work)],
    }


def _any_flops(run: RunData, collection: str) -> bool:
    """A logarithmic axis has no place for zero."""
    values = [r.value for r in run.records if r.collection == collection and r.metric == "flops_encode_query"]
    return bool(values) and min(values) > 0


def _table(run: RunData, collection: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Columns that at least one system has, and a row a system; the best is marked where it beats all others."""
    cells = run.cells()
    used = [m for m in wanted if any((collection, s, m) in cells for s in run.names(collection))]
    best = {name: _best(run, collection, name) for name in used}
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
                    "best": best[name] == system["name"],
                }
            )
        rows.append({"system": system, "cells": row})
    return {"columns": [(name.partition("/")[0], label(name)) for name in used], "rows": rows}


def _best(run: RunData, collection: str, name: str) -> str | None:
    """The system that is best beyond chance: tested over queries, or intervals apart, or exact and alone."""
    order = ranked(run, collection, name)
    if len(order) < 2:
        return None
    if (collection, order[0], name) in run.quality:
        return order[0] if set(order[1:]) <= set(superiors(run, collection, name)[order[0]]) else None
    cells = run.cells()
    first, second = cells[collection, order[0], name], cells[collection, order[1], name]
    if METRICS[name.partition("/")[0]].exact:
        return order[0] if first.value != second.value else None
    if None in (first.ci_low, first.ci_high, second.ci_low, second.ci_high):
        return None
    apart = first.ci_high < second.ci_low if first.direction == "lower" else first.ci_low > second.ci_high  # type: ignore[operator]
    return order[0] if apart else None
