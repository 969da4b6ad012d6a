"""How text becomes vectors. One module an encoder; `registry` finds them."""

from __future__ import annotations

from harness.encoders.base import (
    Declared,
    Encoder,
    EncoderBase,
    EncoderType,
    EncoderTypeBase,
    FitInput,
    HubName,
    ModelSize,
    Probe,
    Progress,
    Role,
    StoredRows,
)
from harness.registry import Registry, hooks_of

registry: Registry[type[EncoderType]] = Registry(
    "encoder", __name__, "laconic_bench.encoders", hooks=hooks_of(EncoderType)
)
register = registry.register

__all__ = [
    "Declared",
    "Encoder",
    "EncoderBase",
    "EncoderType",
    "EncoderTypeBase",
    "FitInput",
    "HubName",
    "ModelSize",
    "Probe",
    "Progress",
    "Role",
    "StoredRows",
    "register",
    "registry",
]
