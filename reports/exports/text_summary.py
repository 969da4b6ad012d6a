"""A run for terminals and logs: verdicts, a table a suite and one a collection; and as a badge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from reports.sections.all_collections import overviews
from reports.sections.collection import SUMMARY, table
from reports.sections.takeaways import WORST

if TYPE_CHECKING:
    from harness.runs.read import RunData
    from reports.sections.collection import Table

WIDTH = 40
COLOURS = {"supported": "brightgreen", "contradicted": "red"}


def summary(run: RunData) -> str:
    """Verdicts and tables as plain text for a log; * marks the best beyond chance."""
    lines = [str(run.facts["title"]), f"run {run.facts['run']} of {run.facts['created']}", ""]
    for verdict in verdicts(run):
        lines += [f"{verdict.word.upper()}: {verdict.claim}", f"  {verdict.sentence}"]
    for span in overviews(run) if run.suites else ():
        lines += _aligned(f"{span.title}, means over {span.what}", span.means)
        lines += span.notes
    for collection in run.collections():
        lines += _aligned(collection, table(run, collection, SUMMARY))
    return "".join(f"{line}\n" for line in (_plain(line) for line in lines))


def _aligned(title: str, shown: Table) -> list[str]:
    """A table under its title, after an empty line."""
    rows = [["", *(text for _, text, _ in shown.columns)]]
    for line in shown.rows:
        system = line.system
        name = system["name"] if system["status"] == "ok" else f"{system['name']} ({system['status']})"
        rows.append([_cut(name), *(cell.text + (" *" if cell.best else "") for cell in line.cells)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["", f"{title} (* best, beyond chance)"]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return lines


def badge(run: RunData) -> dict[str, object]:
    """How many claims are supported, as the JSON that shields.io reads from an "endpoint"."""
    words = [verdict.word for verdict in verdicts(run)]
    if not words:
        return {"schemaVersion": 1, "label": str(run.facts["name"]), "message": "no claims", "color": "lightgrey"}
    worst = next(word for word in WORST if word in words)
    message = f"{words.count('supported')} of {len(words)} claims supported"
    colour = COLOURS.get(worst, "yellow")
    return {"schemaVersion": 1, "label": str(run.facts["name"]), "message": message, "color": colour}


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _plain(text: str) -> str:
    """The text without characters that control a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
