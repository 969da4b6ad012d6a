"""A run's numbers in the formats of others: tables, TREC runs with a header, text, a card for a talk, a badge."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from harness.errors import UserError, allowed
from harness.runs import frames, layout
from harness.runs.large_files import trec_run
from reports.exports.card import paragraph, write_card
from reports.exports.mteb_results import write_mteb
from reports.exports.pyperf_file import write_pyperf
from reports.exports.spreadsheet import to_csv
from reports.exports.text_summary import badge, summary

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

FORMATS = ("csv", "json", "parquet", "trec", "pyperf", "mteb", "text", "badge", "md", "png")
TO_FILES = ("parquet", "pyperf", "trec", "mteb", "png")
"""Formats that cannot be printed."""
WHAT = ("records", "per-query", "suites")


def export(run: RunData, form: str, what: str = "records", out: Path | None = None) -> str:
    """The run in one format.

    Args:
        run: The run.
        form: One of `FORMATS`.
        what: One of `WHAT`, for csv, json and parquet.
        out: File to write (a folder for "trec" and "mteb"); needed by the formats of `TO_FILES`.

    Returns:
        Text to print: the export itself, or the paths of the files.

    Raises:
        UserError: The format is unknown, or `out` is missing or cannot be written.
    """
    if form not in FORMATS:
        raise UserError(f"there is no export format {form!r}", key="--format", remedy=allowed(form, FORMATS))
    if what not in WHAT:
        raise UserError(f"there is no table {what!r}", key="--what", remedy=allowed(what, WHAT))
    if out is None and form in TO_FILES:
        raise UserError(f"the format {form!r} needs a file or folder to write", key="--out", remedy="add --out PATH")
    try:
        if out is not None and form == "trec":
            return _trec(run, out)
        if out is not None and form == "mteb":
            return "".join(f"{path}\n" for path in write_mteb(run, out))
        if out is not None and form == "parquet":
            _parquet(run, what, out)
            return f"{out}\n"
        if out is not None and form == "pyperf":
            write_pyperf(run, out)
            return f"{out}\n"
        if out is not None and form == "png":
            write_card(run, out)
            return f"{out}\n"
        text = _text(run, form, what)
        if out is None:
            return text
        out.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", file=out, remedy="give another --out") from None
    return f"{out}\n"


def frame(run: RunData, what: str) -> pd.DataFrame:
    """The table of this name, with the run's name in a column `run`."""
    if what == "records":
        return frames.records(run)
    table = frames.suites(run) if what == "suites" else frames.per_query(run)
    table.insert(0, "run", run.facts["run"])
    return table


def metadata(run: RunData, system: SystemFacts) -> dict[str, object]:
    """The ir_metadata (Breuer et al. 2022) of a system's run, as far as the run folder has it."""
    facts = run.facts
    collection = facts["collections"].get(system["collection"], {})
    machine = {name: value for group in facts["environment"].values() for name, value in group.items()}
    return {
        "tag": system["name"],
        "platform": {"hardware": {"cpu": {"model": str(machine.get("processor", ""))}},
                     "operating system": {"kernel": str(machine.get("system", machine.get("kernel", "")))}},
        "implementation": {"executable": {"cmd": facts["command"]},
                           "source": {"commit": facts["provenance"].get("git revision", "")}},
        "resources": {"records": {row.metric: row.value for row in run.records_of(system["collection"])
                                  if row.system == system["name"] and row.source == "measured"}},
        "research goal": {"venue": {"name": facts["title"]}},
        "data": {"test_collection": {"name": system["collection"],
                                     "revision": collection.get("revision", "")}},
        "method": {"automatic": True, "retrieval": [
            {"name": system["name"], "method": system["encoder_type"], "index": system["index_type"],
             **({"interpolation": system["fusion"]} if "fusion" in system else {})}]},
    }  # fmt: skip


def _text(run: RunData, form: str, what: str) -> str:
    if form == "text":
        return summary(run)
    if form == "md":
        return paragraph(run)
    if form == "badge":
        return json.dumps(badge(run), ensure_ascii=False) + "\n"
    table = frame(run, what)
    if form == "json":  # not to_json, which rounds to 15 digits
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        return json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return to_csv(table, identifiers=("query",))


def _parquet(run: RunData, what: str, out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = frame(run, what)
    numbers = dict.fromkeys(("value", "ci_low", "ci_high", "partial"), pa.float64())
    kinds = numbers | dict.fromkeys(("n", "tasks", "there"), pa.int64())
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in table.columns])
    about = {"run": str(run.facts["run"]), "spec_hash": str(run.facts["spec_hash"])}
    pq.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(about), out)


def _trec(run: RunData, out: Path) -> str:
    """One file a system and collection, the header as YAML in comment lines (JSON is YAML)."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, system in enumerate(run.systems):
        source = run.folder / layout.trec_run(number)
        if system["status"] != "ok" or not source.is_file():
            continue
        header = ["ir_metadata.start"]
        for key, value in metadata(run, system).items():
            header.append(f"{key}: {json.dumps(value, ensure_ascii=True)}")
        header.append("ir_metadata.end")
        path = out / f"{number:03d}.trec"
        # Earlier versions wrote a query that begins with this sign as it is.
        lines = re.sub("^#", "%23", trec_run(source), flags=re.MULTILINE)
        text = "".join(f"# {line}\n" for line in header) + lines
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        written.append(f"{path}\n")
    return "".join(written)
