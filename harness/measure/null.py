"""The null control: every system a second time under another name. Whatever differs is the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.spec.models import Spec

AGAIN = " (again)"


def doubled(spec: Spec) -> Spec:
    """The spec with each system followed by itself under its name and ``(again)``.

    What is made once for both (model, vectors, index) is shared; what is timed is timed for each, in turns.
    """
    systems = [twin for system in spec.systems for twin in (system, replace(system, name=system.name + AGAIN))]
    return replace(spec, systems=tuple(systems))


def twin_of(name: str) -> str:
    """The name under which `doubled` runs a system again."""
    return name + AGAIN
