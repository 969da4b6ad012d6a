"""A piece of work that makes one artefact, and its key: the hash of all that decides the artefact."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.pipeline.code_version import code_version
from harness.versions import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.jsonvalue import JsonTable, JsonValue

STEPS = "harness.pipeline.steps"
Measures: TypeAlias = Literal["nothing", "memory", "time"]
"""What a stage measures of its own process, and so how it may run.

``time``: it runs alone, in a fresh process; no other stage of the run works meanwhile. ``memory``: in a fresh process,
beside others that do not open what it counts its share of (`Stage.unshared`), because a page that two processes map
counts as half in each one's share. ``nothing``: beside others, in a process that may have done other stages before.
"""
VECTORS = ("numpy", "scipy")
"""Distributions with which a step itself reads, writes or compares vectors."""


def key_of(recipe: Mapping[str, object]) -> str:
    """SHA-256 of a recipe's canonical JSON."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One piece of work with one artefact.

    Args:
        kind: prepare, pairs, fit, check, encode, compile, build, search, work, quality, memory, latency or summary.
        label: What a reader sees, such as ``encode laconic / pydoc``.
        function: ``module:function`` of the step.
        arguments: Plain arguments of the function; all decide the result.
        inputs: Argument name -> the stage whose files it gets the path of.
        after: Stages that must have succeeded. Nothing of theirs is read, and they are no part of the key.
        resumable: It gets a folder for checkpoints that outlives a kill.
        modules: Modules whose code decides the result.
        libraries: Distributions whose version decides the result.
        about: What decides the result besides (fingerprints of outside data, the machine).
        measures: What it measures of its own process; see `Measures`. It is no part of the key.
        threads: What the thread variables of its process are set to.
        gpus: Accelerators that it asks a cluster for; no part of the key.
        pinned: Its process is bound to as many processors as it has threads.
        round: Stages of one round run at the same time and take turns; their functions take ``round`` and ``ask``.
            "" for none. It is no part of the key.
        holds: Key of the model that its function keeps in memory: stages with the same one are given to processes that
            live on, where a place has such. It is no part of the key.
        unshared: Names of the inputs that no other stage may open while this one measures memory, because it records
            its proportional share of their pages; None for all. Sizes that count each page whole depend on no other
            process. It is no part of the key.
    """

    kind: str
    label: str
    function: str
    arguments: JsonTable
    inputs: Mapping[str, Stage] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    about: JsonTable = field(default_factory=dict)
    measures: Measures = "nothing"
    threads: int = 1
    pinned: bool = False
    gpus: int = 0
    after: tuple[Stage, ...] = ()
    resumable: bool = False
    round: str = ""
    holds: str = ""
    unshared: tuple[str, ...] | None = None

    @property
    def recipe(self) -> dict[str, JsonValue]:
        """All that decides the artefact."""
        return {
            "kind": self.kind,
            "function": self.function,
            "arguments": dict(self.arguments),
            "inputs": {name: stage.key for name, stage in self.inputs.items()},
            "code": code_version((self.function.partition(":")[0], *self.modules)),
            "libraries": {name: installed(name) for name in self.libraries},
            "about": dict(self.about),
        }

    @cached_property
    def key(self) -> str:
        """SHA-256 of the recipe."""
        return key_of(self.recipe)

    @property
    def seed(self) -> int:
        """The seed among its arguments; 0 where it has none."""
        seed = self.arguments.get("seed", 0)
        return seed if isinstance(seed, int) else 0
