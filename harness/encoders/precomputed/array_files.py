"""Arrays of .npy files and of .npz members, read in pieces; pickles are refused.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. A .npz is a zip of .npy files.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

HEADER = 10_000
"""Bytes of a header at most: numpy writes some hundred, and parsing a large one may crash the interpreter."""
BROKEN = (ValueError, LookupError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)
"""What reading a damaged or encrypted file raises."""


class ArrayStream:
    """One array whose values are read in order, row by row.

    Args:
        stream: At the first value.
        file: Named in errors.
        shape: Of the array.
        dtype: Of its values.
    """

    def __init__(self, stream: IO[bytes], file: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        self._stream, self._file = stream, file
        self.shape, self.dtype, self.size = shape, dtype, math.prod(shape)

    def read(self, count: int) -> NDArray[np.generic]:
        """The next `count` values, one dimension.

        Raises:
            UserError: The file ends before.
        """
        size = count * self.dtype.itemsize
        try:
            content = self._stream.read(size)
        except BROKEN as error:
            raise damaged(self._file, f"the array cannot be read: {error}") from None
        if len(content) != size:
            raise damaged(self._file, "the array ends early")
        return np.frombuffer(content, self.dtype)

    def whole(self) -> NDArray[np.generic]:
        """All values, one dimension; in pieces, so that a header that promises too much takes no memory."""
        return np.concatenate([np.zeros(0, self.dtype), *self.pieces(1 << 20)])

    def pieces(self, size: int) -> Iterator[NDArray[np.generic]]:
        """All values in order, at most `size` at a time."""
        for begin in range(0, self.size, size):
            yield self.read(min(size, self.size - begin))


def npy_stream(stream: IO[bytes], file: Path) -> ArrayStream:
    """The array of a .npy file.

    Args:
        stream: At the beginning of the file.
        file: Named in errors.

    Raises:
        UserError: It is no .npy file, holds Python objects, or is stored column by column.
    """
    try:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=HEADER)
    except Exception as error:  # numpy parses the header as Python, which fails in many ways
        raise damaged(file, f"this is no array of numpy: {error}") from None
    if dtype.hasobject:
        raise damaged(file, "the array holds Python objects, which are never unpickled")
    if fortran and len(shape) > 1:
        raise damaged(file, "the array is stored column by column")
    return ArrayStream(stream, file, shape, dtype)


@contextmanager
def members(file: Path, names: tuple[str, ...]) -> Iterator[Mapping[str, ArrayStream]]:
    """The arrays of these names in a .npz, as far as they are there; each is read in its own order.

    Raises:
        UserError: It is no .npz.
    """
    try:
        archive = zipfile.ZipFile(file)
    except BROKEN as error:
        raise damaged(file, f"this is no .npz: {error}") from None
    with archive:
        there = set(archive.namelist())
        streams = {}
        for name in names:
            if f"{name}.npy" in there:
                try:
                    stream = archive.open(f"{name}.npy")
                except BROKEN as error:
                    raise damaged(file, f"{name} cannot be read: {error}") from None
                streams[name] = npy_stream(stream, file)
        yield streams


def weights(file: Path, values: ArrayLike) -> NDArray[np.float32]:
    """Values as float32, in memory of their own.

    Raises:
        UserError: One is NaN, or infinite in float32.
    """
    with np.errstate(over="ignore"):
        small = np.array(values, np.float32)
    if not np.isfinite(small).all():
        raise damaged(file, "a value is NaN, or infinite in float32")
    return small


def columns_within(file: Path, numbers: ArrayLike, width: int) -> NDArray[np.int64]:
    """Numbers of columns, in memory of their own.

    Raises:
        UserError: One is negative, or is not below the width.
    """
    places = np.array(numbers, np.int64)
    if len(places) and (places.min() < 0 or places.max() >= width):
        raise damaged(file, f"a column is beyond the {width} that there are")
    return places


def damaged(file: Path, what: str) -> UserError:
    """The error of a file that cannot be read."""
    return UserError(what, file=file, key="vectors", remedy="write the vectors again, see docs/models.md")
