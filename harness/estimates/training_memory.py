"""Will the trainings of a spec fit into an accelerator's memory? Estimated before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.markdown import markdown_table
from harness.training.estimate import BACKBONES, Memory, Shape, shape_of, training_memory

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
    head = ["encoder", "phase", "weights", "gradients, moments", "activations", "head", "total", ""]
    rows = []
    for one in found:
        parts = (one.memory.weights, one.memory.training, one.memory.activations, one.memory.head, one.memory.total)
        sizes = [f"{size / 1e9:.1f}" for size in parts]
        verdict = "fits" if one.memory.total <= room * 1e9 else f"more than {room:g} GB"
        rows.append([one.encoder, one.name, *sizes, verdict])
    return "\n".join([*lines, *markdown_table(head, rows, left=(0, 1, 7))]) + "\n"


def _shape(spec: Spec, encoder: str, params: Any) -> Shape:
    name = params.backbone.model
    shape = shape_of(name, params.layers)
    if shape is None:
        raise UserError(
            f"the shape of the backbone {name!r} is not known", file=spec.file,
            key=f"encoders.{encoder}.backbone.model",
            remedy=f"give a folder with config.json, or one of {', '.join(BACKBONES)}",
        )  # fmt: skip
    return shape
