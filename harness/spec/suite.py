"""Suites: several collections whose results are one number, the mean over the suite's tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SuiteSpec(Params):
    """Collections of the spec that are one suite."""

    tasks: dict[str, str | list[str]] = Field(min_length=1)
    """The collection of each task, or several that are the parts of one task."""


@dataclass(frozen=True)
class Suite:
    """Tasks with the same weight each; a task of several parts is the mean over its parts.

    Attributes:
        name: Such as "MTEB(eng, v1)".
        tasks: The collections of each task, in order.
    """

    name: str
    tasks: Mapping[str, Sequence[str]]

    @property
    def collections(self) -> list[str]:
        """All collections in order."""
        return [name for parts in self.tasks.values() for name in parts]

    def weights(self) -> dict[str, float]:
        """The weight of each collection in the mean; they add up to 1."""
        return {name: 1 / (len(self.tasks) * len(parts)) for parts in self.tasks.values() for name in parts}

    def only(self, collections: Sequence[str]) -> Suite:
        """The tasks all of whose parts are among these collections."""
        known = set(collections)
        return Suite(self.name, {task: parts for task, parts in self.tasks.items() if known.issuperset(parts)})
