"""Check a made model before anything is timed or scored with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.measure.validity import check_encoder, rows
from harness.pipeline.steps.fit import open_type

if TYPE_CHECKING:
    from harness.encoders.base import Progress


def check(
    *, out: str, type: str, params: dict[str, Any], model: str, threads: int, refuse: bool, report: Progress
) -> dict[str, Any]:
    """See `harness.measure.validity`.

    Returns:
        One row a check.

    Raises:
        UserError: A check failed, and `refuse` is true.
    """
    maker = open_type(type, params)
    encoder = maker.load(Path(model), threads=threads)
    checks = check_encoder(encoder, maker.declared())
    failed = [one for one in checks if not one.passed]
    if failed and refuse:
        raise UserError(
            "not what the spec says: " + "; ".join(f"{one.name} {one.text}: {one.meaning}" for one in failed),
            remedy='mend the model, or run it all the same with measure.invalid_models = "report"',
        )
    return {"kind": encoder.kind, "checks": rows(checks)}
