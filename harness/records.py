"""The one table that everything measured ends in."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from harness.errors import UserError
from harness.metrics import Direction, metric

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

V = TypeVar("V")
Source: TypeAlias = Literal["measured", "analytic", "estimated"]


@dataclass(frozen=True)
class Record:
    """One measured, computed or estimated value of one system on one collection.

    `metric` is a name of `METRICS`, with a component after a slash where one applies (``index_bytes/impacts``).
    `ci_low` and `ci_high` bound the 95 % interval, None where there is no sampling (counts, bytes).
    `n` is how many observations the value rests on.
    """

    run: str
    collection: str
    system: str
    metric: str
    value: float
    unit: str
    direction: Direction
    method: str
    source: Source
    n: int
    ci_low: float | None = None
    ci_high: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.system} {self.metric}: a record's value must be finite, not {self.value}")


def record(
    run: str,
    collection: str,
    system: str,
    name: str,
    value: float,
    *,
    method: str,
    source: Source = "measured",
    n: int = 1,
    interval: tuple[float, float] | None = None,
) -> Record:
    """A record whose unit and direction come from the registry."""
    kind = metric(name)
    low, high = interval or (None, None)
    return Record(run, collection, system, name, float(value), kind.unit, kind.direction, method, source, n, low, high)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for row in records:
            file.write(json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n")


def read_records(path: Path) -> list[Record]:
    """Read records from JSON lines.

    Raises:
        UserError: The file is missing, or a line is not a record; file and line are named.
    """
    known = {field.name for field in fields(Record)}
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise UserError(
            f"cannot read the records: {error.strerror}", file=path, remedy="give the folder of a finished run"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 (byte {error.start})", file=path, remedy="run the experiment again") from None
    # Not splitlines: it would cut a name at U+2028 and its like, which JSON leaves as they are.
    lines = text.split("\n") if text else []
    try:  # all at once, which takes a third of the time
        rows = json.loads(f"[{','.join(lines)}]")
        return [Record(**(row if row.keys() == known else _only(row, known))) for row in rows]
    except (ValueError, TypeError, AttributeError):
        return [_parsed(line, known, path, number) for number, line in enumerate(lines, start=1)]


def _only(row: dict[str, V], known: set[str]) -> dict[str, V]:
    return {key: value for key, value in row.items() if key in known}


def _parsed(line: str, known: set[str], path: Path, number: int) -> Record:
    """One line, which is named where it is at fault."""
    try:
        return Record(**_only(json.loads(line), known))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"not a record: {error}", file=path, line=number, remedy="run the experiment again") from None
