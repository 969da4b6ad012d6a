"""The commits of the models and data sets that a run was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.runs.read import RunData

_DATA = re.compile(r"(?P<name>\S+) at revision (?P<commit>\S+)")
_MODEL = "commit of "


@dataclass(frozen=True)
class Source:
    """One model or data set: its name, its commit, and what it was used for."""

    name: str
    commit: str
    users: str


def sources(run: RunData) -> list[Source]:
    """Models of the Hugging Face Hub by their commits, then the data sets of collections that name a revision."""
    users: dict[tuple[str, str], dict[str, None]] = {}
    for system in run.systems:
        for name, commit in system.get("facts", {}).items():
            if name.startswith(_MODEL):
                users.setdefault((name.removeprefix(_MODEL), commit), {})[system["name"]] = None
    for collection in run.collections():
        about = run.facts["collections"].get(collection, {}).get("description", {})
        if data := _DATA.fullmatch(about.get("data", "")):
            users.setdefault((data["name"], data["commit"]), {})[collection] = None
    return [Source(name, commit, ", ".join(used)) for (name, commit), used in users.items()]
