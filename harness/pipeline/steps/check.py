"""Check a made model before anything is timed or scored with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.measure.validity import check_encoder
from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.result import StepResult
from harness.vectors import Kind

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable
    from harness.measure.validity import Check


@dataclass(frozen=True)
class CheckedFigure:
    """One figure of a model with its bounds; see `harness.measure.validity.Check`.

    Attributes:
        name: Short name.
        figure: What was computed; None where it could not be.
        low: Smallest figure that passes; None without.
        high: Largest figure that passes; None without.
        meaning: What the figure is, and what a failure usually means.
        text: Figure and bounds, for a reader.
        passed: Whether the figure lies within its bounds.
    """

    name: str
    figure: float | None
    low: int | float | None
    high: int | float | None
    meaning: str
    text: str
    passed: bool


@dataclass(frozen=True)
class Checked(StepResult):
    """The checks that apply to a model, and the kind of its vectors."""

    kind: Kind
    checks: tuple[CheckedFigure, ...]


def check(
    *, out: str, type: str, params: JsonTable, model: str, threads: int, refuse: bool, report: Progress
) -> Checked:
    """Check a model by `harness.measure.validity`.

    Raises:
        UserError: A check failed, and `refuse` is true.
    """
    maker = open_type(type, params)
    encoder = maker.load(Path(model), threads=threads)
    checks = check_encoder(encoder, maker.declared())
    failed = [check for check in checks if not check.passed]
    if failed and refuse:
        raise UserError(
            "not what the spec says: " + "; ".join(f"{check.name} {check.text}: {check.meaning}" for check in failed),
            remedy='correct the model, or run it anyway with measure.invalid_models = "report"',
        )
    return Checked(encoder.kind, tuple(_figure(check) for check in checks))


def _figure(check: Check) -> CheckedFigure:
    figure = float(check.figure) if math.isfinite(check.figure) else None
    return CheckedFigure(check.name, figure, check.low, check.high, check.meaning, check.text, bool(check.passed))
