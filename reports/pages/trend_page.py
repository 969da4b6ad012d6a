"""The trend page: every series night by night with its steps, what changed, and links to each run's report."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from reports.pages.template import render, write_page
from reports.sections.night_changes import BEYOND, Series
from reports.sections.small_curves import State, small_curves
from reports.sections.trend_sections import runs_of, section_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.history.series import Key


class NightFinding(Protocol):
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
    def findings(self) -> Sequence[NightFinding]:
        """What got worse."""


def write_trend(path: Path, night: Tonight, series: Series) -> None:
    """Write the page; script and style are inside, and nothing is fetched.

    Args:
        path: Of the page; links to reports are relative to its folder.
        night: Tonight's run: heading, created, headline, state, findings, failed, notes, news, the times of `since`.
        series: Those to show, and all others.
    """
    systems = dict.fromkeys(key[:2] for key in series.watched)
    states: dict[Key, State] = {}
    for finding in sorted(night.findings, key=lambda finding: not finding.accepted):
        # Those that were not accepted come last, so that they count.
        states[finding.key] = "accepted" if finding.accepted else "regressed"
    before = next(iter(night.since.values()), None)
    runs = runs_of(series.known, path.parent)
    text = render(
        "trend.html",
        night=night,
        day=f"{datetime.fromisoformat(night.created):%A, %-d %B %Y, %H:%M}",
        sections=[section_of(cell, series, night.since, path.parent) for cell in systems],
        curves=small_curves(series, states, before, path.parent),
        beyond=BEYOND,
        findings=_by_system(night.findings),
        runs=runs,
    )
    write_page(text, path)


def _by_system(findings: Sequence[NightFinding]) -> dict[str, list[NightFinding]]:
    """Findings by system and collection, in order."""
    groups: dict[str, list[NightFinding]] = {}
    for finding in findings:
        groups.setdefault(f"{finding.key[1]} on {finding.key[0]}", []).append(finding)
    return groups
