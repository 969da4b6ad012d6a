"""What the metrics of a run mean, also those that no installed package defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics import METRICS, Metric

if TYPE_CHECKING:
    from harness.records import Record

FOREIGN = "No installed package defines this metric. Unit and direction are those that the run states."


def metric_of(row: Record) -> Metric:
    """The metric of a record.

    An installed package defines most metrics. Of another one the record states unit and direction; it counts as a value
    that varies from run to run, and it decides nothing.
    """
    base = row.metric.partition("/")[0]
    known = METRICS.get(base)
    return known or Metric(base, base, row.unit, row.direction, FOREIGN, decides=False)


def is_foreign(name: str) -> bool:
    """Whether no installed package defines this metric; what follows a slash is a component and does not count."""
    return name.partition("/")[0] not in METRICS
