"""Checks of a spec's names: measurements, metrics, claims and thresholds of the nightly run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from harness.spec.claim import ClaimSpec
    from harness.spec.fusion import Fusion
    from harness.spec.models import Part, SpecHead, System
    from harness.spec.registries import Axis, MeasurementType
    from harness.spec.source import Source
    from harness.spec.suite import Suite
    from harness.spec.toml import KeyPath


def check_measurements(source: Source, head: SpecHead, registry: Axis[MeasurementType]) -> None:
    """Refuse measurements that are not registered, and groups that are not there or leave out what is asked for.

    Raises:
        UserError: A name is wrong, with the nearest one; or a measurement belongs to a group that is left out.
    """
    from harness.metrics import GROUPS

    only = head.measure.only
    for place, name in enumerate(only or ()):
        if name not in GROUPS:
            path: KeyPath = ("measure", "only", place)
            raise source.error(f"there is no group {name!r} of measurements", path, allowed(name, GROUPS))
    for place, name in enumerate(head.measure.also):
        path = ("measure", "also", place)
        if name not in registry.names():
            raise source.error(f"there is no measurement {name!r}", path, allowed(name, registry.names()))
        group = registry.get(name).group
        if group not in head.measure.groups:
            remedy = f"add {group!r} to measure.only, or remove this measurement"
            raise source.error(f"{name} belongs to {group}, which measure.only leaves out", path, remedy)


def check_quality(source: Source, head: SpecHead) -> None:
    """Refuse measures of quality that are not known, or that look deeper than the runs are.

    Raises:
        UserError: A name is wrong; with the nearest one.
    """
    from harness.metrics import quality_metric
    from harness.metrics.named_measures import cut_off

    for place, name in enumerate(head.measure.quality):
        path: KeyPath = ("measure", "quality", place)
        try:
            kind = quality_metric(name)
        except UserError as error:
            raise source.error(error.what, path, error.remedy) from None
        deepest = cut_off(kind.measure or name)
        if head.measure.depth < deepest < math.inf:
            raise source.error(
                f"{name} looks at {deepest} documents of a query, and runs have {head.measure.depth}",
                path,
                f"set measure.depth to {deepest} or more",
            )


def check_claims(
    source: Source,
    head: SpecHead,
    systems: tuple[Sequence[System], Sequence[Fusion]],
    parts: Mapping[str, Mapping[str, list[Part]]],
    suites: Mapping[str, Suite],
) -> None:
    """Find claims on what the experiment does not have: systems, metrics, collections and suites.

    The source gathers the mistakes: a name is wrong, a metric is not measured, decides nothing or has no value over a
    suite, or two claims have one name.

    Args:
        source: The spec.
        head: Its claims.
        systems: Systems and fusions; of a fusion no time is measured.
        parts: Of every axis, by the name that the spec gives them.
        suites: By name.
    """
    from harness.metrics import METRICS

    known = _Known(
        systems=[*(system.name for system in systems[0]), *(fusion.name for fusion in systems[1])],
        fused=[fusion.name for fusion in systems[1]],
        measured={*METRICS, *head.measure.quality},
        collections=[part.name for group in parts["collections"].values() for part in group],
        suites=list(suites),
    )
    titles: set[str] = set()
    for number, claim in enumerate(head.claims):
        path = ("claims", number)
        with source.gathering():
            _check_claim(source, path, claim, known)
            if claim.name in titles:
                raise source.error(f"two claims have the name {claim.name!r}", path, "give one of them another name")
        titles.add(claim.name)


@dataclass(frozen=True)
class _Known:
    """What a claim can name."""

    systems: Sequence[str]
    fused: Sequence[str]
    measured: Set[str]
    collections: Sequence[str]
    suites: Sequence[str]


def _check_claim(source: Source, path: KeyPath, claim: ClaimSpec, known: _Known) -> None:
    from harness.metrics import METRICS, over_suite

    for key in ("system", "baseline"):
        if (system := getattr(claim, key)) is not None and system not in known.systems:
            raise source.error(
                f"there is no system {system!r} in this spec", (*path, key), allowed(system, known.systems)
            )
    base = claim.metric.partition("/")[0]
    if base not in METRICS:
        raise source.error(f"there is no metric {claim.metric!r}", (*path, "metric"), allowed(base, METRICS))
    if base not in known.measured:
        raise source.error(
            f"this experiment does not measure {base}", (*path, "metric"), f"add {base!r} to measure.quality"
        )
    if not METRICS[base].decides:
        raise source.error(
            f"a claim cannot use {claim.metric}: it is an estimate or measures more than the system",
            (*path, "metric"),
            "claim something about latency, FLOPs or bytes",
        )
    for key in ("system", "baseline"):
        if getattr(claim, key) in known.fused and METRICS[base].clocked:
            raise source.error(
                f"a claim cannot use {claim.metric} of the fusion {getattr(claim, key)!r}: it is estimated from "
                "the times of its systems",
                (*path, key),
                "claim something about its quality, FLOPs or bytes, or about the times of a system that is measured",
            )
    if claim.collection is not None and claim.collection not in known.collections:
        raise source.error(
            f"there is no collection {claim.collection!r} in this spec",
            (*path, "collection"),
            allowed(claim.collection, known.collections),
        )
    if claim.suite is not None and claim.suite not in known.suites:
        raise source.error(
            f"there is no suite {claim.suite!r} in this spec",
            (*path, "suite"),
            allowed(claim.suite, known.suites)
            if known.suites
            else "add [suites.NAME], or a collection that names a suite",
        )
    if claim.suite is not None and not over_suite(claim.metric, METRICS[base]):
        raise source.error(
            f"{claim.metric} has no value over a suite",
            (*path, "metric"),
            "claim something about quality, counted work of a query or bytes of the index, or leave out the suite",
        )


def check_nightly(source: Source, head: SpecHead) -> None:
    """Refuse thresholds of metrics that do not exist.

    Raises:
        UserError: A name is wrong; with the nearest one.
    """
    from harness.metrics import METRICS

    for name in head.nightly.thresholds:
        base = name.partition("/")[0]
        if base not in METRICS:
            path = ("nightly", "thresholds", name)
            raise source.error(f"there is no metric {base!r}", path, allowed(base, METRICS))
