"""The training loop, the same for the sparse model and its dense twin."""

from __future__ import annotations

import ctypes
import math
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import torch

from harness.errors import UserError
from harness.training import checkpoint
from harness.training.batches import batches, hold_out
from harness.training.cached import backward, ndcg
from harness.training.devices import ALONE, Devices
from harness.training.distillation import taught
from harness.training.examples import Example, pair_of
from harness.training.placement import add_product, place, take_back
from harness.training.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from harness.training.objectives import Batch, Objective
    from harness.training.params import TrainingParams

VALIDATED = 32
"""Texts encoded at a time in a validation."""
TRIMMED = 4
"""Steps after which the heap gives back what is free: batches of ever other sizes leave gaps that none fits into again,
and 500 steps of a small model had grown from 1 to 10 GB. It takes 0.2 s of steps that take seconds."""
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
COUNTED = ("forward", "backward")
"""Parts of a micro-batch that are added up; of all others the mean counts."""
Tokenise: TypeAlias = "Callable[[list[str], list[str], frozenset[int]], Batch]"


class Group(TypedDict):
    """Parameters with their own learning rate, as torch's optimizers take them."""

    params: list[torch.nn.Parameter]
    lr: float


def train(
    backbone: torch.nn.Module,
    objective: Objective,
    tokenise: Tokenise,
    pairs: Sequence[Example],
    params: TrainingParams,
    *,
    seed: int,
    lora_scale: dict[str, float] | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
    factors: dict[str, torch.Tensor] | None = None,
    checkpoints: Path | None = None,
    terms: int | None = None,
    held: Sequence[Example] | None = None,
    devices: Devices = ALONE,
) -> list[dict[str, float]]:
    """Train `backbone` in place (adapters are merged at the end) and return the curve, one row a step.

    Args:
        backbone: Called with packed ids and lengths, gives packed hidden states.
        objective: Head and loss.
        tokenise: Queries and passages to a batch; it gets the numbers of the passages that are read like queries.
        pairs: Tuples of a query, a passage, and the other fields of `Pair` as far as there are any.
        params: Settings.
        seed: Decides order, adapters and samples. Equal seeds give equal weights on one machine and thread count.
        lora_scale: Factor on alpha by name of the projection, where a projection's output was scaled.
        progress: Called after each step.
        factors: Gets the adapters before they are merged: ``NAME.down`` and ``NAME.up``, alpha / rank in the latter.
        checkpoints: A folder of this training alone. Training goes on from a checkpoint there, to the same weights bit
            by bit.
        terms: Size of the vocabulary of a sparse model.
        held: Pairs to validate on; where left out, they are held out of `pairs`.
        devices: Where to train, and which of several processes this is. All of them return the same weights and curve;
            the first alone writes checkpoints and reports progress. Sharded weights stay in parts on their devices.

    Returns:
        Rows of step, loss, learning_rate, floating point operations (forward, backward), the parts of the objective,
        and validation where there was one.

    Raises:
        UserError: Too few pairs for one batch, a loss that is not finite, or a collapse.
    """
    if held is None:
        pairs, held = hold_out(pairs, params.validation_pairs, seed)
    if len(pairs) < params.pairs_per_step:
        raise UserError(
            f"{len(pairs)} training pairs are fewer than one batch of {params.pairs_per_step}",
            key="training.pairs_per_step",
            remedy="use a collection with more pairs, or a smaller batch",
        )
    torch.manual_seed(seed)
    place(backbone, devices)
    objective.to(devices.device)
    trained = _trainable(backbone, params, lora_scale or {})
    groups: list[Group] = [{"params": trained, "lr": params.learning_rate}]
    groups += [{"params": [p], "lr": params.learning_rate * factor} for p, factor in objective.parameters()]
    optimizer = torch.optim.AdamW(groups, weight_decay=params.weight_decay)
    peaks = [group["lr"] for group in groups]
    everything = [p for group in groups for p in group["params"]]
    about: dict[str, JsonValue] = {"params": params.model_dump(mode="json"), "seed": seed, "pairs": len(pairs)}
    curve = checkpoint.restore(checkpoints, everything, optimizer, objective, about) if checkpoints else []
    watch = Watch(params, terms)
    if params.recompute_layers:
        _recompute(backbone)
    backbone.train()
    pools = islice(batches(pairs, params, seed), len(curve) * params.accumulate, None)
    for step in range(len(curve), params.steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * rate(step, params)
        value, parts = _accumulated(
            backbone, objective, (_tokens(tokenise, pool) for pool in pools), step, params, seed, devices
        )
        devices.add(everything)
        torch.nn.utils.clip_grad_norm_(everything, params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = step + 1
        row = {"step": done, "loss": value, "learning_rate": optimizer.param_groups[0]["lr"], **parts}
        watch.see(done, parts)
        if held and (done % params.validate_every == 0 or done == params.steps):
            backbone.eval()
            with _precision(params, devices):
                row["validation_ndcg@10"] = ndcg(backbone, objective, _tokens(tokenise, held), VALIDATED, devices)
            backbone.train()
        curve.append(row)
        if checkpoints and devices.first and (done % params.checkpoint_every == 0 or done == params.steps):
            checkpoint.save(checkpoints, done, everything, optimizer, objective, curve, about)
        if done % TRIMMED == 0:
            give_back()
        if progress and devices.first:
            progress(done, params.steps, f"loss {value:.3f}")
    if params.recompute_layers:
        _recompute(backbone, undo=True)
    devices.wait()
    merged = _merge(backbone, devices)
    take_back(backbone, devices)
    objective.to(torch.device("cpu"))
    if factors is not None:
        factors.update(merged)
    # A second phase must not find traces of the first's adapters.
    vars(backbone).pop("peft_config", None)
    backbone.eval()
    return curve


def give_back() -> None:
    """Let the C library return free memory to the system; nothing where it has no such call (only glibc has)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _accumulated(
    backbone: torch.nn.Module,
    objective: Objective,
    pools: Iterator[Batch],
    step: int,
    params: TrainingParams,
    seed: int,
    devices: Devices,
) -> tuple[float, dict[str, float]]:
    """Mean loss and parts of a step's micro-batches, and their operations; the mean of their gradients is added.

    Raises:
        UserError: A loss is not finite.
    """
    count, mean = params.accumulate, 1 / params.accumulate
    total, sums = 0.0, dict[str, float]()
    for number, batch in enumerate(islice(pools, count), start=step * count):
        # Dropout must not depend on where a training was killed, and each process has texts of its own.
        torch.manual_seed((seed * params.steps * count + number) * devices.count + devices.number)
        done = (number + 1) / (params.steps * count)
        value, parts = _gradients(backbone, objective, batch, done, params, devices)
        if not math.isfinite(value):
            raise UserError(
                f"the loss is {value} at step {step + 1}",
                key="training.learning_rate",
                remedy="train with a smaller learning rate, or in float32",
            )
        total += value * mean
        for name, figure in parts.items():
            sums[name] = sums.get(name, 0.0) + (figure if name in COUNTED else figure * mean)
    return total, sums


def _gradients(
    backbone: torch.nn.Module,
    objective: Objective,
    tokens: Batch,
    done: float,
    params: TrainingParams,
    devices: Devices = ALONE,
) -> tuple[float, dict[str, float]]:
    """Loss of one micro-batch, operations and parts; its share of the step's gradients is added to the parameters."""
    with _precision(params, devices):
        return backward(backbone, objective, tokens, done, params.cached_texts, devices, weight=1 / params.accumulate)


def _tokens(tokenise: Tokenise, batch: Sequence[Example]) -> Batch:
    """Queries, their passages, then the negatives of all, with what teachers say of them."""
    pairs = [pair_of(example) for example in batch]
    negatives = [text for pair in pairs for text in pair.negatives]
    kinds = [pair.symmetric for pair in pairs]
    kinds += [pair.symmetric for pair in pairs for _ in pair.negatives]
    symmetric = frozenset(place for place, kind in enumerate(kinds) if kind)
    passages = [pair.positive for pair in pairs] + negatives
    tokens = tokenise([pair.query for pair in pairs], passages, symmetric)
    tokens.taught = taught([len(pair.negatives) for pair in pairs], [pair.scores for pair in pairs])
    return tokens


def _precision(params: TrainingParams, devices: Devices) -> torch.autocast:
    return torch.autocast(devices.kind, torch.bfloat16, enabled=params.precision == "bfloat16")


def _recompute(backbone: torch.nn.Module, undo: bool = False) -> None:
    """Let every layer keep its input alone and run again in the backward pass."""
    from torch.utils.checkpoint import checkpoint as again

    for layer in getattr(backbone, "layers", ()):
        if undo:
            del layer.forward
        else:
            layer.forward = partial(again, layer.forward, use_reentrant=False)


def rate(step: int, params: TrainingParams) -> float:
    """Share of the peak learning rate at a step (counted from 0): a linear rise, then a cosine to zero."""
    rise = round(params.warmup * params.steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(params.steps - rise, 1)))


def _trainable(
    backbone: torch.nn.Module, params: TrainingParams, lora_scale: dict[str, float]
) -> list[torch.nn.Parameter]:
    """Freeze the backbone and put adapters on its projections, or open the weights of its layers and last norm."""
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    if params.lora_rank == 0:
        chosen = [p for name, p in backbone.named_parameters() if "embed" not in name]
        for parameter in chosen:
            parameter.requires_grad_(True)
        return chosen
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(
        LoraConfig(
            r=params.lora_rank,
            lora_alpha=params.lora_alpha,
            lora_dropout=params.lora_dropout,
            target_modules=list(PROJECTIONS),
            alpha_pattern={name: params.lora_alpha * factor for name, factor in lora_scale.items()},
        ),
        backbone,
    )
    trained = [p for p in backbone.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()  # made in the dtype of the weight beside them
    return trained


def _merge(backbone: torch.nn.Module, devices: Devices) -> dict[str, torch.Tensor]:
    """Add the adapters to the weights, take them out, and return their factors."""
    factors: dict[str, torch.Tensor] = {}
    for prefix, parent in list(backbone.named_modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "merge") and hasattr(child, "base_layer"):
                path = f"{prefix}.{name}" if prefix else name
                for active in child.active_adapters:
                    factors[f"{path}.down"] = child.lora_A[active].weight.detach().clone().cpu()
                    factors[f"{path}.up"] = (child.lora_B[active].weight.detach() * child.scaling[active]).cpu()
                    up, down = child.lora_B[active].weight.detach(), child.lora_A[active].weight.detach()
                    add_product(child.get_base_layer().weight, up, down, child.scaling[active], devices)
                setattr(parent, name, child.get_base_layer())
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    return factors
