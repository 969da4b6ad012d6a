"""A claim as a spec states it."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from harness.spec.params import Params

Relation: TypeAlias = Literal[
    "reduction_at_least",
    "ratio_at_most",
    "ratio_at_least",
    "difference_at_most",
    "difference_at_least",
    "equivalent_within",
]
RELATIONS: tuple[Relation, ...] = Relation.__args__  # type: ignore[attr-defined]


class ClaimSpec(Params):
    """Two systems, a metric, a relation with its bound, and the confidence that is wanted."""

    name: str = Field(min_length=1, max_length=200)
    """The claim in words."""
    metric: str
    """Name of a metric, with a component after a slash where one applies: "index_bytes", "latency_total/p50"."""
    system: str
    """The system that the claim is about."""
    baseline: str
    """The system that it is held against."""
    collection: str | None = None
    """The collection it is about; without it, every collection of the spec, each with a verdict of its own."""
    reduction_at_least: float | None = Field(default=None, gt=0, lt=1)
    """1 - system / baseline is at least this (0.71: 71 % less)."""
    ratio_at_most: float | None = Field(default=None, gt=0)
    """system / baseline is at most this."""
    ratio_at_least: float | None = Field(default=None, gt=0)
    """system / baseline is at least this."""
    difference_at_most: float | None = None
    """system - baseline is at most this."""
    difference_at_least: float | None = None
    """system - baseline is at least this."""
    equivalent_within: float | None = Field(default=None, gt=0)
    """|system - baseline| is below this margin."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """How sure the verdict must be."""
    codecs: tuple[str, str] | None = None
    """In what the system's index and the baseline's store weights or vectors, such as ["u8", "SQfp16"]: `weights` of an
    inverted index, `factory` of a FAISS index, "float32" of a flat one. With others the claim is not comparable."""

    @property
    def relation(self) -> Relation:
        """The one relation that is set."""
        return next(name for name in RELATIONS if getattr(self, name) is not None)

    @property
    def bound(self) -> float:
        """The bound of that relation."""
        return float(getattr(self, self.relation))

    @model_validator(mode="after")
    def _one_relation(self) -> Self:
        given = [name for name in RELATIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(RELATIONS)} is needed, found {', '.join(given) or 'none'}")
        return self
