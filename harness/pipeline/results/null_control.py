"""Records of the null control: of each system that was timed against itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.measure.null_control import null_ratios, twin_of
from harness.records import Record, record
from harness.stats.levels import smallest_effect
from harness.stats.samples import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.spec.models import Spec

Cell = tuple[str, str]
METHOD = "the same system in turns under two names; interval over queries and processes"


def null_records(run: str, spec: Spec, samples: Mapping[Cell, Mapping[str, NDArray[np.generic]]]) -> list[Record]:
    """Ratio and smallest effect of each system that has a twin, where each was timed in two processes or more.

    Args:
        run: Name of the run.
        spec: Confidence and seed.
        samples: By (collection, system): process, query, encode and search, one row a timed query.
    """
    rows = []
    for (collection, system), own in samples.items():
        twin = samples.get((collection, twin_of(system)))
        if twin is None or len(np.unique(own["process"])) < 2:  # the spread between processes would be left out
            continue
        ratios = null_ratios(_sides(own), _sides(twin), confidence=spec.head.measure.confidence, seed=spec.head.seed)
        for part, ratio in ratios.items():
            value, low, high = ratio
            n = len(own["query"])
            effect = smallest_effect(ratio)
            rows += [
                record(run, collection, system, f"null_ratio/{part}", value, method=METHOD, n=n, interval=(low, high)),
                record(run, collection, system, f"smallest_effect/{part}", effect, method=METHOD, n=n),
            ]
    return rows


def _sides(samples: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float64]]:
    """Seconds of encoding, search and both, processes x queries x repeats."""
    sides = {name: samples[name].astype("float64") for name in ("encode", "search")}
    sides["total"] = sides["encode"] + sides["search"]
    process, query = samples["process"].astype("int32"), samples["query"].astype("int32")
    return {name: table(process, query, seconds) for name, seconds in sides.items()}
