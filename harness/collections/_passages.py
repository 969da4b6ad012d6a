"""The key `passages` of collections."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from harness.collections._windows import Passages
from harness.spec.params import Params


class PassagesParams(Params):
    """How texts are cut into passages. White space separates words."""

    words: int = Field(ge=1)
    """Words of a passage; the last passage of a text ends with it."""
    stride: int = Field(ge=1)
    """Words from the beginning of a passage to that of the next one; passages overlap where it is below `words`."""

    @model_validator(mode="after")
    def _whole_text(self) -> Self:
        if self.stride > self.words:
            raise ValueError(f"stride = {self.stride} leaves words out; it may be at most words = {self.words}")
        return self

    def rule(self) -> Passages:
        """What `harness.collections.EvaluationRules` takes."""
        return Passages(self.words, self.stride)
