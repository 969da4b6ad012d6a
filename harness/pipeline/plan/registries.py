"""The registries of all that specs name."""

from __future__ import annotations

from harness.collections import registry as collections
from harness.encoders import registry as encoders
from harness.indexes import registry as indexes
from harness.pipeline.measurements import registry as measurements
from harness.spec.load import Registries

REGISTRIES = Registries(collections, encoders, indexes, measurements)
