"""What lies as JSON in a run folder, key by key.

A key can be missing where an older version of the program wrote the folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.metrics import Group


class SystemFacts(TypedDict, total=False):
    """One system on one collection; `curve` is the name that all points of one sweep share, empty without a sweep.

    A fusion has `fused`, the names of its systems, and `fusion`, what it is in words. Its encoder is itself, and it has
    no index.
    """

    name: str
    collection: str
    encoder: str
    encoder_base: str
    encoder_type: str
    encoder_params: Mapping[str, object]
    revision: str | None
    index: str
    index_type: str
    index_params: Mapping[str, object]
    curve: str
    codec: str
    status: str
    reason: str
    facts: dict[str, str]
    stages: dict[str, str]
    fused: list[str]
    fusion: str


class StageFacts(TypedDict, total=False):
    """One stage: what it did, how long it took (seconds), and its highest memory in bytes."""

    key: str
    kind: str
    label: str
    status: str
    reused: bool
    seconds: float
    peak_bytes: int | None
    reason: str


class CollectionFacts(TypedDict, total=False):
    """One collection: counts, the revision of its content, and a description in words."""

    documents: int
    queries: int
    queries_left_out: int
    judgements: int
    identifier_bytes: int
    revision: str
    description: dict[str, str]
    warnings: list[str]


class ClaimFacts(TypedDict, total=False):
    """One claim, as `harness.spec.claim.ClaimSpec` writes it; relations that it does not state are None."""

    name: str
    metric: str
    system: str
    baseline: str | None
    collection: str | None
    suite: str | None
    reduction_at_least: float | None
    ratio_at_most: float | None
    ratio_at_least: float | None
    difference_at_most: float | None
    difference_at_least: float | None
    equivalent_within: float | None
    at_least: float | None
    at_most: float | None
    confidence: float
    codecs: list[str] | None


class MeasureFacts(TypedDict, total=False):
    """How the systems were measured; the spec has more keys than a reader of a run asks for."""

    k: int
    depth: int
    threads: int
    queries: int
    processes: int
    only: list[Group] | None
    confidence: float


class Facts(TypedDict, total=False):
    """What ``run.json`` holds; `several` names the runs where several are merged into one.

    `suites` are the collections of each task of each suite. `pins` are settings that name the commits which models were
    taken from. `only` are the systems that the run was asked for, all where it is empty; `null` says whether each of
    them was timed under two names. `unmeasured` says why a group that the spec measures was not measured.
    """

    schema: int
    run: str
    name: str
    title: str
    description: str
    created: str
    spec_hash: str
    spec_text: str
    overrides: list[str]
    command: str
    provenance: dict[str, str]
    machine: str
    measure: MeasureFacts
    unmeasured: dict[Group, str]
    environment: dict[str, dict[str, str]]
    collections: dict[str, CollectionFacts]
    suites: dict[str, dict[str, list[str]]]
    pins: list[str]
    only: list[str]
    null: bool
    systems: list[SystemFacts]
    stages: list[StageFacts]
    claims: list[ClaimFacts]
    notes: list[str]
    several: list[str]


class SentinelReading(TypedDict):
    """Seconds that a fixed piece of work took: one for the processor, one for the memory."""

    processor: float
    memory: float


class ConditionRow(TypedDict, total=False):
    """One line of ``conditions.jsonl``; `harness.runs.frames.COLUMNS` says what most keys mean."""

    collection: str
    system: str
    kind: str
    stage: str
    seconds: float
    cpu_seconds: float
    load_before: float
    load_after: float
    others_share: float
    steal_share: float
    voluntary_switches: int
    involuntary_switches: int
    minor_faults: int
    major_faults: int
    threads_total: int
    threads_busy: int
    threads_asked: int
    parallelism: float
    waited_share: float
    throttled_share: float
    pinned: bool
    processors: list[int]
    sentinel: list[SentinelReading]
    slower_than_quietest: float
    round: str
    disturbance: str
    violation: str


class TimedRow(ConditionRow):
    """The row of a latency process; `slower` is the sentinel's slowest reading over its quickest, minus 1."""

    slower: float


class ExplainedDocument(TypedDict, total=False):
    """One document of a query's first ones; `terms` are those that matched, with the product of their weights.

    `ranks` says for a fusion where each of its systems ranks the document, None where it does not.
    """

    document: str
    text: str
    relevance: int
    terms: list[tuple[str, float]]
    ranks: list[tuple[str, int | None]]


class ExplainedQuery(TypedDict, total=False):
    """One line of ``explain.jsonl``; `first_relevant` is a rank from 1, None where nothing relevant was found."""

    collection: str
    system: str
    query: str
    text: str
    first_relevant: int | None
    top: list[ExplainedDocument]
