"""LoRA adapters as peft saves them, added to plain weights.

Nothing of peft is run: it would wrap a causal model, and the flag that makes it bidirectional is lost on the way.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, TypeVar

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

T = TypeVar("T")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
UNSUPPORTED = (
    "use_dora",
    "fan_in_fan_out",
    "modules_to_save",
    "trainable_token_indices",
    "lora_bias",
    "target_parameters",
    "layer_replication",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "velora_config",
    "monteclora_config",
    "kasa_config",
    "arrow_config",
    "megatron_config",
)


class Settings(TypedDict, total=False):
    """Keys of adapter_config.json that decide what is added."""

    peft_type: str
    bias: str
    lora_alpha: float
    alpha_pattern: dict[str, float] | None
    r: int
    rank_pattern: dict[str, int] | None
    target_modules: list[str] | str | None
    use_rslora: bool


@dataclass(frozen=True)
class Change:
    """What an adapter adds to one weight, out x in: ``scale`` times ``up`` (out x rank) times ``down`` (rank x in)."""

    up: torch.Tensor
    down: torch.Tensor
    scale: float

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight and the change, summed in float32."""
        change = self.up.float() @ self.down.float()
        return change.mul_(self.scale).add_(weight)


def merge(weights: dict[str, torch.Tensor], folder: Path, layers: int) -> dict[str, torch.Tensor]:
    """Weights with the adapter's low-rank products added, in float32.

    Args:
        weights: By transformers' names, ``model.layers.0.self_attn.q_proj.weight``.
        folder: Holds adapter_config.json and adapter_model.safetensors.
        layers: The first layers of the backbone that are used; the adapter's tensors for others are left out.

    Raises:
        UserError: No adapter there, a kind that is not a plain LoRA, or one of another backbone.
    """
    changes = read_changes(folder, {name: tuple(weight.shape) for name, weight in weights.items()}, layers)
    return {**weights, **{name: change.added_to(weights[name]) for name, change in changes.items()}}


def read_changes(folder: Path, shapes: Mapping[str, tuple[int, ...]], layers: int) -> dict[str, Change]:
    """What an adapter adds, by the name of the weight.

    Args:
        folder: Holds adapter_config.json and adapter_model.safetensors.
        shapes: Of the backbone's weights, by transformers' names.
        layers: The first layers of the backbone that are used; the adapter's tensors for others are left out.

    Raises:
        UserError: No adapter there, a kind that is not a plain LoRA, one of another backbone, one whose settings do not
            fit its weights, or one that changes nothing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(folder)
    file = folder / WEIGHTS
    if not file.is_file():
        raise UserError(f"the adapter has no {WEIGHTS}", file=folder, key="backbone.adapter", remedy="save it again")
    try:
        tensors = load_file(str(file))
    except SafetensorError as error:
        raise _refused(f"has damaged weights: {error}", file) from None
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for stored, tensor in tensors.items():
        match = re.fullmatch(r"(?:base_model\.model\.)?(?:model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight", stored)
        if match is None:
            raise _refused(f"holds {stored!r}, which is no part of a plain LoRA", file)
        parts.setdefault(match[1], {})[match[2]] = tensor
    _check_targets(config, parts, file)
    changes: dict[str, Change] = {}
    for module, pair in parts.items():
        place = re.match(r"layers\.(\d+)\.", module)
        if place and int(place[1]) >= layers:
            continue
        name = "lm_head.weight" if module == "lm_head" else f"model.{module}.weight"
        if name not in shapes or set(pair) != {"A", "B"}:
            raise _refused(f"is for {module!r}, which this backbone does not have", file)
        up, down = pair["B"].shape, pair["A"].shape
        if len(up) != 2 or len(down) != 2 or up[1] != down[0] or not up[1]:
            raise _refused(f"has no product for {module!r}: lora_B is {tuple(up)}, lora_A {tuple(down)}", file)
        shape = (up[0], down[1])
        if shape != shapes[name]:
            sizes = f"{shape} against {shapes[name]}"
            raise _refused(f"is for a backbone of another size ({module}: {sizes})", file)
        rank = _of_pattern(config.get("rank_pattern"), module, config.get("r", up[1]))
        if rank != up[1]:
            raise _refused(f"has the rank {up[1]} for {module!r}, and {CONFIG} says r = {rank}", file)
        changes[name] = Change(pair["B"], pair["A"], _scale(config, module, rank))
    if not any(change.scale and change.up.any() and change.down.any() for change in changes.values()):
        raise _refused(f"changes nothing in the first {layers} layers", file)
    return changes


def _check_targets(config: Settings, modules: Mapping[str, object], file: Path) -> None:
    """Refuse an adapter that names a module to change and has no weights of it."""
    targets = config.get("target_modules")
    for target in targets if isinstance(targets, list) else ():
        if not any(module == target or module.endswith(f".{target}") for module in modules):
            raise _refused(f"has no weights of {target!r}, which target_modules of {CONFIG} names", file)


def read_config(folder: Path) -> Settings:
    """Settings of an adapter.

    Raises:
        UserError: No adapter, damaged, or not a plain LoRA.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise UserError(
            f"the folder has no {CONFIG}", file=folder, key="backbone.adapter", remedy="name a folder saved by peft"
        )
    try:
        config: Settings = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused(f"has no valid JSON: {error}", file) from None
    if not isinstance(config, dict):
        raise _refused("has no JSON object", file)
    strange = [key for key in UNSUPPORTED if config.get(key)]
    if config.get("peft_type") != "LORA" or strange or config.get("bias", "none") != "none":
        what = ", ".join(strange) or f"peft_type {config.get('peft_type')!r}, bias {config.get('bias')!r}"
        raise _refused(f"is not a plain LoRA: {what}", file)
    for key in ("alpha_pattern", "rank_pattern"):
        if not isinstance(config.get(key) or {}, dict):
            raise _refused(f"has no patterns in {key}", file)
    alphas = [config.get("lora_alpha"), *(config.get("alpha_pattern") or {}).values()]
    if not all(isinstance(alpha, int | float) and math.isfinite(alpha) for alpha in alphas):
        raise _refused("does not say its lora_alpha", file)
    _check_patterns(config, file)
    return config


def _scale(config: Settings, module: str, rank: int) -> float:
    """Of one module, after peft's rules: patterns match the end of its name."""
    alpha = _of_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _check_patterns(config: Settings, file: Path) -> None:
    """Refuse patterns that are no regular expressions."""
    for pattern in (*(config.get("alpha_pattern") or {}), *(config.get("rank_pattern") or {})):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError):
            raise _refused(f"has the pattern {pattern[:80]!r}, which is no regular expression", file) from None


def _of_pattern(patterns: Mapping[str, T] | None, module: str, otherwise: T) -> T:
    """What the first pattern says that matches the end of a module's name."""
    for pattern, value in (patterns or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return value
    return otherwise


def _refused(what: str, file: Path) -> UserError:
    return UserError(
        f"the adapter {what}",
        file=file,
        key="backbone.adapter",
        remedy="merge it with peft's merge_and_unload(), save the model, and name that folder as backbone.model",
    )
