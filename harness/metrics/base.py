"""What a metric is, and what a metric of quality must have to be computed for every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

Direction: TypeAlias = Literal["higher", "lower", "neither"]
Qrels: TypeAlias = "Mapping[str, Mapping[str, int]]"
"""{query: {document: relevance}}; 0 is not relevant."""
Run: TypeAlias = "Mapping[str, Mapping[str, float]]"
"""{query: {document: score}}; higher scores come first."""

CLOCKED = ("seconds", "queries/second", "documents/second", "joules", "price")
"""Units of what the clock decides."""


@dataclass(frozen=True)
class Metric:
    """What a metric's name means."""

    name: str
    label: str
    unit: str
    """bytes | seconds | flops | fraction | ratio | count | joules | price | documents/second | queries/second"""
    direction: Direction
    definition: str
    """Whole sentences; the report prints them."""
    exact: bool = False
    """Counted or computed of everything that it is about, so that it has no interval."""
    decides: bool = True
    """A claim may rest on it."""
    process: str = ""
    """Kind of the watched processes that it is measured in, such as latency or throughput; empty where no watch says
    whether it was disturbed."""
    sampled: bool = False
    """Counted or computed as a mean over the test queries, which are a sample: its interval is over queries."""

    @property
    def repeats(self) -> bool:
        """The same system on the same data gives the same value every time."""
        return self.exact or self.sampled

    @property
    def timed(self) -> bool:
        """It depends on the machine and the way of measuring: it is neither counted nor a share of documents found."""
        return not self.repeats and (self.unit, self.direction) != ("fraction", "higher")

    @property
    def clocked(self) -> bool:
        """It is a time, a rate, or follows from one."""
        return self.unit in CLOCKED


@runtime_checkable
class QualityMetric(Protocol):
    """How well a run ranks, by query. A class registers itself with ``@metrics.register("name")``.

    `QualityMetricBase` has the defaults that are named here; a class that does not inherit from it writes every hook
    itself.
    """

    definition: ClassVar[Metric]
    """Title, unit, direction and text; its name is the one that the class registers under. No default."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the values; they are part of the stage's key. No default: a metric in plain
    Python writes ``()``."""
    measure: ClassVar[str]
    """Its name in ir_measures (``"nDCG@10"``), which then computes it. Default: empty, `per_query` computes it."""
    method: ClassVar[str]
    """How it is computed, for the record, such as ``"ir_measures nDCG@10"``. No default."""

    @staticmethod
    def per_query(qrels: Qrels, run: Run) -> Mapping[str, float]:
        """A finite value for each query of the judgements; not called where `measure` is given.

        Default: ir_measures computes `measure`.

        Args:
            qrels: Judgements of the queries that have a relevant document.
            run: Documents found; a query may be missing.
        """
        ...


class QualityMetricBase:
    """The defaults of `QualityMetric`: inherit from it, and write the rest."""

    measure: ClassVar[str] = ""

    @staticmethod
    def per_query(qrels: Qrels, run: Run) -> Mapping[str, float]:
        """Nothing: ir_measures computes `measure`."""
        return {}
