"""The parts of a spec that do not depend on which implementations are registered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from harness.errors import UserError, allowed
from harness.metrics import GROUPS, Group
from harness.spec.claim import ClaimSpec
from harness.spec.fusion import Fusion, FusionSpec
from harness.spec.nightly import NightlySpec
from harness.spec.params import Params
from harness.spec.suite import SuiteSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from harness.spec.suite import Suite

Name = str
Servers: TypeAlias = Annotated[int, Field(ge=1, le=1024)]


class SystemSpec(Params):
    """An encoder searched by an index. Lists, and variants of either, expand to the product."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    """Name in tables; "encoder + index" where it is left out."""
    encoder: str | list[str]
    """Name of an encoder of this spec, or several."""
    index: str | list[str]
    """Name of an index of this spec, or several."""
    collections: list[str] | None = None
    """Collections to run on; all of the spec where it is left out."""

    @field_validator("encoder", "index")
    @classmethod
    def _not_empty(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("at least one name is needed")
        return value


class PowerSpec(Params):
    """Power of a core, for an estimate of energy where the machine has no meter: given, or looked up."""

    watts_per_core: float | None = Field(default=None, gt=0)
    """Watts of one busy core."""
    source: str | None = Field(default=None, min_length=1)
    """Where the number is from; printed beside the estimate."""
    processor_cores: int | None = Field(default=None, ge=1)
    """Instead of watts: how many cores the whole processor has, among which its design power by codecarbon's table (pip
    install --no-deps codecarbon) is divided. A virtual machine shows only some of them."""
    processor: str | None = Field(default=None, min_length=1)
    """The processor's name for the table, where this machine does not tell it."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.watts_per_core is None) == (self.processor_cores is None):
            raise ValueError("give one of watts_per_core and processor_cores")
        if (self.watts_per_core is None) != (self.source is None):
            raise ValueError("watts_per_core and source belong together")
        return self


class PriceSpec(Params):
    """What a machine costs."""

    per_hour: float = Field(gt=0)
    """Price of an hour."""
    cores: int = Field(ge=1)
    """Cores that are had for it."""
    currency: str = Field(default="USD", min_length=1, max_length=10)
    """Of the price."""
    source: str = Field(min_length=1)
    """Where the price is from; printed beside the cost."""


class MeasureSpec(Params):
    """How everything is measured."""

    k: int = Field(default=100, ge=1, le=10_000)
    """Documents that a timed search returns."""
    depth: int = Field(default=1000, ge=10, le=10_000)
    """Documents kept in a run for quality."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads of encoder and index while latency is measured."""
    work_threads: int = Field(default=2, ge=1, le=1024)
    """Threads for what is not timed: training and encoding the corpus."""
    encode_shards: int = Field(default=1, ge=1, le=10_000)
    """Stages that share the encoding of a collection. Each is kept as soon as it is finished, and on a cluster they run
    beside each other, in processes that keep the model loaded. Vectors are the same for any number."""
    queries: int | None = Field(default=None, ge=1)
    """Time at most this many queries, the first of the collection; all where it is left out."""
    repeats: int = Field(default=3, ge=1, le=1000)
    """Timed passes over the queries in one process, each in an order of its own."""
    processes: int = Field(default=3, ge=1, le=100)
    """Fresh processes; systems take turns (A B B A)."""
    warmup: int = Field(default=10, ge=0)
    """Queries run before the first timed one, and again after a pause between two passes."""
    pin: bool = True
    """Bind a timed process to as many processors as it has threads, where there are more than that."""
    attempts: int = Field(default=2, ge=1, le=20)
    """How often a process times its queries where it was disturbed; what is disturbed to the last is flagged."""
    timeout: float = Field(default=3600.0, gt=0)
    """Seconds that one stage may take before it is stopped."""
    memory_limit: int | None = Field(default=None, ge=1 << 20)
    """Bytes that one stage may hold before it is stopped."""
    also: list[str] = Field(default_factory=list)
    """What else is measured, by name: cold (starting with a cold page cache), throughput (batches at one and at all
    threads), load (the highest bearable load), encoder-memory, exact (results against brute force over the float32
    vectors; engines that are not exact get it in any case, and all engines do where a spec has a sweep), service-memory
    (encoder, index, identifiers and a query in one process; taken in any case), or what an installed package adds."""
    only: list[str] | None = Field(default=None, min_length=1)
    """Measure these groups alone: quality (searching all queries and judging the results), memory (resident memory of
    the index and the service), latency, work (what the engine counts). Sizes of the index are always there."""
    quality: list[str] = Field(default_factory=list)
    """Measures of quality besides the usual ones, by their names in ir_measures: AP, P@5, nDCG@20, Judged@10."""
    load_bound: float = Field(default=0.1, gt=0)
    """Seconds that the 99th percentile of latency must keep under for a load to be bearable. Each rate is offered for
    at least a hundred times as long."""
    load_servers: list[Servers] = Field(default_factory=lambda: [1], min_length=1)
    """Numbers of servers that the highest load is measured with. Each server is a thread that answers one query after
    the other. All of them together may have no more threads than the machine has processors."""
    load_queries: int = Field(default=1000, ge=500)
    """Queries that arrive at each rate tried, at least; fewer cannot support a 99th percentile."""
    batch: int = Field(default=32, ge=1)
    """Documents encoded at once for the encoder's peak memory."""
    invalid_models: Literal["refuse", "report"] = "refuse"
    """What to do with a model that fails its checks (causal where the spec says bidirectional, a BOS, all texts alike):
    refuse its systems, or run them and report the failed checks."""
    power: PowerSpec | None = None
    """For an estimate of the energy of a query where the machine has no meter; no estimate where it is left out."""
    price: PriceSpec | None = None
    """For the cost of a million queries; none is given where it is left out."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Confidence of all intervals."""

    @property
    def groups(self) -> frozenset[Group]:
        """The groups that are measured: those of `only`, or all."""
        return frozenset(group for group in GROUPS if self.only is None or group in self.only)

    @field_validator("load_servers")
    @classmethod
    def _once_each(cls, value: list[int]) -> list[int]:
        if len(set(value)) != len(value):
            raise ValueError("a number of servers appears twice")
        return value


class SpecHead(Params):
    """All of a spec but the tables whose form depends on their `type`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Short name, after which the run's folder is called: a letter or digit, then up to 63 letters, digits, `.`, `_`
    or `-`."""
    title: str = Field(default="", max_length=200)
    """Headline of the report."""
    description: str = ""
    """What the experiment is for; shown in the report."""
    seed: int = Field(default=1, ge=0, lt=2**32)
    """Seed of everything random."""
    systems: list[SystemSpec] = Field(min_length=1)
    """What is compared."""
    fusions: list[FusionSpec] = Field(default_factory=list)
    """Systems that fuse the runs of others."""
    measure: MeasureSpec = Field(default_factory=MeasureSpec)
    """How it is measured."""
    claims: list[ClaimSpec] = Field(default_factory=list)
    """What is to be settled."""
    suites: dict[str, SuiteSpec] = Field(default_factory=dict)
    """Collections whose mean over tasks is one number, by the suite's name."""
    nightly: NightlySpec = Field(default_factory=NightlySpec)
    """What the nightly run alarms on."""


class PairsSpec(Params):
    """Where an encoder's training pairs come from, and what systems of this spec add to them before it is trained."""

    collection: str
    """Name of the collection of this spec whose training pairs are used."""
    mine: tuple[str, ...] = ()
    """Names of systems of this spec. Each adds passages that it ranks high for a query, and that likely do not answer
    it, to the negatives of its pair. What it searches are the positives of all pairs."""
    negatives: int = Field(default=15, ge=1)
    """Negatives that each of these systems adds to a pair at most."""
    depth: int = Field(default=100, ge=1)
    """Passages of its ranking that are considered."""
    skip: int = Field(default=0, ge=0)
    """Best ranks that are left out."""
    share: float = Field(default=0.95, ge=0, le=1)
    """A passage that scores above this share of the pair's own passage counts as an answer."""
    spread: bool = False
    """Take negatives from the whole depth, evenly spaced, in place of the hardest."""
    teachers: tuple[str, ...] = ()
    """Names of systems of this spec. Each scores the passages of all pairs, for `training.distillation`."""
    hardest: int | None = Field(default=None, ge=1)
    """Negatives that a pair keeps at most once its teachers scored them: those that the mean of the teachers ranks
    highest, each teacher's scores brought between 0 and 1. All where it is left out; needs `teachers`."""

    @model_validator(mode="after")
    def _ranked(self) -> Self:
        if self.hardest is not None and not self.teachers:
            raise ValueError("hardest needs teachers, whose mean ranks the negatives")
        return self


@dataclass(frozen=True)
class Part:
    """One collection, encoder or index of a spec, a matrix and a sweep already expanded.

    `base` is the name in the spec, `name` that with the varied parameters in brackets and the swept ones of the search
    in parentheses. `pairs` is the collection that an encoder trains on, `lessons` what systems add to its pairs.
    `suite` is the suite that a collection's table names, and the task of it that the collection is or is a part of.
    """

    base: str
    name: str
    type: str
    params: Params
    pairs: str | None = None
    lessons: PairsSpec | None = None
    varied: tuple[tuple[str, str], ...] = ()
    swept: tuple[tuple[str, str], ...] = ()
    suite: tuple[str, str] | None = None

    @property
    def swept_text(self) -> str:
        """The swept parameters as they end a name, such as " (nprobe=8)"; empty without a sweep."""
        return f" ({', '.join(f'{key}={value}' for key, value in self.swept)})" if self.swept else ""

    @property
    def unswept(self) -> str:
        """The name without the swept parameters; the parts that share it differ in how they are searched alone."""
        return self.name.removesuffix(self.swept_text)


@dataclass(frozen=True)
class System:
    """One encoder with one index, to be run on these collections.

    `curve` is the name that the points of one sweep share, empty for a system that is no point of a sweep.
    """

    name: str
    encoder: Part
    index: Part
    collections: tuple[str, ...]
    curve: str = ""


@dataclass(frozen=True)
class Spec:
    """A whole experiment, checked and expanded."""

    file: Path
    text: str
    head: SpecHead
    collections: dict[str, Part]
    encoders: dict[str, Part]
    indexes: dict[str, Part]
    systems: tuple[System, ...]
    overrides: tuple[str, ...] = field(default=())
    suites: Mapping[str, Suite] = field(default_factory=dict)
    fusions: tuple[Fusion, ...] = ()

    @property
    def name(self) -> str:
        """Short name of the experiment."""
        return self.head.name

    def only(self, names: Collection[str]) -> Spec:
        """The spec with these systems and fusions alone, and the systems that the fusions need; all where empty.

        The name that the file gives to systems of several indexes or settings stands for all of them.

        Raises:
            UserError: There is no system or fusion of a name; with the nearest one.
        """
        if not names:
            return self
        known = [*(system.name for system in self.systems), *(fusion.name for fusion in self.fusions)]
        wanted = set(names)
        for name in (name for name in names if name not in known):
            parts = [other for other in known if other.startswith((f"{name}[", f"{name} ("))]
            if not parts:
                what = f"--only {name!r}: there is no such system in this spec"
                raise UserError(what, file=self.file, remedy=allowed(name, known))
            wanted.update(parts)
        fusions = tuple(fusion for fusion in self.fusions if fusion.name in wanted)
        wanted.update(name for fusion in fusions for name in fusion.systems)
        systems = tuple(system for system in self.systems if system.name in wanted)
        return replace(self, systems=systems, fusions=fusions)
