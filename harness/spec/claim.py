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
    "at_least",
    "at_most",
]
RELATIONS: tuple[Relation, ...] = Relation.__args__  # type: ignore[attr-defined]
ABSOLUTE: tuple[Relation, ...] = ("at_least", "at_most")
"""Relations that bound the system's own value; they have no baseline."""


class ClaimSpec(Params):
    """One or two systems, a metric, a relation with its bound, and the confidence that is wanted."""

    name: str = Field(min_length=1, max_length=200)
    """The claim in words."""
    metric: str
    """Name of a metric, with a component after a slash where one applies: "index_bytes", "latency_total/p50"."""
    system: str
    """The system that the claim is about."""
    baseline: str | None = None
    """The system that it is held against; left out where the relation is `at_least` or `at_most`."""
    collection: str | None = None
    """The collection it is about; without it and without a suite, every collection of the spec, each with a verdict of
    its own."""
    suite: str | None = None
    """Instead of a collection, the suite it is about: one verdict on its mean over the tasks, or on all its bytes."""
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
    at_least: float | None = None
    """The system's own value is at least this (0.602)."""
    at_most: float | None = None
    """The system's own value is at most this."""
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

    @model_validator(mode="after")
    def _right_sides(self) -> Self:
        if self.relation in ABSOLUTE:
            if self.baseline is not None:
                raise ValueError(f"{self.relation} bounds the system's own value: leave out the baseline")
            if self.codecs is not None:
                raise ValueError(f"{self.relation} is about one index, and codecs names two: leave it out")
        elif self.baseline is None:
            raise ValueError(f"{self.relation} needs a baseline; at_least and at_most need none")
        if self.collection is not None and self.suite is not None:
            raise ValueError("name a collection or a suite, not both")
        return self
