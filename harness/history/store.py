"""The history's folder: one Parquet file a run, written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from harness.errors import UserError
from harness.history.schema import columns, read_table, rows_of, to_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.history.entry import Entry
    from harness.history.schema import Row, Table

STALE_SECONDS = 3600.0
"""A file in the making that nobody has touched for so long, and nobody holds, belongs to a killed writer."""


class Summary(NamedTuple):
    """A run in a line; `records` is their number, the rest as in `harness.history.entry.Entry`."""

    id: str
    created: datetime
    spec: str
    revision: str
    changes: bool
    machine: str
    folder: str
    records: int


class History:
    """An append-only folder of runs.

    ``runs/`` holds one file a run, named by time and digest. A file appears by one rename after all of it was flushed,
    and is never written again: a writer killed at any moment leaves the history as it was, and two writers write two
    files. There is no index and no catalogue that could disagree with them.

    Args:
        folder: Made by the first `add`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"

    def files(self) -> list[Path]:
        """All parts, oldest first."""
        return sorted(self.runs.glob("*.parquet"))

    def add(self, entry: Entry) -> bool:
        """Append a run; False where it is there already.

        Raises:
            UserError: The folder cannot be written.
        """
        import pyarrow.parquet as pq

        # Not `harness.files.replacing`: that guards against a failed write. A history must also outlive a power cut
        # (fsync of file and folder), and writers of other machines, whose process numbers may be the same (a name drawn
        # by chance) and whose unfinished files must not be swept (the lock).
        path = self.runs / entry.file_name
        partial = self.runs / f"{entry.id}.{uuid4().hex[:8]}.partial"
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if path.exists():
                return False
            with partial.open("wb") as file:
                with suppress(OSError):  # a file system without locks: then nothing is ever swept
                    fcntl.flock(file, fcntl.LOCK_EX)  # the system lets go of it when the writer ends, however it ends
                pq.write_table(to_table(entry), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
                partial.rename(path)
            _flush(self.runs)
        except OSError as error:
            with suppress(OSError):  # the folder may be what is wrong
                partial.unlink(missing_ok=True)
            raise UserError(
                f"cannot write the history: {error.strerror}",
                file=self.folder,
                remedy="free space, or give a folder that you can write with --history; its content is unharmed",
            ) from None
        return True

    def check(self) -> None:
        """Say before a long measurement what would keep its run out of the history.

        Raises:
            UserError: A part is damaged or of a later version, or the folder cannot be written.
        """
        self.table()
        place = self.runs
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise UserError(
                "cannot write the history: not a folder of yours",
                file=place,
                remedy="give a folder of yours with --history",
            )

    def table(self, spec: str | None = None) -> Table:
        """All rows (of one spec), oldest run first, in the current version's columns (`schema.columns`).

        Raises:
            UserError: A part is damaged or of a later version.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = [read_table(path) for path in self.files()]
        table = pa.concat_tables(parts) if parts else columns().empty_table()
        return table if spec is None else table.filter(pc.equal(table["spec"], spec))

    def rows(self, spec: str | None = None) -> list[Row]:
        """The rows of `table`.

        Raises:
            UserError: A part is damaged or of a later version.
        """
        return rows_of(self.table(spec))

    def summaries(self) -> list[Summary]:
        """Each run in a line, oldest first.

        Raises:
            UserError: A part is damaged or of a later version.
        """
        summaries = []
        for path in self.files():
            table = read_table(path)
            for row in rows_of(table.slice(0, 1)):
                summaries.append(
                    Summary(
                        row["id"], row["created"], row["spec"], row["revision"], row["changes"], row["machine"],
                        row["folder"], table.num_rows,
                    )
                )  # fmt: skip
        return summaries

    def query(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Run SQL (DuckDB's dialect) over the view ``records``: (column names, rows).

        The database lives in memory and may open no file: no statement can change the history.

        Raises:
            UserError: DuckDB refuses the statement.
        """
        import duckdb

        records = self.table()
        with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
            connection.register("records", records)
            connection.execute("SET TimeZone = 'UTC'")
            try:
                answer = connection.execute(sql)
                if answer is None or answer.description is None:  # an empty statement
                    return [], []
                return [str(column[0]) for column in answer.description], answer.fetchall()
            except duckdb.Error as error:
                raise UserError(
                    f"the query failed: {str(error).partition(chr(10))[0]}",
                    remedy=f"the only table is records; its columns: {', '.join(records.column_names)}",
                ) from None

    def prune(self, which: Callable[[datetime, int], bool], *, pretend: bool = False) -> list[Path]:
        """Remove whole runs; all others stay untouched.

        Args:
            which: Is given the time of a run and how many newer ones there are; true removes it.
            pretend: Only say what would go.

        Returns:
            The files removed.
        """
        files = self.files()
        gone = [path for place, path in enumerate(files) if which(created_of(path), len(files) - 1 - place)]
        if not pretend:
            for path in gone:
                path.unlink(missing_ok=True)
        return gone

    def _sweep(self) -> None:
        """Remove what killed writers left behind: old, and held by nobody.

        Age alone would trust the clock, which somebody may set; the lock alone would meet a writer that has opened its
        file and not locked it yet.
        """
        for path in self.runs.glob("*.partial"):
            with suppress(OSError), path.open("rb") as file:  # another writer was quicker, or holds it
                if time.time() - os.fstat(file.fileno()).st_mtime > STALE_SECONDS:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def created_of(path: Path) -> datetime:
    """The time in a part's name."""
    try:
        return datetime.strptime(path.name.partition("-")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise UserError("not a part of a history", file=path, remedy="move it out of this folder") from None


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
