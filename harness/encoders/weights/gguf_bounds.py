"""Whether what a GGUF file says of its own sizes can be true, before a reader that trusts it opens it.

A reader that takes a damaged count at its word fills the memory with empty values and does not end. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each plain type."""
TEXT, ARRAY = 8, 9
"""The other two types."""
NESTED, DIMENSIONS = 4, 8
"""Most arrays within each other, and most dimensions of a tensor, in any file that a program writes."""


def check_bounds(path: Path) -> None:
    """Walk over the header once.

    Raises:
        ValueError: It is no GGUF file, or it names more than the file holds.
    """
    with path.open("rb") as file:
        walk = _Walk(file)
        if file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = walk.number(4)
        if not version & 0xFFFF:
            walk.order = "big"
        tensors, keys = walk.number(8), walk.number(8)
        for _ in range(walk.possible(keys, 12)):
            walk.text()
            walk.value(walk.number(4))
        for _ in range(walk.possible(tensors, 24)):
            walk.text()
            dimensions = walk.number(4)
            if dimensions > DIMENSIONS:
                raise ValueError(f"a tensor has {dimensions} dimensions")
            walk.skip(8 * dimensions + 12)


class _Walk:
    """A file from its beginning to its end; a step beyond the end is an error."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.left, self.order = file, os.fstat(file.fileno()).st_size - 4, "little"

    def skip(self, size: int) -> None:
        """Pass this number of bytes."""
        if size > self.left:
            raise ValueError(f"{size} bytes should follow, and {self.left} do")
        self.left -= size
        self.file.seek(size, os.SEEK_CUR)

    def number(self, size: int) -> int:
        """The next whole number of this size in bytes."""
        if size > self.left:
            raise ValueError("its header is cut off")
        self.left -= size
        return int.from_bytes(self.file.read(size), "big" if self.order == "big" else "little")

    def possible(self, count: int, least: int) -> int:
        """The count of entries, each at least this size in bytes; refused where they cannot all be there."""
        if count * least > self.left:
            raise ValueError(f"{count} entries should follow in {self.left} bytes")
        return count

    def text(self) -> None:
        """Pass one."""
        self.skip(self.number(8))

    def value(self, kind: int, depth: int = 0) -> None:
        """Pass a value of this type."""
        if kind in SIZES:
            self.skip(SIZES[kind])
        elif kind == TEXT:
            self.text()
        elif kind == ARRAY and depth < NESTED:
            inner, count = self.number(4), self.number(8)
            if inner in SIZES:
                self.skip(SIZES[inner] * count)
                return
            for _ in range(self.possible(count, 8)):
                self.value(inner, depth + 1)
        else:
            raise ValueError(f"a value has the type {kind}, which the format does not have")
