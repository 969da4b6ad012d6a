"""A drawing, its legend, and a table of the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Figure:
    """A drawing; `legend` holds (sign as SVG, text), `head` and `rows` the same numbers as a table."""

    caption: str
    svg: str
    legend: Sequence[tuple[str, str]]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
