"""What lies in safetensors files, without their values.

Format (https://huggingface.co/docs/safetensors): the length of a JSON header as a little-endian 64-bit number, the
header, and the bytes of the tensors.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import torch


def stored_dtype(folder: Path) -> torch.dtype:
    """Dtype of most floating-point weights in the .safetensors files of a folder and its subfolders.

    Args:
        folder: Of a model; float32 where it has no such weights, or others than torch computes in.
    """
    import torch

    dtypes = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    counts = dict.fromkeys(dtypes, 0)
    for file in sorted(folder.rglob("*.safetensors")):
        for dtype, shape in read_header(file).values():
            if dtype in counts:
                counts[dtype] += math.prod(shape)
    return dtypes[max(counts, key=lambda name: counts[name])]


def read_header(file: Path) -> dict[str, tuple[str, list[int]]]:
    """Name -> dtype (``F32``, ``BF16``, ...) and shape of each tensor, in the order of the header.

    Args:
        file: Whose content was checked before: a damaged one raises whatever reading breaks with.
    """
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
