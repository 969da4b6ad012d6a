"""The grid of small curves on the nightly page: every series that moves, what stands out first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.metrics import metric
from reports.formatting import label, number
from reports.sections.night_changes import BEYOND, Difference, Series, difference, is_beyond, is_exact
from reports.sections.trend_sections import night_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from harness.history.series import Key
    from reports.figures.nights import Nights

State: TypeAlias = Literal["regressed", "changed", "accepted", "quiet"]
"""A finding; a change beyond noise; a finding that was accepted; nothing. In the order of the grid."""
ORDER: tuple[State, ...] = ("regressed", "changed", "accepted", "quiet")
SHOWN = 30
"""Nights of a small curve."""


@dataclass(frozen=True)
class SmallCurve:
    """One series: where it stands, how it changed since the night before, and its last nights with their noise."""

    system: str
    metric: str
    state: State
    value: str
    change: str
    noise: str
    figure: Nights


def small_curves(
    series: Series,
    findings: Mapping[Key, State],
    since: datetime | None,
    here: Path,
) -> list[SmallCurve]:
    """The curves of all series that moved, in the order of `ORDER`.

    Args:
        series: Those of the page.
        findings: The state of the series that have a finding.
        since: When the night before ended; None where there was none.
        here: Folder of the page, which links to reports are relative to.
    """
    shared = None if since is None else series.shift(since)
    curves = []
    for key, nights in series.watched.items():
        if len({night.value for night in nights}) < 2:
            continue
        spread = series.spread(key)
        change = "" if since is None else difference(key, nights, since)
        moved = (
            shared is not None
            and isinstance(change, Difference)
            and change.is_news
            and is_beyond(key, change, spread, shared)
        )
        reach = None if spread is None else BEYOND * spread
        known_noise = "not known yet" if reach is None else f"±{reach:.1%}"
        curves.append(
            SmallCurve(
                system=f"{key[1]} on {key[0]}",
                metric=label(key[2]),
                state=findings.get(key, "changed" if moved else "quiet"),
                value=number(nights[-1].value, metric(key[2]).unit),
                change=change.share(1) if isinstance(change, Difference) else change,
                noise="exact" if is_exact(key) else known_noise,
                figure=replace(night_figure(key, nights[-SHOWN:], reach, here), small=True),
            )
        )
    return sorted(curves, key=lambda curve: ORDER.index(curve.state))
