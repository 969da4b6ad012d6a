"""The trend page: every series night by night with its steps, what changed, and links to each run's report."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from reports.pages.template import render, write_page
from reports.sections.night_changes import BEYOND
from reports.sections.small_curves import State, small_curves
from reports.sections.trend_sections import runs_of, section_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.history.series import Key, Night


class Found(Protocol):
    """What this module reads of a finding (`harness.nightly.findings.Finding`); the template reads the rest."""

    @property
    def key(self) -> Key:
        """(collection, system, metric)."""

    @property
    def accepted(self) -> str:
        """Why it was accepted; "" where it was not."""


class Tonight(Protocol):
    """What this module reads of tonight's run (`harness.nightly.night.Night`); the template reads the rest."""

    created: str
    """ISO 8601 time of the run."""

    @property
    def since(self) -> Mapping[str, datetime]:
        """Title of a column -> the time whose values it compares with."""

    @property
    def findings(self) -> Sequence[Found]:
        """What got worse."""


def write_trend(
    path: Path, night: Tonight, watched: Mapping[Key, Sequence[Night]], known: Mapping[Key, Sequence[Night]]
) -> None:
    """Write the page; script and style are inside, and nothing is fetched.

    Args:
        path: Of the page; links to reports are relative to its folder.
        night: Tonight's run: heading, created, headline, state, findings, failed, notes, news, the times of `since`.
        watched: The series to show.
        known: All series, those of the null control among them.
    """
    systems = dict.fromkeys(key[:2] for key in watched)
    states: dict[Key, State] = {}
    for found in sorted(night.findings, key=lambda found: not found.accepted):  # one that was not accepted counts
        states[found.key] = "accepted" if found.accepted else "regressed"
    before = next(iter(night.since.values()), None)
    runs = runs_of(known, path.parent)
    text = render(
        "trend.html",
        night=night,
        day=f"{datetime.fromisoformat(night.created):%A, %-d %B %Y, %H:%M}",
        sections=[section_of(cell, watched, known, night.since, path.parent) for cell in systems],
        curves=small_curves(watched, known, states, before, path.parent),
        beyond=BEYOND,
        findings=_by_system(night.findings),
        runs=runs,
    )
    write_page(text, path)


def _by_system(findings: Sequence[Found]) -> dict[str, list[Found]]:
    """Findings by system and collection, in order."""
    groups: dict[str, list[Found]] = {}
    for found in findings:
        groups.setdefault(f"{found.key[1]} on {found.key[0]}", []).append(found)
    return groups
