"""Where an encoder computes, in which dtype, and how many tokens at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16", "auto"]
Device: TypeAlias = Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?|mps)$")]
ONNX_LIBRARIES = ("onnx", "onnxruntime")
"""Distributions of the extra onnx, which are imported under these names."""
ASSIGNED = "LACONIC_BENCH_ASSIGNED_GPUS"
"""Environment variable of a process whose GPUs a cluster chose: it sees those alone, and counts them from 0."""


class Hardware(Params):
    """What an encoder runs on."""

    device: Device | list[Device] = "cpu"
    """Where to encode: cpu, cuda, cuda:1 or mps. A list such as ["cuda:0", "cuda:1"] puts the model on each, and they
    share the texts; a text that is encoded alone, as a query that is timed, goes to the first."""
    batch_size: int = Field(default=32, ge=1)
    """Texts a batch."""
    batch_tokens: int | None = Field(default=None, ge=1)
    """Tokens a batch at most, padding included: texts are sorted by length first, and a longer text stands alone. Left
    out, it is 2048 on a processor and 16384 elsewhere, and without limit for models that sentence-transformers runs."""

    quantise: Literal["int8"] | None = None
    """Round the weights of linear layers to int8 when the model is opened, one scale a channel, and multiply in whole
    numbers: for models on a processor that this program runs itself (Llama, plain BERT)."""
    backend: Literal["torch", "onnx"] = "torch"
    """What computes the layers: torch, or onnxruntime on a processor, from a graph that is exported when the model is
    made; `quantise` then rounds the weights of the graph. For the models that `quantise` is for; needs the extra onnx.
    """

    @property
    def devices(self) -> list[str]:
        """All devices, by name."""
        return [self.device] if isinstance(self.device, str) else list(self.device) or ["cpu"]

    @property
    def backend_libraries(self) -> tuple[str, ...]:
        """Distributions that the backend needs besides torch."""
        return ONNX_LIBRARIES if self.backend == "onnx" else ()

    @property
    def gpus(self) -> int:
        """How many GPUs that are."""
        return len({_numbered(name) for name in self.devices if name.startswith("cuda")})


def not_ours(hardware: Hardware, what: str) -> None:
    """Refuse what is for models alone that this program runs itself: int8 weights and another backend.

    Args:
        hardware: As the spec has it.
        what: Runs the model instead of this program.

    Raises:
        UserError: One of them is asked for.
    """
    for key, wanted, refused in (
        ("quantise", hardware.quantise is not None, "whose weights are not rounded here"),
        ("backend", hardware.backend != "torch", "which is not exported here"),
    ):
        if wanted:
            raise UserError(
                f"{what} runs this model, {refused}", key=key, remedy="leave it out, or use a Llama or a plain BERT"
            )


def present(devices: Sequence[str]) -> list[str]:
    """These devices, by the names that torch has for them in this process.

    Raises:
        UserError: One is not there.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cpu", *(f"cuda:{number}" for number in range(gpus)), *(["mps"] if torch.mps.is_available() else [])]
    names = [_numbered(name) for name in devices]
    if os.environ.get(ASSIGNED):
        asked = sorted({name for name in names if name.startswith("cuda")}, key=lambda name: int(name[5:]))
        names = [f"cuda:{asked.index(name)}" if name in asked else name for name in names]
    for asked_for, name in zip(devices, names, strict=True):
        if name not in here:
            raise UserError(
                f"there is no device {asked_for!r} here", key="device", remedy=f"this machine has {', '.join(here)}"
            )
    return names


def described(device: str) -> str:
    """A device that is there, with the name of its GPU."""
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


def arithmetic(asked: Dtype, device: str, stored: torch.dtype) -> torch.dtype:
    """The dtype to compute in: the one that is asked for, or the stored one where the device multiplies it.

    Args:
        asked: auto is `stored` on an accelerator. On a processor, it is float32 unless that multiplies `stored`.
        device: By torch's name.
        stored: Of the weights in their file.
    """
    import torch

    if asked != "auto":
        dtype: torch.dtype = getattr(torch, asked)
        return dtype
    if stored not in (torch.bfloat16, torch.float16):
        return torch.float32
    fast = device != "cpu" or (stored == torch.bfloat16 and multiplies_bfloat16())
    return stored if fast else torch.float32


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products in bfloat16 (Linux; False elsewhere)."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _numbered(name: str) -> str:
    return "cuda:0" if name == "cuda" else name
