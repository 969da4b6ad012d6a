"""Which task of mteb a collection of a run is, and what mteb makes of several."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.runs.read import RunData

AGGREGATE = "CQADupstackRetrieval"
"""Mteb's name for the mean of its parts; each part is a task of its own there."""
PART, PARTS = re.compile(r"CQADupstack[A-Z][a-z]+Retrieval"), 12
_ABOUT = re.compile(r"(?P<task>\S+) of mteb ")


def task_of(run: RunData, collection: str) -> str:
    """The task's name in mteb, or the collection's own."""
    about = _ABOUT.match(run.facts["collections"].get(collection, {}).get("description", {}).get("task", ""))
    return about["task"] if about else collection


def parts_of_aggregate(run: RunData, system: str, name: str = "ndcg@10") -> list[str]:
    """The collections of a system that are the parts of `AGGREGATE`; empty where one has no value of a metric."""
    cells = run.cells()
    parts = {
        task: collection
        for collection in run.collections()
        if PART.fullmatch(task := task_of(run, collection)) and (collection, system, name) in cells
    }
    return list(parts.values()) if len(parts) == PARTS else []
