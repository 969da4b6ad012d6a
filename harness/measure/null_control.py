"""The null control: systems a second time under another name. Whatever differs is the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from harness.stats.levels import percentile_ratio

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from harness.spec.models import Spec

Estimate: TypeAlias = tuple[float, float, float]
AGAIN = " (again)"


def doubled(spec: Spec, names: Collection[str] = ()) -> Spec:
    """The spec with each system (or those named) followed by itself under its name and ``(again)``.

    What is made once for both (model, vectors, index) is shared; what is timed is timed for each, in turns.
    """
    systems = [
        twin
        for system in spec.systems
        for twin in (
            (system, replace(system, name=twin_of(system.name), curve="")) if _wanted(system.name, names) else (system,)
        )
    ]
    return replace(spec, systems=tuple(systems))


def twin_of(name: str) -> str:
    """The name under which `doubled` runs a system again."""
    return name + AGAIN


def null_ratios(
    first: Mapping[str, NDArray[np.float64]],
    second: Mapping[str, NDArray[np.float64]],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Ratios of a system's times to its own under the other name: {"search p50": (value, low, high), ...}.

    Args:
        first: Seconds by side, processes x queries x repeats.
        second: The same of the twin.
        confidence: Of the intervals.
        seed: Of the resampling.
    """
    ratios = {}
    for side in first:
        for name, q in (("p50", 0.5), ("mean", None)):
            ratios[f"{side} {name}"] = percentile_ratio(first[side], second[side], q, confidence=confidence, seed=seed)
    return ratios


def _wanted(name: str, names: Collection[str]) -> bool:
    return not names or name in names
