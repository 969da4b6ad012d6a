"""What a nightly run alarms on, as a spec states it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.spec.params import Params


class ThresholdSpec(Params):
    """How much a metric may change. A change up to either bound is within noise."""

    relative: float = Field(default=0.0, ge=0, lt=10)
    """Share of the earlier value: 0.05 is 5 %."""
    absolute: float = Field(default=0.0, ge=0)
    """In the metric's own unit."""
    sides: Literal["one", "two"] = "one"
    """One: only a change for the worse is a regression. Two: a change for the better as well, as it was not meant."""
    watch: bool = True
    """False: the metric is shown, never judged."""


class NightlySpec(Params):
    """The nightly run of this experiment."""

    release: str | None = Field(default=None, min_length=4)
    """Git revision (its first letters) of the last release; the page says what changed since."""
    confirm: bool = True
    """Measure a second time before alarming."""
    thresholds: dict[str, ThresholdSpec] = Field(default_factory=dict)
    """By metric ("latency_total/p50", or "latency_total" for all its parts); what is not named has the defaults of
    docs/nightly.md."""
