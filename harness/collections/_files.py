"""The files of a collection: one or several, packed or not, read line by line or row by row."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from typing import IO, TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PACKED = ("", ".gz", ".zst")
"""Endings after the ending of the form: plain, gzip and Zstandard."""
FOREIGN = (".bz2", ".xz", ".lzma", ".lz4", ".zip", ".7z")
"""Endings of packed files that are not read: such a file is named, never passed over."""
PARQUET = ".parquet"
ROWS = (*(f".jsonl{packed}" for packed in PACKED), PARQUET)
"""Forms of a corpus and of queries."""
BATCH = 1000
"""Rows of a Parquet file in memory: one may have dozens of passages."""
SHOWN = 12
"""Names of files that a message lists at most."""
_PART = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]+)-of-(?P<total>[0-9]+)")


def row_files(folder: Path, stem: str) -> list[Path]:
    """The files of a corpus or of queries, in the order in which they are read.

    They are one file (``corpus.jsonl``, also packed, or ``corpus.parquet``), numbered parts beside each other
    (``corpus-00000-of-00002.jsonl``), or all such files of a folder ``corpus``, numbers in names by their value.

    Raises:
        UserError: There is none, there are several versions, or a numbered part is missing.
    """
    versions = [[path] for ending in FOREIGN if (path := folder / f"{stem}.jsonl{ending}").is_file()]
    for ending in ROWS:
        if (path := folder / f"{stem}{ending}").is_file():
            versions.append([path])
        parts = [path for path in folder.glob(f"{stem}-*{ending}") if _PART.fullmatch(path.name.removesuffix(ending))]
        versions += _by_total(parts, ending)
    if (folder / stem).is_dir():
        versions += _inside(folder / stem)
    return _only_version(versions, folder, f"{stem}.jsonl")


def line_file(folder: Path, name: str) -> Path:
    """A file of lines, which may be packed.

    Raises:
        UserError: There is none, or there are several versions.
    """
    versions = [[path] for packed in (*PACKED, *FOREIGN) if (path := folder / f"{name}{packed}").is_file()]
    return _only_version(versions, folder, name)[0]


def lines(path: Path, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank; only a line feed ends a line.

    Args:
        path: Of the file.
        errors: What becomes of bytes that are no UTF-8.

    Raises:
        UserError: The file cannot be read, or is not UTF-8.
    """
    number = 0
    try:
        with _opened(path) as file:
            for number, raw in enumerate(file, start=1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors)
                line = line.removesuffix("\n").removesuffix("\r")
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise UserError(
            f"not UTF-8 (byte {error.start} of the line)", file=path, line=number, remedy="save the file as UTF-8"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None


def parquet_rows(path: Path, names: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Number, from 1, and content of each row of a Parquet file.

    Args:
        path: Of the file.
        names: Columns that are read where they are there.

    Raises:
        UserError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    before = 0
    try:
        with pq.ParquetFile(path) as file:
            there = [name for name in names if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH, columns=there):
                yield from enumerate(batch.to_pylist(), start=before + 1)
                before += batch.num_rows
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def parquet_columns(path: Path) -> list[str]:
    """Names of a Parquet file's columns, in its order.

    Raises:
        UserError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(path, "rb"))
    if path.suffix == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def _inside(folder: Path) -> list[list[Path]]:
    """Versions of what a folder of parts holds: the files of each ending are one.

    Raises:
        UserError: It holds something that looks like a part and is not read.
    """
    versions = []
    visible = [path for path in folder.iterdir() if not path.name.startswith((".", "_"))]
    for path in sorted(visible):
        data = re.search(r"\.(json|parquet|tsv|csv|arrow)", path.name)
        if path.is_dir() or (data and not path.name.endswith(ROWS)):
            raise UserError("this is not read as a part", file=path, remedy=f"leave only {', '.join(ROWS)} there")
    for ending in ROWS:
        files = [path for path in visible if path.name.endswith(ending)]
        numbered = [path for path in files if _PART.fullmatch(path.name.removesuffix(ending))]
        for group in _by_total(numbered, ending):
            versions.append(group)
        if other := sorted(set(files) - set(numbered), key=_natural):
            versions.append(other)
    return versions


def _by_total(parts: list[Path], ending: str) -> list[list[Path]]:
    """Numbered parts in order, those of each stem and total together.

    Raises:
        UserError: Some of them are missing, or one is there twice.
    """
    groups: dict[tuple[str, int], dict[int, Path]] = {}
    for path in sorted(parts):
        match = _PART.fullmatch(path.name.removesuffix(ending))
        assert match is not None  # noqa: S101 - the caller has chosen them so
        group = groups.setdefault((match["stem"], int(match["total"])), {})
        if (number := int(match["number"])) in group:
            raise _several([group[number], path])
        group[number] = path
    for (_, total), group in groups.items():
        # Hadoop and Hugging Face count from 0, others from 1.
        first = 0 if 0 in group else 1
        expected = range(first, first + total)
        if len(group) != total or any(number not in group for number in expected):
            missing = next((number for number in expected if number not in group), max(group))
            raise UserError(
                f"{len(group)} of {total} parts are there; part {missing} is missing"
                if len(group) < total
                else f"there are {len(group)} parts where the names say {total}",
                file=min(group.values()),
                remedy="copy all parts into the folder",
            )
    return [[group[number] for number in sorted(group)] for group in groups.values()]


def _only_version(versions: list[list[Path]], folder: Path, usual: str) -> list[Path]:
    if len(versions) > 1:
        raise _several([files[0] for files in versions])
    if not versions:
        there = sorted(path.name for path in (folder / usual).parent.glob("*"))
        listed = ", ".join(there[:SHOWN]) + (", ..." if len(there) > SHOWN else "")
        raise UserError(
            f"the file is missing; its folder has {listed or 'nothing'}",
            file=folder / usual,
            remedy="BEIR's layout has corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv; each may be packed (.gz, .zst), "
            "and the first two may be .parquet or several files (corpus-00000-of-00002.jsonl, corpus/*.jsonl)",
        )
    if (foreign := versions[0][0]).suffix in FOREIGN:
        raise UserError(f"{foreign.suffix} is not read", file=foreign, remedy="unpack it, or pack it as .gz or .zst")
    return versions[0]


def _several(files: list[Path]) -> UserError:
    names = " and ".join(path.name for path in files)
    return UserError(f"there are several versions: {names}", file=files[0].parent, remedy="keep one of them")


def _natural(path: Path) -> list[tuple[int, str]]:
    """A name with its numbers by their value."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", path.name)]


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"cannot be read: {' '.join(str(error).split())[:300]}", file=path, remedy="check the file")
