"""The result of a nightly run, for the page, the summaries and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from harness.history.series import Key
    from harness.nightly.findings import Finding
    from reports.sections.night_changes import News


@dataclass
class Night:
    """The result of a nightly run."""

    id: str
    name: str
    created: str
    folder: Path
    state: str = "good"
    findings: list[Finding] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    watched: list[Key] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    since: dict[str, datetime] = field(default_factory=dict)
    """Times from which changes are counted: last night, last week, the release."""
    news: list[News] = field(default_factory=list)
    """What changed since each of these times."""
    title: str = ""
    """Of the spec."""

    @property
    def heading(self) -> str:
        """What the pages call the series of nights."""
        text = self.title or self.name
        return text if "nightly" in text.lower() else f"Nightly run: {text}"

    @property
    def headline(self) -> str:
        """One line."""
        count = sum(not finding.accepted for finding in self.findings)
        if count:
            return f"{count} regression{'s' if count > 1 else ''}"
        return f"{len(self.failed)} not measured" if self.failed else "nothing regressed"

    @property
    def exit_code(self) -> int:
        """0: good; 1: something regressed; 2: something could not be measured."""
        return {"good": 0, "regressed": 1}.get(self.state, 2)
