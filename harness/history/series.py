"""The history of one metric of one system, night by night."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

Key: TypeAlias = tuple[str, str, str]
"""(collection, system, metric)."""
BEFORE = 7
"""Nights whose median is the level that two measurements of a night are held against."""


@dataclass(frozen=True)
class Night:
    """One value. `twice` says that it was measured a second time; `label` is what must agree for two to be compared."""

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


def series(rows: Iterable[Mapping[str, Any]]) -> dict[Key, list[Night]]:
    """Rows of the history (of one spec, oldest first) as a series each.

    A second measurement joins the night that it confirms: of both values the one counts that says less, that is the one
    nearer to the level of the nights before.
    """
    found: dict[Key, dict[str, Night]] = {}
    for row in rows:
        key = (row["collection"], row["system"], row["metric"])
        nights = found.setdefault(key, {})
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
    return {key: list(nights.values()) for key, nights in found.items()}


def _of_both(first: Night, second: Night, nights: list[Night]) -> Night:
    before = [one.value for one in nights if one.label == first.label and one.id != first.id][-BEFORE:]
    level = float(np.median(before)) if before else first.value
    if abs(second.value - level) >= abs(first.value - level):
        return replace(first, twice=True)
    return replace(first, twice=True, value=second.value, low=second.low, high=second.high)
