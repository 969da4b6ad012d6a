"""Arrays of a .safetensors file, read in pieces."""

from __future__ import annotations

import math
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np

from harness.encoders.precomputed.array_files import ArrayStream, damaged
from harness.encoders.weights.stored import tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.encoders.weights.stored import StoredTensor

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1",
}  # fmt: skip
"""The format's names of dtypes -> how numpy reads their bytes; numpy has no bfloat16."""


class BrainFloats(ArrayStream):
    """An array of bfloat16. Its values are read as float32, whose upper two bytes they are."""

    def __init__(self, stream: IO[bytes], file: Path, shape: tuple[int, ...]) -> None:
        super().__init__(stream, file, shape, np.dtype(np.float32))
        self._halves = ArrayStream(stream, file, shape, np.dtype("<u2"))

    def read(self, count: int) -> NDArray[np.generic]:
        """The next `count` values as float32."""
        return (self._halves.read(count).astype("<u4") << 16).view("<f4")


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """The names of the arrays in a file, and their shapes.

    Raises:
        UserError: The file is damaged.
    """
    return {tensor.name: tensor.shape for tensor in _header(file)}


@contextmanager
def tensors(file: Path, names: tuple[str, ...]) -> Iterator[Mapping[str, ArrayStream]]:
    """The arrays of these names, as far as they are there; each is read in its own order.

    Raises:
        UserError: The file is damaged.
    """
    with ExitStack() as opened:
        streams: dict[str, ArrayStream] = {}
        for tensor in _header(file):
            if tensor.name in names:
                stream = opened.enter_context(file.open("rb"))
                stream.seek(tensor.begin)
                streams[tensor.name] = (
                    BrainFloats(stream, file, tensor.shape)
                    if tensor.dtype == "BF16"
                    else ArrayStream(stream, file, tensor.shape, np.dtype(DTYPES[tensor.dtype]))
                )
        yield streams


def _header(file: Path) -> list[StoredTensor]:
    """The tensors of a file, each with as many bytes as its shape and dtype need."""
    try:
        stored = tensors_in(file)
    except (ValueError, OSError, RecursionError, OverflowError) as error:
        raise damaged(file, f"this is no .safetensors: {error}") from None
    for tensor in stored:
        if not isinstance(tensor.dtype, str) or tensor.dtype not in DTYPES:
            raise damaged(file, f"{tensor.name!r} has the dtype {tensor.dtype}, which no vectors have")
        sizes = (tensor.begin, tensor.size, *tensor.shape)
        whole = all(isinstance(size, int) and size >= 0 for size in sizes)
        if not whole or tensor.size != math.prod(tensor.shape) * np.dtype(DTYPES[tensor.dtype]).itemsize:
            raise damaged(file, f"{tensor.name!r} has {tensor.size} bytes, which do not fit its shape {tensor.shape}")
    return stored
