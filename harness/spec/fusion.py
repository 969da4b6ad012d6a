"""A fusion as a spec states it, and as it is run: the runs of several systems merged into one ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from harness.spec.params import Params

Method: TypeAlias = Literal["rrf", "sum"]
Normalisation: TypeAlias = Literal["min-max", "z-score", "none"]
Weight: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
RANK_CONSTANT = 60
"""Of Cormack, Clarke and Buettcher (SIGIR 2009)."""


class FusionSpec(Params):
    """A system that fuses the runs of other systems."""

    name: str = Field(min_length=1, max_length=200)
    """Name in tables."""
    systems: list[str] = Field(min_length=2)
    """Names of the systems whose runs are fused, as tables show them."""
    method: Method = "rrf"
    """rrf: reciprocal rank fusion, the sum of weight / (rank_constant + rank). sum: the sum of weight x normalised
    score."""
    rank_constant: int | None = Field(default=None, ge=0, le=1_000_000)
    """Of rrf; 60 where it is left out."""
    normalisation: Normalisation | None = None
    """Of sum, over the scores of one query in one run: min-max (0 to 1), z-score, or none; min-max where it is left
    out."""
    weights: list[Weight] | None = None
    """One a system, in their order; all 1 where it is left out. Weights tuned on the test queries say nothing."""
    depth: int | None = Field(default=None, ge=1, le=10_000)
    """Most documents of each run that count; all of the run where it is left out."""
    collections: list[str] | None = None
    """Collections to run on; those of all its systems where it is left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.method != "rrf" and self.rank_constant is not None:
            raise ValueError('rank_constant belongs to method = "rrf"')
        if self.method != "sum" and self.normalisation is not None:
            raise ValueError('normalisation belongs to method = "sum"')
        if self.weights is not None and len(self.weights) != len(self.systems):
            raise ValueError(f"one weight a system is needed: {len(self.systems)}, not {len(self.weights)}")
        return self


@dataclass(frozen=True)
class Fusion:
    """A fusion, checked: every system is one of the spec.

    `depth` is None where all documents of a run count.
    """

    name: str
    systems: tuple[str, ...]
    method: Method
    rank_constant: int
    normalisation: Normalisation
    weights: tuple[float, ...]
    depth: int | None
    collections: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it is, in words, such as ``reciprocal rank fusion (k = 60) of A and B``."""
        if self.method == "rrf":
            what = f"reciprocal rank fusion (k = {self.rank_constant})"
        else:
            scores = "scores" if self.normalisation == "none" else f"{self.normalisation} normalised scores"
            what = f"sum of the {scores}"
        names = list(self.systems)
        if len(set(self.weights)) > 1:
            names = [f"{weight:g} x {name}" for weight, name in zip(self.weights, names, strict=True)]
        text = f"{what} of {', '.join(names[:-1])} and {names[-1]}"
        return text if self.depth is None else f"{text}, the first {self.depth:,} documents of each"
