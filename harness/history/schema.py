"""The table's columns, and how files of earlier versions are read."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from harness.errors import UserError
from harness.history.entry import FACTS
from harness.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from harness.history.entry import Entry
    from harness.metrics import Direction
    from harness.records import Source

VERSION = 2
KEY = b"laconic-bench history"
"""Name of the version in a file's metadata."""
Table: TypeAlias = "pa.Table"


class Row(TypedDict):
    """One record, with the facts of its run (see `harness.history.entry.Entry`).

    `data` is the revision of the collection's content, `definition` the digest of what the spec says of the system.
    """

    id: str
    created: datetime
    spec: str
    spec_hash: str
    run: str
    revision: str
    changes: bool
    version: str
    machine: str
    conditions: str
    folder: str
    systems: str
    state: str
    confirms: str
    data: str
    definition: str
    collection: str
    system: str
    metric: str
    value: float
    unit: str
    direction: Direction
    method: str
    source: Source
    n: int
    ci_low: float | None
    ci_high: float | None


def _judged(table: Table) -> Table:
    """Version 1 knew no nightly runs: nobody judged its runs, none confirms another, and systems had a name alone."""
    import pyarrow as pa

    for name in ("state", "confirms", "definition"):
        table = table.append_column(name, pa.array([""] * table.num_rows, pa.string()))
    return table


MIGRATIONS: dict[int, Callable[[Table], Table]] = {1: _judged}
"""From version n to n + 1."""


def columns() -> pa.Schema:
    """The columns of the current version: one row a record, with the facts of its run."""
    import pyarrow as pa

    kinds = {"created": pa.timestamp("us", tz="UTC"), "changes": pa.bool_()}
    numbers = {"value": pa.float64(), "ci_low": pa.float64(), "ci_high": pa.float64(), "n": pa.int64()}
    names = [name for name in _names() if name not in kinds and name not in numbers]
    kinds |= dict.fromkeys(names, pa.string()) | numbers
    return pa.schema([(name, kinds[name]) for name in _names()])


def _names() -> list[str]:
    own = [field.name for field in fields(Record) if field.name != "run"]
    return [*FACTS, "data", "definition", *own]


def to_table(entry: Entry) -> Table:
    """The rows of a run."""
    import pyarrow as pa

    facts = {name: getattr(entry, name) for name in FACTS}
    rows = []
    for record in entry.records:
        own = asdict(record)
        own.pop("run")
        rows.append(
            {
                **facts,
                "data": entry.data.get(record.collection, ""),
                "definition": entry.definitions.get(record.system, ""),
                **own,
            }
        )
    rows = [{name: _writable(value) for name, value in row.items()} for row in rows]
    plain = {"schema": VERSION, **facts, "created": entry.created.isoformat()}
    return pa.Table.from_pylist(rows, schema=columns().with_metadata({KEY: json.dumps(plain).encode()}))


def _writable(value: object) -> object:
    """Text that UTF-8 can hold: a folder's name may have bytes that are none."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def rows_of(table: Table) -> list[Row]:
    """A table's rows, in order."""
    rows: list[Row] = table.to_pylist()
    return rows


def read_table(path: Path) -> Table:
    """A file's rows in the current version's columns; what it holds besides is dropped.

    Raises:
        UserError: It is damaged, not of a history, or of a later version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    version = _version(table, path)
    if version > VERSION:
        raise UserError(
            f"written by a later version (schema {version}, known up to {VERSION})",
            file=path,
            remedy="update laconic-bench",
        )
    try:
        while version < VERSION:
            table = MIGRATIONS[version](table)
            version += 1
        wanted = columns()
        table = table.select(wanted.names).cast(wanted)
        table.validate(full=True)  # texts that are no UTF-8 are found here, and not where they are shown
        return table
    except (KeyError, pa.ArrowException) as error:  # a column is missing, is there twice or has another type
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    first = str(error).partition("\n")[0]
    return UserError(
        f"this part of the history cannot be read: {first}",
        file=path,
        remedy="restore it from a backup, or move it away; the other parts are intact",
    )


def _version(table: Table, path: Path) -> int:
    try:
        return int(json.loads((table.schema.metadata or {})[KEY])["schema"])
    except (KeyError, ValueError, TypeError, RecursionError):
        raise UserError("not a part of a history", file=path, remedy="move it out of this folder") from None


def record_of(row: Row) -> Record:
    """The record that a row was made of."""
    return Record(
        row["run"], row["collection"], row["system"], row["metric"], row["value"], row["unit"], row["direction"],
        row["method"], row["source"], row["n"], row["ci_low"], row["ci_high"],
    )  # fmt: skip
