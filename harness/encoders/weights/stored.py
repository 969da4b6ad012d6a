"""Tensors in safetensors files: what there is, one tensor at a time in and out, and files taken over as they are.

Format (https://huggingface.co/docs/safetensors): the length of a JSON header as a little-endian 64-bit number, the
header, and the bytes of the tensors without gaps.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.encoders.weights.inside import is_own_file
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

INDEX = "model.safetensors.index.json"
"""Which file has which tensor, where there are several."""
FLOATS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""The format's names of the dtypes that models are computed in here -> torch's."""

MOST_HEADER = 100_000_000
"""Bytes of the longest header that the format's own library reads."""
BYTES = {"F32": 4, "BF16": 2, "F16": 2}
"""Bytes of a value of each of them."""


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    Attributes:
        file: Where it lies.
        name: In the file.
        dtype: The format's name, such as ``BF16``.
        shape: Its sizes.
        begin: Its first byte in the file.
        size: Its bytes.
    """

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    size: int

    def read(self) -> torch.Tensor:
        """The tensor in memory of its own; nothing of the file stays mapped. It must be of one of `FLOATS`."""
        import torch

        data = bytearray(self.size)
        with self.file.open("rb") as stream:
            stream.seek(self.begin)
            stream.readinto(data)
        dtype: torch.dtype = getattr(torch, FLOATS[self.dtype])
        return torch.frombuffer(data, dtype=dtype).view(self.shape) if data else torch.empty(self.shape, dtype=dtype)


def read_header(file: Path) -> list[StoredTensor]:
    """The tensors of a file of weights, in the order of their bytes.

    Raises:
        UserError: It is damaged or cut off.
    """
    try:
        return tensors_in(file)
    except ValueError as error:
        raise _damaged(file, str(error)) from None


def tensors_in(file: Path) -> list[StoredTensor]:
    """The tensors of a file, in the order of their bytes.

    Raises:
        ValueError: It is damaged or cut off; the text says how.
    """
    whole = file.stat().st_size
    try:
        with file.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            if start - 8 > MOST_HEADER:
                raise ValueError(f"its header should have {start - 8} bytes; the format allows {MOST_HEADER}")
            if start > whole:
                raise ValueError("its header is cut off")
            header = json.loads(stream.read(start - 8))
        tensors = [
            StoredTensor(file, name, entry["dtype"], tuple(entry["shape"]), start + begin, end - begin)
            for name, entry in header.items()
            if name != "__metadata__"
            for begin, end in (entry["data_offsets"],)
        ]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    for tensor in tensors:
        sizes = (tensor.begin, tensor.size, *tensor.shape)
        if not isinstance(tensor.dtype, str):
            raise ValueError(f"{tensor.name!r} has a dtype that is no text")
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError(f"{tensor.name!r} has an impossible size")
        if tensor.begin < start:
            raise ValueError("a tensor begins in the header")
        if tensor.dtype in BYTES and tensor.size != math.prod(tensor.shape) * BYTES[tensor.dtype]:
            raise ValueError(f"{tensor.name!r} has {tensor.size} bytes, which do not fit its shape {tensor.shape}")
    needed = max((tensor.begin + tensor.size for tensor in tensors), default=start)
    if whole < needed:
        raise ValueError(f"it has {whole} of {needed} bytes")
    return sorted(tensors, key=lambda tensor: tensor.begin)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder: those that its index names, else the usual one, else all.

    Raises:
        UserError: The index is damaged, names a file that is not there, or is of other files than the usual one that
            lies beside it.
    """
    index, usual = folder / INDEX, folder / "model.safetensors"
    if not index.is_file():
        return [usual] if usual.is_file() else sorted(folder.glob("*.safetensors"))
    try:
        names = list(json.loads(index.read_bytes())["weight_map"].values())
        if strange := [name for name in names if not is_own_file(name)]:
            raise ValueError(f"it names {strange[0]!r:.80}, which is no file of this folder")
        files = sorted({folder / name for name in names})
        missing = [file for file in files if not file.is_file()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise _damaged(index, str(error)) from None
    if missing:
        what = f"the file is missing; {INDEX} names {len(files)} files"
        raise UserError(what, file=missing[0], key="model", remedy=f"get the file, or remove a stale {INDEX}")
    if usual.is_file() and usual not in files:
        raise UserError(
            f"there are two versions of the weights: this file, and those that {INDEX} names",
            file=usual,
            key="model",
            remedy="remove the stale one",
        )
    return files


def check_whole(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder, none of which is missing, cut off or without a tensor of the index.

    Raises:
        UserError: One is.
    """
    files = weight_files(folder)
    held = {file.name: {tensor.name for tensor in read_header(file)} for file in files}
    index = folder / INDEX
    for name, file in (json.loads(index.read_bytes())["weight_map"] if index.is_file() else {}).items():
        if name not in held[(folder / file).name]:
            what = f"the file has no {name!r}, which {INDEX} says it has"
            raise UserError(what, file=folder / file, key="model", remedy="get the files again")
    return files


def stored_dtype(folder: Path) -> torch.dtype:
    """Dtype of most floating-point weights in the .safetensors files of a folder and its subfolders.

    Args:
        folder: Of a model; float32 where it has no weights in one of `FLOATS`.

    Raises:
        UserError: A file is damaged or cut off.
    """
    import torch

    dtype: torch.dtype = getattr(torch, most_used([t for f in folder.rglob("*.safetensors") for t in read_header(f)]))
    return dtype


def most_used(tensors: Sequence[StoredTensor]) -> str:
    """Torch's name of the dtype of most of these values, integers not counted; float32 where there are none."""
    counts = dict.fromkeys(FLOATS, 0)
    for tensor in tensors:
        if tensor.dtype in counts:
            counts[tensor.dtype] += math.prod(tensor.shape)
    return FLOATS[max(counts, key=lambda name: counts[name])]


def load_tensors(file: Path, dtype: torch.dtype | None, device: str) -> dict[str, torch.Tensor]:
    """The tensors of a file in a dtype or their own, mapped where it is theirs and the device is a processor.

    Tensors that are in none of `FLOATS` keep their dtype.

    Raises:
        UserError: The file is damaged or cut off.
    """
    tensors = {}
    header = read_header(file)
    with opened(file) as mapped:
        for stored in header:
            name = FLOATS.get(stored.dtype)
            if name is None or dtype is None or (device == "cpu" and f"torch.{name}" == str(dtype)):
                tensors[stored.name] = mapped.get_tensor(stored.name).to(device)
            else:
                tensors[stored.name] = stored.read().to(device, dtype)
    return tensors


class MappedTensors(Protocol):
    """An open file of weights."""

    def keys(self) -> list[str]:
        """Names of its tensors."""
        ...

    def get_tensor(self, name: str) -> torch.Tensor:
        """One of them, mapped."""
        ...


@contextmanager
def opened(file: Path) -> Iterator[MappedTensors]:
    """A file of weights, mapped by the format's own library.

    Raises:
        UserError: The library does not read it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as mapped:
            yield mapped
    except SafetensorError as error:
        raise _damaged(file, " ".join(str(error).split())[:300]) from None


def write_tensors(
    file: Path, tensors: Sequence[tuple[str, StoredTensor]], value: Callable[[str, StoredTensor], torch.Tensor]
) -> None:
    """Write a file of tensors, holding one at a time.

    Args:
        file: New.
        tensors: Name in the new file, and what is stored now: the new tensor has its dtype and shape.
        value: Gives the new tensor when its turn comes.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, stored in tensors:
        header[name] = {"dtype": stored.dtype, "shape": stored.shape, "data_offsets": (place, place + stored.size)}
        place += stored.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    import torch

    with file.open("xb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name, stored in tensors:
            stream.write(value(name, stored).contiguous().view(-1).view(torch.uint8).numpy().data)


def take_over(source: Path, target: Path) -> None:
    """Put a file elsewhere without writing it again: another name of it on the same disk, else a copy.

    A symbolic link is followed first: what is put must not change with what lies at another place.
    """
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def put(source: str, target: str) -> None:
    """Take over a file of weights, and copy any other, so that it may be changed: for `shutil.copytree`."""
    if source.endswith(".safetensors"):
        take_over(Path(source), Path(target))
    else:
        shutil.copyfile(source, target)


def _damaged(file: Path, what: str) -> UserError:
    return UserError(f"the weights are damaged: {what}", file=file, key="model", remedy="get the file again")
