"""Make an encoder: train it, fit its statistics to a corpus, or bring a published model into place."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.pipeline.steps.prepare import read_pairs, read_texts

if TYPE_CHECKING:
    from harness.encoders.base import EncoderType, Progress


def open_type(type: str, params: dict[str, Any]) -> EncoderType:
    """The encoder type of this name with these parameters."""
    from harness.encoders import registry

    made = registry.get(type)
    return made(made.Params.model_validate(params))


def fit(
    *,
    out: str,
    type: str,
    params: dict[str, Any],
    seed: int,
    threads: int,
    report: Progress,
    corpus: str | None = None,
    pairs: str | None = None,
    checkpoints: str | None = None,
) -> dict[str, Any]:
    """Make the model: train it, fit its statistics to a corpus, or bring a published one into place.

    A killed training goes on from what it left in `checkpoints`. One in several processes is handed on to
    `harness.pipeline.steps.torchrun`.
    """
    made = open_type(type, params)
    if (processes := made.processes()) > 1 and "WORLD_SIZE" not in os.environ:
        from harness.pipeline.steps.torchrun import fit_together

        given = {"out": out, "type": type, "params": params, "seed": seed, "threads": threads}
        return fit_together({**given, "corpus": corpus, "pairs": pairs, "checkpoints": checkpoints}, processes, report)
    set_torch_threads(threads)
    started = time.perf_counter()
    if checkpoints:
        made.checkpoints = Path(checkpoints)
    facts = made.fit(
        Path(out),
        corpus=(text for _, text in read_texts(Path(corpus) / "documents.jsonl")) if corpus else None,
        pairs=read_pairs(Path(pairs) / "pairs.jsonl") if pairs else None,
        seed=seed,
        progress=report,
    )
    return {"facts": dict(facts), "fit_seconds": time.perf_counter() - started}


def set_torch_threads(threads: int) -> None:
    """Torch reads the environment only once and some builds ignore it; setting it in the process is certain."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
