"""The table of metrics: what each name means, its unit and direction, and the definition that reports print."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from harness.errors import UserError, allowed
from harness.metrics.base import Direction, Metric, QualityMetric
from harness.metrics.named_measures import named_measure, nearest_measure
from harness.registry import Registry, hooks_of, points_of

quality_metrics: Registry[type[QualityMetric]] = Registry(
    "metric", "harness.metrics", "laconic_bench.metrics", hooks=hooks_of(QualityMetric)
)
"""The metrics that are computed from judgements and a run, by name."""
register = quality_metrics.register


class MetricTable(MutableMapping[str, Metric]):
    """All metrics by name: those that this package defines, and those that other distributions add.

    Others add metrics of quality, and metrics that their measurements record. These are looked for when the table is
    first read. A name of ir_measures (``P@5``) can be looked up too; an iteration leaves these out, as they are without
    number.
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._complete = False

    def __getitem__(self, name: str) -> Metric:
        table = self._all()
        if name not in table and (kind := named_measure(name)) is not None:
            return kind.definition
        return table[name]

    def __setitem__(self, name: str, value: Metric) -> None:
        self._metrics[name] = value

    def __delitem__(self, name: str) -> None:
        del self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Metric]:
        if not self._complete:
            self._complete = True
            for point in points_of("laconic_bench.measurements"):
                point.load()  # its module defines what it measures
        for name in quality_metrics.names():
            definition = quality_metrics.get(name).definition
            if definition.name != name or "/" in name:
                raise UserError(
                    f"the definition of the metric {name!r} has the name {definition.name!r}",
                    remedy="use the definition's name, without a slash, for class and entry point",
                )
            if self._metrics.setdefault(name, definition) is not definition:
                raise UserError(f"two metrics have the name {name!r}", remedy="give your metric another name")
        return self._metrics


METRICS = MetricTable()


def quality_metric(name: str) -> type[QualityMetric]:
    """The metric of quality of this name: a registered one, or a measure that ir_measures computes.

    Raises:
        UserError: There is neither; with the nearest name.
    """
    registered = quality_metrics.names()
    if name in registered:
        return quality_metrics.get(name)
    if (kind := named_measure(name)) is not None:
        return kind
    near = nearest_measure(name)
    remedy = f"{allowed(name, registered)}, or a measure of ir_measures that can be computed here, such as AP or P@5"
    raise UserError(
        f"there is no metric of quality {name!r}", remedy=f"{remedy}; did you mean {near!r}?" if near else remedy
    )


def define(
    name: str,
    label: str,
    unit: str,
    direction: Direction,
    definition: str,
    *,
    exact: bool = False,
    decides: bool = True,
    process: str = "",
    sampled: bool = False,
) -> Metric:
    """Add a metric that is not computed from a run, such as a time or a size.

    Args:
        name: Without a slash.
        label: Of columns and axes.
        unit: See `Metric`.
        direction: Which values are better.
        definition: Whole sentences; the report prints them.
        exact: See `Metric`.
        decides: See `Metric`.
        sampled: See `Metric`.
        process: Kind of the stages whose processes take it under `harness.measure.machine.watch`. Where such a process
            was disturbed, no claim rests on the metric.

    Raises:
        ValueError: There is one of this name.
    """
    if name in METRICS._metrics:
        raise ValueError(f"metric {name!r} is defined twice")
    METRICS[name] = Metric(name, label, unit, direction, definition, exact, decides, process, sampled)
    return METRICS._metrics[name]


def metric(name: str) -> Metric:
    """The metric of this name; what follows a slash is a component and is ignored.

    Raises:
        UserError: There is no such metric.
    """
    base = name.partition("/")[0]
    try:
        return METRICS[base]
    except KeyError:
        raise UserError(f"there is no metric {base!r}", remedy=allowed(base, METRICS)) from None
