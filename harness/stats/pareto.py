"""Which points no other point beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """For each point, whether no other has at most its cost and at least its gain, one of them strictly better."""
    points = list(zip(costs, gains, strict=True))
    return [not any(c <= cost and g >= gain and (c < cost or g > gain) for c, g in points) for cost, gain in points]
