"""The registry of metrics: what each name means, its unit and direction, and the definition that reports print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.errors import UserError, allowed

Direction: TypeAlias = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Metric:
    """What a metric's name means."""

    name: str
    label: str
    unit: str
    """bytes | seconds | flops | fraction | ratio | count | joules | price | documents/second | queries/second"""
    direction: Direction
    definition: str
    """Whole sentences; the report prints them."""
    exact: bool = False
    """Counted or computed: the same system on the same data gives the same value every time."""
    decides: bool = True
    """A claim may rest on it."""

    @property
    def timed(self) -> bool:
        """It depends on the machine and on how it was asked: it is neither counted nor a share of what was found."""
        return not self.exact and (self.unit, self.direction) != ("fraction", "higher")


METRICS: dict[str, Metric] = {}


def define(
    name: str,
    label: str,
    unit: str,
    direction: Direction,
    definition: str,
    *,
    exact: bool = False,
    decides: bool = True,
) -> Metric:
    """Add a metric to the registry."""
    if name in METRICS:
        raise ValueError(f"metric {name!r} is defined twice")
    METRICS[name] = Metric(name, label, unit, direction, definition, exact, decides)
    return METRICS[name]


def metric(name: str) -> Metric:
    """The metric of this name; what follows a slash is a component and is ignored."""
    base = name.partition("/")[0]
    try:
        return METRICS[base]
    except KeyError:
        raise UserError(f"there is no metric {base!r}", remedy=allowed(base, METRICS)) from None
