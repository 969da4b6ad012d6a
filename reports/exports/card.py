"""A run for a talk or a mail: one paragraph and one picture with verdict, assumptions and date."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from harness.markdown import escaped
from reports.answers.answers import ASSUMED, COST, answers
from reports.figures.base import sheets_of
from reports.figures.canvas import panel_figure
from reports.figures.style import house_style
from reports.figures.texts import shortened
from reports.figures.trade_off import TradeOff
from reports.sections.all_collections import overviews
from reports.sections.collection import part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from harness.runs.read import RunData
    from reports.answers.answers import ClaimAnswers

NAMED = 5
"""Claims of which a paragraph gives the sentence."""
SIZE = (12.0, 6.75)
"""Inches of the picture: a slide of 16 to 9."""
DPI = 160
COLOURS = {"supported": "#116329", "contradicted": "#a40e26"}
"""Of a verdict's word, as on the page."""
OPEN = "#7d4e00"
"""Of every other word: the claim is open."""
COLUMN = 58
"""Characters of a line beside the figure."""
SHOWN = 8
"""Systems whose names have room in the figure."""
LINE, FOOT = 0.0335, 0.075
"""Height of a line of text, and of what stands below them, as shares of the picture's."""


def paragraph(run: RunData) -> str:
    """Title, verdicts, and what the first claim assumes and costs, as one paragraph of Markdown."""
    judged = answers(run)
    parts = [f"**{escaped(str(run.facts['title']))}** ({day(run)}).", *_verdicts(judged)]
    if judged:
        by_question = dict(judged[0].answers)
        parts += [f"Assumed: {escaped(by_question[ASSUMED])}", f"Cost: {escaped(by_question[COST])}"]
    else:
        parts += [f"{heading}: {escaped(text)}" for heading, text in highlights(run)]
    parts.append(f"Measured by laconic-bench, run {escaped(str(run.facts['run']))}.")
    return " ".join(parts) + "\n"


def day(run: RunData) -> str:
    """When the run ended, such as "29 November 2026"; as the run states it where that is no time."""
    stated = str(run.facts["created"])
    try:
        return f"{datetime.fromisoformat(stated):%-d %B %Y}"
    except ValueError:
        return stated


def highlights(run: RunData) -> Sequence[tuple[str, str]]:
    """Headings and sentences of what stands out: of the means, else of the first collection."""
    means = overviews(run)
    if means:
        return means[0].takeaways
    names = run.collections()
    return part(run, names[0], 0).takeaways if names else []


def _verdicts(judged: Sequence[ClaimAnswers]) -> list[str]:
    """A sentence a claim; of many claims the count, then the first ones."""
    parts = []
    if len(judged) > 1:
        supported = sum(claim.word == "supported" for claim in judged)
        parts.append(f"{supported} of {len(judged)} claims {'is' if supported == 1 else 'are'} supported.")
    for claim in judged[:NAMED]:
        parts.append(f"{claim.title}{claim.share}: *{escaped(claim.claim)}*. {escaped(claim.answers[0][1])}")
    return parts


def write_card(run: RunData, path: Path) -> None:
    """Write the picture as PNG; the same run gives the same bytes."""
    with house_style():
        card(run).savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def card(run: RunData) -> Figure:
    """The picture: title, the first verdict and its answers on the left, quality against memory on the right."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"font.size": 11, "axes.labelsize": 11, "xtick.labelsize": 10, "ytick.labelsize": 10,
                                "legend.fontsize": 10, "lines.markersize": 7})  # fmt: skip
    figure = Figure(figsize=SIZE)
    title = textwrap.fill(shortened(str(run.facts["title"]), 110), 62)
    figure.text(0.04, 0.94, title, fontsize=19, fontweight="bold", va="top")
    top = 0.86 - 0.055 * title.count("\n")
    judged = answers(run)
    if judged:
        first = judged[0]
        colour = COLOURS.get(first.word, OPEN)
        figure.text(0.04, top, f"{first.title}{first.share}", fontsize=15, fontweight="bold", color=colour, va="top")
        claim = textwrap.fill(shortened(first.claim, 150), 54)
        figure.text(0.04, top - 0.055, claim, fontsize=12.5, fontweight="bold", va="top")
        top -= 0.075 + 0.036 * (claim.count("\n") + 1)
    _write(figure, judged[0].answers if judged else highlights(run), top)
    more = len(judged) - 1
    others = f"; {more} more claim{'s' * (more > 1)} in the report" if more > 0 else ""
    about = f"{day(run)}, run {shortened(str(run.facts['run']), 80)}, measured by laconic-bench{others}"
    figure.text(0.04, 0.035, about, fontsize=9.5, color="#57606a")
    panel = _trade_off(run)
    if panel is not None:
        ax = figure.add_axes((0.62, 0.17, 0.35, 0.58))
        panel_figure(panel, ax)
        ax.set_title(textwrap.fill(panel.caption, 52), loc="left", fontsize=11)
    return figure


def _trade_off(run: RunData) -> TradeOff | None:
    """Quality against memory; of many systems those of the claims and those on the front, the smallest first."""
    panels = (panel for sheet in sheets_of(run, ["trade-off"]) for panel in sheet.panels)
    panel = next((panel for panel in panels if isinstance(panel, TradeOff)), None)
    if panel is None or len(panel.points) <= SHOWN:
        return panel
    claimed = {name for claim in run.facts["claims"] for name in (claim["system"], claim["baseline"])}
    shown = [p for p, on in zip(panel.points, panel.front(), strict=True) if on or p.system in claimed]
    ordered = sorted((point.system not in claimed, point.cost.value, point.place) for point in shown)
    places = {place for *_, place in ordered[:SHOWN]}
    points = [point for point in panel.points if point.place in places]
    return replace(panel, points=points, caption=f"{panel.caption} {len(points)} of {len(panel.points)} systems.")


def _write(figure: Figure, pairs: Sequence[tuple[str, str]], top: float) -> None:
    """Questions and answers below each other; a long answer is cut where those behind it need its room."""
    for place, (heading, text) in enumerate(pairs):
        room = int((top - FOOT) / LINE) - 3 * (len(pairs) - place - 1) - 1
        if room < 1:
            break
        lines = textwrap.wrap(text, COLUMN)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"{lines[room - 1][: COLUMN - 1]}…"]
        figure.text(0.04, top, heading, fontsize=10.5, color="#57606a", fontweight="bold", va="top")
        figure.text(0.04, top - LINE, "\n".join(lines), fontsize=11, va="top", linespacing=1.25)
        top -= LINE * (len(lines) + 1) + 0.012
