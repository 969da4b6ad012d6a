"""Will the trainings of a spec fit into an accelerator's memory? Estimated before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
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
        UserError: None is, a backbone's shape is not known (it is neither LACONIC's nor a folder), or the folder's
            config.json is damaged.
    """
    estimated = []
    for name, part in spec.encoders.items():
        maker = encoder_type(part)
        try:
            memory = maker.training_memory()
        except UserError as error:
            if error.file is not None:  # a file of the model, not the spec
                raise
            raise UserError(
                error.what, file=spec.file, key=f"encoders.{part.base}.{error.key}", remedy=error.remedy
            ) from None
        estimated += [Phase(name, phase, size) for phase, size in memory.items()]
    if not estimated:
        raise UserError("no encoder of this spec is trained", file=spec.file, remedy="give a spec with training")
    return estimated


def memory_table(estimated: list[Phase], room: float) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table in GB (1e9 bytes).

    Args:
        estimated: What `phases` estimated.
        room: GB of an accelerator.
    """
    head = ["encoder", "phase", "weights", "gradients, moments", "activations", "head", "total", "host", "verdict"]
    rows = []
    for phase in estimated:
        memory = phase.memory
        parts = (memory.weights, memory.training, memory.activations, memory.head, memory.total, memory.host)
        verdict = "fits" if memory.total <= room * 1e9 else f"more than {room:g} GB"
        rows.append([phase.encoder, phase.name, *(f"{size / 1e9:.1f}" for size in parts), verdict])
    return head, rows
