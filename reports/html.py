"""One self-contained HTML file from a run directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records import METRICS, Record, read_records

COLUMNS = (
    "ndcg@10",
    "recall@100",
    "mrr@10",
    "index_bytes_per_document",
    "resident_bytes",
    "build_seconds",
    "build_peak_bytes",
    "latency_encode/p50",
    "latency_search/p50",
    "latency_total/p50",
    "latency_total/p95",
    "latency_total/p99",
    "flops_encode_query",
    "flops_encode_document",
    "flops_search",
    "active_terms_document",
    "active_terms_query",
)


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` beside the run's records (or to `out`) and return its path.

    Raises:
        UserError: The folder holds no finished run.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"no finished run: {error}",
            file=folder / "run.json",
            remedy="give the folder that `laconic-bench run` wrote",
        ) from None
    records = read_records(folder / "records.jsonl")
    cells = {(r.collection, r.system, r.metric): r for r in records}
    used = [name for name in COLUMNS if any(r.metric == name for r in records)]
    loader = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = loader.get_template("report.html").render(
        run=run, columns=[(name, _label(name)) for name in used], cells=cells, show=show, metrics=METRICS
    )
    path = out or folder / "report.html"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(path)
    return path.resolve()


def _label(name: str) -> str:
    base, _, part = name.partition("/")
    return f"{METRICS[base].label}{f' {part}' if part else ''}"


def show(found: Record | None) -> dict[str, Any]:
    """A cell: text, interval and label of a record."""
    if found is None:
        return {"text": "–", "interval": "", "label": ""}
    interval = (
        ""
        if found.ci_low is None or found.ci_high is None
        else f"[{number(found.ci_low, found.unit)}, {number(found.ci_high, found.unit)}]"
    )
    return {
        "text": number(found.value, found.unit),
        "interval": interval,
        "label": "" if found.source == "measured" else found.source,
    }


def number(value: float, unit: str) -> str:
    """A value as people read it.

    >>> number(0.00012, "seconds"), number(1536, "bytes"), number(2.5e9, "flops")
    ('0.120 ms', '1.50 KiB', '2.50 G')
    """
    if unit == "seconds":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e3:.3f} ms"
    if unit == "bytes":
        for name, size in (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)):
            if value >= size:
                return f"{value / size:.2f} {name}"
        return f"{value:.0f} B"
    if unit == "flops":
        for name, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if value >= size:
                return f"{value / size:.2f} {name}"
    return f"{value:.3f}" if unit == "fraction" else f"{value:.1f}"
