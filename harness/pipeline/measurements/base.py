"""The plug point for measurements: what a system is measured by beside quality, memory and latency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np

from harness.stats.levels import hierarchical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.jsonvalue import JsonValue
    from harness.metrics import Group
    from harness.pipeline.stage import Measures, Stage
    from harness.pipeline.steps.result import StepResult
    from harness.records import Source
    from harness.spec.models import MeasureSpec


SERVED = ("encoder_type", "encoder_params", "index_type", "index_search", "k")
"""Arguments of the latency stage that say what is opened."""
R = TypeVar("R", bound="StepResult")
Results: TypeAlias = "Mapping[str, Sequence[object]]"
"""What the finished stages of a measurement returned, by the stage's kind; a kind whose stages all failed is left out.

A step that is annotated with a `harness.pipeline.steps.result.StepResult` gives objects of that class (`results_of`).
Every other step gives the JSON objects that it returned.
"""


@dataclass(frozen=True)
class Subject:
    """One system on one collection, as a measurement sees it.

    Attributes:
        label: System and collection, for the reader.
        measure: The spec's table `measure`.
        latency: The stage of the first latency process. Its inputs are ``model``, ``index`` and ``collection``; its
            arguments name the encoder, the index and k.
        encode: Its artefact holds the vectors of documents and queries.
        search: Its artefact holds the results of all queries.
        prepare: Its artefact holds texts and qrels.
        memory: It measures the resident memory of the index; its arguments have the index's parameters.
        exact: Whether the index gives the true top k of the vectors as it stores them.
        beside_sweep: Whether the spec sweeps a search: then recall against exact results is compared over all engines.
        timed_search: Its artefact holds the results with the timed k; None where they are the first of `search`.
    """

    label: str
    measure: MeasureSpec
    latency: Stage
    encode: Stage
    search: Stage
    prepare: Stage
    memory: Stage
    exact: bool
    beside_sweep: bool = False
    timed_search: Stage | None = None

    def timed_stage(
        self,
        kind: str,
        text: str,
        function: str,
        *,
        libraries: Sequence[str] = (),
        modules: Sequence[str] = (),
        threads: int | None = None,
        processors: int | None = None,
        measures: Measures = "time",
        **arguments: JsonValue,
    ) -> Stage:
        """A stage that opens encoder and index in a fresh process; where it measures time it runs alone.

        Args:
            kind: Of the stage; `Measurement.records` gets the results by it.
            text: What the reader sees, such as ``cold start 1``.
            function: ``module:function``. It takes ``out``, ``report``, the three inputs as paths, ``encoder_type``,
                ``encoder_params``, ``index_type``, ``k``, ``threads`` and `arguments`, and returns a `StepResult` or a
                JSON object. For an engine with `search_params` it takes ``index_search``, too.
            libraries: Distributions that decide the result beside those of encoder and index.
            modules: Modules whose code decides the result beside those of encoder and index.
            threads: Of the process; those of the spec by default.
            processors: How many it can use at a time; as many as it has threads by default. A process that can use
                more than the spec's threads is not bound to any.
            measures: ``time`` or ``memory``; only what measures time is bound to processors.
            arguments: More arguments of the function.
        """
        served = {name: value for name, value in self.latency.arguments.items() if name in SERVED}
        threads = self.measure.threads if threads is None else threads
        return replace(
            self.latency,
            kind=kind,
            label=f"{text} of {self.label}",
            function=function,
            arguments={**served, "threads": threads, **arguments},
            libraries=tuple(sorted({*self.latency.libraries, *libraries})),
            modules=tuple(dict.fromkeys((*self.latency.modules, *modules))),
            threads=threads,
            measures=measures,
            pinned=self.latency.pinned and measures == "time" and (processors or threads) == self.measure.threads,
            round="",
        )


class Add(Protocol):
    """Adds a record to the run."""

    @property
    def confidence(self) -> float:
        """What the spec asks of all intervals."""
        ...

    def __call__(
        self,
        name: str,
        value: float,
        method: str,
        *,
        n: int = 1,
        interval: tuple[float, float] | None = None,
        source: Source = "measured",
    ) -> None:
        """Add a value of the system.

        Args:
            name: Of a metric of the table of metrics, with a component after a slash where one applies.
            value: Finite, in the metric's unit.
            method: How it was measured or computed, one phrase.
            n: How many observations it rests on.
            interval: Its bounds, at `confidence`; None where there is no sampling.
            source: Whether it was measured, computed by formula (analytic) or estimated.
        """
        ...


class Measurement(Protocol):
    """A measurement. A class registers itself with ``@measurements.register("name")``; it is made without arguments.

    Another distribution adds one by an entry point of the group ``laconic_bench.measurements``. Metrics that it records
    and the table does not have are defined by `harness.metrics.define` in its module.
    """

    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide what it measures, beside those of encoder and index."""
    group: ClassVar[Group]
    """What it belongs to: a spec whose `measure.only` leaves this group out has no such measurement. Default: latency.
    """
    encodes: ClassVar[bool]
    """Whether it encodes texts; then it is not taken of vectors that were made elsewhere. Default: yes."""

    def implied(self, subject: Subject) -> bool:
        """Whether it is taken although the spec does not ask for it. Default: no."""
        ...

    def stages(self, subject: Subject) -> list[Stage]:
        """Its stages, each after what it needs. A stage that another system has too is made once."""
        ...

    def records(self, results: Results, add: Add) -> None:
        """Turn the results of its finished stages into records.

        Args:
            results: What the stages' functions returned.
            add: Adds a record of the system on the collection.
        """
        ...


class MeasurementBase:
    """The defaults of a measurement."""

    libraries: ClassVar[tuple[str, ...]] = ()
    group: ClassVar[Group] = "latency"
    encodes: ClassVar[bool] = True

    def implied(self, subject: Subject) -> bool:
        """No."""
        return False


def results_of(results: Results, kind: str, result_type: type[R]) -> list[R]:
    """The results of the stages of one kind.

    Raises:
        TypeError: The step of such a stage is not annotated with this type.
    """
    typed: list[R] = []
    for result in results.get(kind, ()):
        if not isinstance(result, result_type):
            raise TypeError(f"a stage of kind {kind!r} gives {type(result).__name__}, not {result_type.__name__}")
        typed.append(result)
    return typed


def add_mean(add: Add, name: str, values: Sequence[float], method: str) -> None:
    """Add the mean over processes; from two processes on with an interval by Student's t over the logarithms.

    Args:
        add: Adds a record; it knows the confidence of the interval.
        name: Of the metric.
        values: One a process; positive.
        method: How they were measured, one phrase.
    """
    table = np.asarray(values, np.float64)[:, None]
    value, low, high = hierarchical(table, {}, confidence=add.confidence)["mean"]
    add(name, value, method, n=len(values), interval=(low, high) if len(values) > 1 else None)
