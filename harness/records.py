"""The one table that everything measured ends in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from harness.errors import UserError
from harness.metrics import Direction, metric
from harness.typed_json import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

V = TypeVar("V")
Source: TypeAlias = Literal["measured", "analytic", "estimated"]
_DIRECTIONS = list(get_args(Direction))  # a list, because what a file has there may have no hash
_SOURCES = list(get_args(Source))


@dataclass(frozen=True)
class Record:
    """One measured, computed or estimated value of one system on one collection.

    `metric` is a name of `METRICS`, with a component after a slash where one applies (``index_bytes/impacts``).
    `ci_low` and `ci_high` bound the interval at the spec's confidence (`measure.confidence`), None where there is no
    sampling (counts, bytes).
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
            file.write(json.dumps(vars(row), ensure_ascii=False, allow_nan=False) + "\n")


def read_records(path: Path) -> list[Record]:
    """Read records from JSON lines.

    Raises:
        UserError: The file is missing, a line is not a record, or a field holds another type than `Record` declares;
            file, line and field are named.
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
    try:  # all at once, which takes a sixth of the time
        rows = json.loads(f"[{','.join(lines)}]")
        records = [Record(**(row if row.keys() == known else _only(row, known))) for row in rows]
    except (ValueError, TypeError, AttributeError, RecursionError):
        records = []
    if len(records) == len(lines) and all(map(_is_sound, records)):
        return records
    return [_parsed(line, known, path, number) for number, line in enumerate(lines, start=1)]


def _only(row: dict[str, V], known: set[str]) -> dict[str, V]:
    return {key: value for key, value in row.items() if key in known}


def _is_sound(row: Record) -> bool:
    """Whether each field surely holds what it declares; where this is not certain, `_parsed` decides."""
    texts = (row.run, row.collection, row.system, row.metric, row.unit, row.method)
    return (
        all(type(text) is str for text in texts)
        and type(row.value) is float
        and type(row.n) is int
        and row.direction in _DIRECTIONS
        and row.source in _SOURCES
        and all(end is None or (type(end) is float and math.isfinite(end)) for end in (row.ci_low, row.ci_high))
    )


def _parsed(line: str, known: set[str], path: Path, number: int) -> Record:
    """One line, which is named where it is at fault."""
    try:
        row = from_json(Record, {"ci_low": None, "ci_high": None, **_only(json.loads(line), known)})
        if not all(end is None or math.isfinite(end) for end in (row.ci_low, row.ci_high)):
            raise ValueError("ci_low and ci_high must be finite")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"not a record: {error}", file=path, line=number, remedy="run the experiment again") from None
    return row
