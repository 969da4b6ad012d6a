"""Make an encoder: train it, fit its statistics to a corpus, or put a published model in place."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.pipeline.steps.passages import encoded_texts
from harness.pipeline.steps.prepare import open_pairs, read_texts
from harness.pipeline.steps.result import StepResult
from harness.typed_json import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.encoders.base import EncoderType, Progress
    from harness.jsonvalue import JsonTable


@dataclass(frozen=True)
class Fitted(StepResult):
    """A model that was made.

    Attributes:
        fit_seconds: Wall time of making it.
        commits: Commit of each name on the Hub that something was taken from.
        departures: Settings in which the model departs from the one that it is like, by name.
        steps: Steps of training; None where nothing was trained.
        pairs: Training pairs that there were.
        pairs_seen: Training pairs that the steps saw, repetitions counted.
        train_seconds: Wall time of training alone.
        train_flops: Floating point operations by part of the training (forward, backward, ...); counted, not timed.
        curve: A row for each noted step: its number, its losses and more.
        warnings: What a reader must know of the model.
        facts: What else the encoder says of the making.
    """

    fit_seconds: float
    commits: dict[str, str]
    departures: dict[str, float]
    steps: int | None
    pairs: int | None
    pairs_seen: int | None
    train_seconds: float | None
    train_flops: dict[str, float]
    curve: tuple[dict[str, int | float], ...]
    warnings: tuple[str, ...]
    facts: dict[str, object]


def fitted(facts: Mapping[str, object], seconds: float) -> Fitted:
    """The facts that an encoder's `fit` gave, by their names.

    Args:
        facts: JSON; all are optional.
        seconds: What `fit` took.

    Raises:
        JsonTypeError: A fact that this program reads has another type.
    """
    read: dict[str, object] = {
        "commits": {},
        "departures": {},
        "steps": None,
        "pairs": None,
        "pairs_seen": None,
        "train_seconds": None,
        "train_flops": {},
        "curve": [],
        "warnings": [],
    }
    given = {name: to_json(facts.get(name, default)) for name, default in read.items()}
    others = {name: to_json(fact) for name, fact in facts.items() if name not in read}
    return from_json(Fitted, {"fit_seconds": seconds, "facts": others, **given})


def open_type(type: str, params: JsonTable) -> EncoderType:
    """The encoder type of this name with these parameters."""
    from harness.encoders import registry

    made = registry.get(type)
    return made(made.Params.model_validate(params))


def fit(
    *,
    out: str,
    type: str,
    params: JsonTable,
    seed: int,
    threads: int,
    report: Progress,
    corpus: str | None = None,
    pairs: str | None = None,
    checkpoints: str | None = None,
) -> Fitted:
    """Make the model: train it, fit its statistics to a corpus, or put a published one in place.

    A killed training goes on from what it left in `checkpoints`. `harness.pipeline.steps.torchrun` runs a training in
    several processes.
    """
    made = open_type(type, params)
    if (processes := made.processes()) > 1 and "WORLD_SIZE" not in os.environ:
        from harness.pipeline.steps.torchrun import fit_in_processes

        given: JsonTable = {"out": out, "type": type, "params": params, "seed": seed, "threads": threads}
        inputs: JsonTable = {"corpus": corpus, "pairs": pairs, "checkpoints": checkpoints}
        return from_json(Fitted, fit_in_processes({**given, **inputs}, processes, report))
    set_torch_threads(threads)
    started = time.perf_counter()
    if checkpoints:
        made.checkpoints = Path(checkpoints)
    facts = made.fit(
        Path(out),
        corpus=(text for _, text in read_texts(encoded_texts(Path(corpus)))) if corpus else None,
        pairs=open_pairs(Path(pairs)) if pairs else None,
        seed=seed,
        progress=report,
    )
    return fitted(facts, time.perf_counter() - started)


def set_torch_threads(threads: int) -> None:
    """Torch reads the environment only once and some builds ignore it; setting it in the process is certain."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
