"""Will the trainings of a spec fit into an accelerator's memory? Estimated before anything is begun."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.training.estimate import BACKBONES, Memory, Shape, training_memory

if TYPE_CHECKING:
    from harness.spec.models import Spec


@dataclass(frozen=True)
class Phase:
    """One phase of one encoder's training."""

    encoder: str
    name: str
    memory: Memory


def phases(spec: Spec) -> list[Phase]:
    """Every phase of every encoder of the spec that is trained.

    Raises:
        UserError: None is, or a backbone's shape is not known (it is neither LACONIC's nor a folder).
    """
    found = []
    for name, part in spec.encoders.items():
        params: Any = part.params
        for phase in ("training", "finetuning"):
            settings = getattr(params, phase, None)
            if settings is not None:
                shape = _shape(spec, part.base, params)
                found.append(Phase(name, phase, training_memory(shape, settings, sparse=part.type == "laconic")))
    if not found:
        raise UserError("no encoder of this spec is trained", file=spec.file, remedy="give a spec with training")
    return found


def printed(found: list[Phase], room: float) -> str:
    """A table in GB; `room` is what an accelerator has."""
    lines = ["Estimated memory of one accelerator that holds the whole model, in GB:", ""]
    lines += ["| encoder | phase | weights | gradients, moments | activations | head | total | |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|---|"]
    for one in found:
        parts = (one.memory.weights, one.memory.training, one.memory.activations, one.memory.head, one.memory.total)
        cells = " | ".join(f"{size / 1e9:.1f}" for size in parts)
        verdict = "fits" if one.memory.total <= room * 1e9 else f"more than {room:g} GB"
        lines.append(f"| {one.encoder} | {one.name} | {cells} | {verdict} |")
    return "\n".join(lines) + "\n"


def _shape(spec: Spec, encoder: str, params: Any) -> Shape:
    name = params.backbone.model
    if name in BACKBONES:
        shape = BACKBONES[name]
    else:
        path = Path(str(name)).expanduser() / "config.json"
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            heads = int(body["num_attention_heads"])
            shape = Shape(
                int(body["num_hidden_layers"]), int(body["hidden_size"]), int(body["intermediate_size"]), heads,
                int(body.get("num_key_value_heads", heads)), int(body["vocab_size"]),
                tied=bool(body.get("tie_word_embeddings", False)),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"the shape of the backbone {name!r} is not known", file=spec.file,
                key=f"encoders.{encoder}.backbone.model",
                remedy=f"give a folder with config.json, or one of {', '.join(BACKBONES)}",
            ) from None  # fmt: skip
    return shape if params.layers is None else Shape(**{**vars(shape), "layers": min(params.layers, shape.layers)})
