"""A run for terminals and logs: verdicts and one table a collection; and as a badge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from reports.sections.collection import SUMMARY, table

if TYPE_CHECKING:
    from harness.runs.read import RunData

WIDTH = 40
COLOURS = {"supported": "brightgreen", "contradicted": "red"}


def summary(run: RunData) -> str:
    """Plain text: what a reader of a log needs; * marks what is best beyond chance."""
    lines = [str(run.facts["title"]), f"run {run.facts['run']} of {run.facts['created']}", ""]
    for verdict in verdicts(run):
        lines += [f"{verdict.word.upper()}: {verdict.claim}", f"  {verdict.sentence}"]
    for collection in run.collections():
        shown = table(run, collection, SUMMARY)
        rows = [["", *(text for _, text, _ in shown.columns)]]
        for line in shown.rows:
            system = line.system
            name = system["name"] if system["status"] == "ok" else f"{system['name']} ({system['status']})"
            rows.append([_cut(name), *(cell.text + (" *" if cell.best else "") for cell in line.cells)])
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines += ["", f"{collection} (* best, beyond chance)"]
        for row in rows:
            cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "".join(f"{line}\n" for line in (_plain(line) for line in lines))


def badge(run: RunData) -> dict[str, object]:
    """What shields.io reads from an address ("endpoint"): how many claims are supported."""
    words = [verdict.word for verdict in verdicts(run)]
    if not words:
        return {"schemaVersion": 1, "label": str(run.facts["name"]), "message": "no claims", "color": "lightgrey"}
    worst = next((word for word in ("contradicted", "inconclusive", "not comparable") if word in words), "supported")
    message = f"{words.count('supported')} of {len(words)} claims supported"
    colour = COLOURS.get(worst, "yellow")
    return {"schemaVersion": 1, "label": str(run.facts["name"]), "message": message, "color": colour}


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _plain(text: str) -> str:
    """Without characters that would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
