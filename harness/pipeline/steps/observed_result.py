"""Results of steps whose process was observed while it measured."""

from __future__ import annotations

from dataclasses import dataclass

from harness.measure.machine.conditions import ProcessConditions
from harness.pipeline.steps.result import StepResult


@dataclass(frozen=True)
class ObservedResult(StepResult):
    """A result with the conditions of its process; they become a row of the run folder's conditions."""

    conditions: ProcessConditions
