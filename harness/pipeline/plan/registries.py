"""The registries of all that specs name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.collections import registry as collections
from harness.encoders import registry as encoders
from harness.indexes import registry as indexes
from harness.pipeline.measurements import registry as measurements

if TYPE_CHECKING:
    from harness.collections import Collection
    from harness.encoders import EncoderType
    from harness.indexes import Index
    from harness.pipeline.measurements import Measurement
    from harness.registry import Registry


@dataclass(frozen=True)
class AllRegistries:
    """A registry for each kind of thing that a spec names; see `harness.spec.registries.Registries`."""

    collections: Registry[type[Collection]]
    encoders: Registry[type[EncoderType]]
    indexes: Registry[type[Index]]
    measurements: Registry[type[Measurement]]


REGISTRIES = AllRegistries(collections, encoders, indexes, measurements)
