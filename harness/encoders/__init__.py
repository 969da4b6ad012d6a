"""How text becomes vectors. One module an encoder; `registry` finds them."""

from __future__ import annotations

from harness.encoders.base import Encoder, EncoderType, FitInput, Progress
from harness.registry import Registry

registry: Registry[type[EncoderType]] = Registry("encoder", __name__, "laconic_bench.encoders")
register = registry.register

__all__ = ["Encoder", "EncoderType", "FitInput", "Progress", "register", "registry"]
