"""A folder of files as one file: a library's own files may be sparse, so blocks of zeros are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 4096


class PackedFile(BaseModel):
    """A file of the folder: its name from there, its bytes, and its blocks that hold anything as (first, count)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int
    runs: list[tuple[int, int]]


def blocks_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each block of a file that is not all zeros; the last block may be short."""
    with path.open("rb") as file:
        number = 0
        while block := file.read(BLOCK):
            if block.count(0) != len(block):
                yield number, block
            number += 1


def bytes_by_file(folder: Path) -> dict[str, int]:
    """Bytes of each file's blocks that hold anything, by its name from the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sum(len(block) for _, block in blocks_of(path)) for path in files}


def pack_folder(folder: Path, file: Path) -> list[PackedFile]:
    """Write the blocks of all files, one after another; return what has to be known to write the files again."""
    packed = []
    with file.open("wb") as out:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            runs: list[tuple[int, int]] = []
            for number, block in blocks_of(path):
                out.write(block)
                if runs and sum(runs[-1]) == number:
                    runs[-1] = runs[-1][0], runs[-1][1] + 1
                else:
                    runs.append((number, 1))
            packed.append(PackedFile(name=str(path.relative_to(folder)), size=path.stat().st_size, runs=runs))
    return packed


def unpack_folder(file: Path, packed: list[PackedFile], folder: Path) -> None:
    """Write the files again; blocks that were left out are holes."""
    with file.open("rb") as source:
        for entry in packed:
            path = folder / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                for first, count in entry.runs:
                    out.seek(first * BLOCK)
                    for number in range(first, first + count):
                        out.write(source.read(min(BLOCK, entry.size - number * BLOCK)))
                out.truncate(entry.size)
