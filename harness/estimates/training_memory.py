"""Will the trainings of a spec fit into an accelerator's memory? Estimated before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.markdown import markdown_table
from harness.pipeline.plan.shared_stages import encoder_type

if TYPE_CHECKING:
    from harness.spec.models import Spec
    from harness.training.estimate import Memory


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
        maker = encoder_type(part)
        try:
            memory = maker.training_memory()
        except UserError as error:
            raise UserError(
                error.what, file=spec.file, key=f"encoders.{part.base}.{error.key}", remedy=error.remedy
            ) from None
        found += [Phase(name, phase, size) for phase, size in memory.items()]
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
