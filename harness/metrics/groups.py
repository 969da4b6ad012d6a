"""What a run can leave out: groups of metrics that `measure.only` names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from harness.metrics.base import Metric

Group: TypeAlias = Literal["quality", "memory", "latency", "work"]
GROUPS: tuple[Group, ...] = get_args(Group)
MEMORY = (
    "resident_bytes", "service_bytes", "encoder_file_bytes", "encoder_resident_bytes", "encoder_activation_bytes",
)  # fmt: skip
WORK = (
    "flops_search", "flops_query", "postings_touched", "documents_scored", "bounds_evaluated", "expected_overlap",
)  # fmt: skip
CONTROL = ("null_ratio", "smallest_effect")


def group_of(name: str, kind: Metric) -> Group | None:
    """The group that a metric belongs to; None where every run has it, as the bytes of the index.

    Args:
        name: Of the metric, with a component after a slash where one applies.
        kind: What the name means.
    """
    base = name.partition("/")[0]
    if (kind.unit, kind.direction) == ("fraction", "higher"):
        return "quality"
    if kind.process or base in CONTROL:
        return "latency"
    return "memory" if base in MEMORY else "work" if base in WORK else None
