"""The trend page: every series night by night with its steps, what changed, and links to each run's report."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from reports.pages.template import render, write_page
from reports.sections.trend_sections import runs_of, section_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.history.series import Key, Night


class Tonight(Protocol):
    """What this module reads of tonight's run (`harness.nightly.night.Night`); the template reads the rest."""

    created: str
    """ISO 8601 time of the run."""

    @property
    def since(self) -> Mapping[str, datetime]:
        """Title of a column -> the time whose values it compares with."""


def write_trend(
    path: Path, night: Tonight, watched: Mapping[Key, Sequence[Night]], known: Mapping[Key, Sequence[Night]]
) -> None:
    """Write the page; script and style are inside, and nothing is fetched.

    Args:
        path: Of the page; links to reports are relative to its folder.
        night: Tonight's run: name, created, headline, state, findings, failed, notes, news, and the times of `since`.
        watched: The series to show.
        known: All series, those of the null control among them.
    """
    systems = dict.fromkeys(key[:2] for key in watched)
    runs = runs_of(known, path.parent)
    text = render(
        "trend.html",
        night=night,
        day=f"{datetime.fromisoformat(night.created):%A, %-d %B %Y, %H:%M}",
        sections=[section_of(cell, watched, known, night.since, path.parent) for cell in systems],
        runs=runs,
    )
    write_page(text, path)
