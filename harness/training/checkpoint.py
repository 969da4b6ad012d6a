"""The state of a training run on disk: enough to go on as if nothing had happened, bit by bit on one machine."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import torch

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from harness.training.objectives import Objective

STATE, ABOUT = "state.safetensors", "about.json"


def save(
    folder: Path,
    step: int,
    parameters: Sequence[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    curve: Sequence[Mapping[str, float]],
    about: Mapping[str, JsonValue],
) -> None:
    """Write the state after `step` steps as ``folder/STEP``, by one rename, and remove the one before it.

    Args:
        folder: Made if it is missing.
        step: Steps done.
        parameters: All that is trained, in a fixed order.
        optimizer: AdamW.
        objective: Its own state (the generator of its samples).
        curve: Rows so far.
        about: What must be equal for the state to fit.
    """
    from safetensors.torch import save_file

    tensors = {f"objective.{name}": tensor for name, tensor in objective.state().items()}
    for number, parameter in enumerate(parameters):
        tensors[f"{number}.value"] = parameter.detach()
        for name, value in optimizer.state[parameter].items():
            tensors[f"{number}.{name}"] = value
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, str(partial / STATE))
    (partial / ABOUT).write_text(json.dumps({"about": about, "curve": list(curve)}), encoding="utf-8")
    older = _steps(folder)
    target = folder / str(step)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for place in older:
        if place != step:
            shutil.rmtree(folder / str(place), ignore_errors=True)


def restore(
    folder: Path,
    parameters: Sequence[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    about: Mapping[str, JsonValue],
) -> list[dict[str, float]]:
    """Put the newest state of a folder in place and return the curve so far; [] where there is none.

    Raises:
        UserError: The state is of another run.
    """
    from safetensors.torch import load_file

    steps = _steps(folder)
    if not steps:
        return []
    place = folder / str(max(steps))
    saved = json.loads((place / ABOUT).read_text(encoding="utf-8"))
    if saved["about"] != json.loads(json.dumps(about)):
        raise UserError(
            "the checkpoints are of a training with other settings or pairs",
            file=folder,
            remedy="remove the folder, or give another one",
        )
    tensors = load_file(str(place / STATE))
    objective.restore({n.removeprefix("objective."): t for n, t in tensors.items() if n.startswith("objective.")})
    with torch.no_grad():
        for number, parameter in enumerate(parameters):
            own = {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith(f"{number}.")}
            parameter.copy_(own.pop("value"))
            # The count of steps stays on the processor, as AdamW makes it.
            optimizer.state[parameter] = {
                name: value if name == "step" else value.to(parameter.device) for name, value in own.items()
            }
    curve: list[dict[str, float]] = saved["curve"]
    return curve


def _steps(folder: Path) -> list[int]:
    return [int(place.name) for place in folder.iterdir() if place.name.isdigit()] if folder.is_dir() else []
