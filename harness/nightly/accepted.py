"""Regressions that somebody has accepted, with the reason: a TOML file in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from harness.errors import UserError
from harness.metrics import METRICS
from harness.metrics import metric as metric_of
from harness.spec.params import Params
from harness.spec.toml import key_text, line_of, read_toml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Accepted(Params):
    """One accepted regression."""

    metric: str
    """Name with its component, "latency_total/p50"."""
    system: str
    """The system that got worse."""
    collection: str | None = None
    """The collection; all where it is left out."""
    value: float
    """What is accepted, in the metric's unit. What is worse than this alarms again."""
    reason: str = Field(min_length=10)
    """Why; it is printed on the page."""


def read_accepted(file: Path) -> tuple[Accepted, ...]:
    """The entries of a file ``[[accepted]]``; none where there is no file.

    Raises:
        UserError: Not TOML, an unknown key or metric, or a missing reason; with file, line and key.
    """
    if not file.exists():
        return ()
    text, content = read_toml(file, "the list of accepted regressions")
    wrong = [key for key in content if key != "accepted"]
    tables = content.get("accepted", [])
    if wrong or not isinstance(tables, list):
        raise UserError("only [[accepted]] tables are allowed", file=file, key=wrong[0] if wrong else "accepted")
    entries = []
    for place, table in enumerate(tables):
        try:
            entry = Accepted.model_validate(table)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ("accepted", place, *first["loc"])
            raise UserError(
                first["msg"],
                file=file,
                line=line_of(text, path),
                key=key_text(path),
                remedy=f"an entry has {', '.join(Accepted.model_fields)}",
            ) from None
        if entry.metric.partition("/")[0] not in METRICS:
            path = ("accepted", place, "metric")
            raise UserError(
                f"there is no metric {entry.metric!r}", file=file, line=line_of(text, path), key=key_text(path)
            )
        entries.append(entry)
    return tuple(entries)


def reason_for(key: tuple[str, str, str], value: float, accepted: Sequence[Accepted]) -> str:
    """Why this value of (collection, system, metric) is accepted; "" where it is not."""
    collection, system, metric = key
    higher = metric_of(metric).direction == "higher"
    for entry in accepted:
        same = (entry.metric, entry.system) == (metric, system) and entry.collection in (None, collection)
        if same and (value >= entry.value if higher else value <= entry.value):
            return entry.reason
    return ""
