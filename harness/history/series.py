"""The history of one metric of one system, night by night."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from harness.history.schema import Row

Key: TypeAlias = tuple[str, str, str]
"""(collection, system, metric)."""
BEFORE = 7
"""Nights whose median is the level that two measurements of a night are held against."""


@dataclass(frozen=True)
class Night:
    """One metric of one system on one night.

    Attributes:
        id: Of the run.
        created: When the run ended, UTC.
        revision: Git revision of the program, "" where there was none.
        label: Machine, data and definition: values with different labels are not compared.
        value: In the metric's unit.
        low: Lower end of the interval, at the spec's confidence; None where there is no sampling.
        high: Upper end.
        folder: Of the run.
        state: The verdict on the run: good, regressed, incomplete, or "" where nobody judged it.
        twice: Whether the value was measured a second time.
    """

    id: str
    created: datetime
    revision: str
    label: str
    value: float
    low: float | None
    high: float | None
    folder: str
    state: str
    twice: bool = False


def series(rows: Iterable[Row]) -> dict[Key, list[Night]]:
    """Rows of the history (of one spec, oldest first) as a series each.

    A second measurement joins the night that it confirms. Of both values the one counts that is nearer to the level of
    the nights before: it says less.
    """
    by_key: dict[Key, dict[str, Night]] = {}
    for row in rows:
        key = (row["collection"], row["system"], row["metric"])
        nights = by_key.setdefault(key, {})
        night = Night(
            row["id"],
            row["created"],
            row["revision"],
            "|".join((row["machine"], row["data"], row["definition"])),
            row["value"],
            row["ci_low"],
            row["ci_high"],
            row["folder"],
            row["state"],
        )
        first = nights.get(row["confirms"])
        if not row["confirms"]:
            nights[night.id] = night
        elif first is not None:
            nights[first.id] = replace(_of_both(first, night, list(nights.values())), state=night.state or first.state)
    return {key: list(nights.values()) for key, nights in by_key.items()}


def _of_both(first: Night, second: Night, nights: list[Night]) -> Night:
    before = [night.value for night in nights if night.label == first.label and night.id != first.id][-BEFORE:]
    level = float(np.median(before)) if before else first.value
    if abs(second.value - level) >= abs(first.value - level):
        return replace(first, twice=True)
    return replace(first, twice=True, value=second.value, low=second.low, high=second.high)
