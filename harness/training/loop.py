"""The training loop, the same for the sparse model and its dense twin."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import torch

from harness.errors import UserError
from harness.training.flops import counter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.training.objectives import Batch, Objective
    from harness.training.params import TrainingParams

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def train(
    backbone: torch.nn.Module,
    objective: Objective,
    tokenise: Callable[[list[str], list[str]], Batch],
    pairs: Sequence[tuple[str, str]],
    params: TrainingParams,
    *,
    seed: int,
    lora_scale: dict[str, float] | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
    factors: dict[str, torch.Tensor] | None = None,
) -> list[dict[str, float]]:
    """Train `backbone` in place (adapters are merged at the end) and return the curve, one row a step.

    Args:
        backbone: Called with packed ids and lengths, gives packed hidden states.
        objective: Head and loss.
        tokenise: Queries and passages to a batch.
        pairs: (query, passage).
        params: Settings.
        seed: Decides order, adapters and samples. Equal seeds give equal weights on one machine and thread count.
        lora_scale: Factor on alpha by name of the projection, where a projection's output was scaled.
        progress: Called after each step.
        factors: Gets the adapters before they are merged: ``NAME.down`` and ``NAME.up``, alpha / rank in the latter.

    Returns:
        Rows of step, loss, learning_rate, floating point operations (forward, backward) and parts of the objective.

    Raises:
        UserError: Too few pairs for one batch, or a loss that is not finite.
    """
    if len(pairs) < params.pairs_per_step:
        raise UserError(
            f"{len(pairs)} training pairs are fewer than one batch of {params.pairs_per_step}",
            key="training.pairs_per_step",
            remedy="use a collection with more pairs, or a smaller batch",
        )
    torch.manual_seed(seed)
    trained = _trainable(backbone, params, lora_scale or {})
    groups: list[dict[str, Any]] = [{"params": trained, "lr": params.learning_rate}]
    groups += [{"params": [p], "lr": params.learning_rate * factor} for p, factor in objective.parameters()]
    optimizer = torch.optim.AdamW(groups, weight_decay=params.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, params))
    everything = [p for group in groups for p in group["params"]]
    curve: list[dict[str, float]] = []
    backbone.train()
    for step, batch in enumerate(batches(pairs, params, seed)):
        tokens = tokenise([query for query, _ in batch], [passage for _, passage in batch])
        with counter() as forward:
            hidden = backbone(tokens.ids, tokens.lengths)
            loss, parts = objective.loss(hidden, tokens, step / params.steps)
        if not math.isfinite(value := loss.item()):
            raise UserError(
                f"the loss is {value} at step {step + 1}",
                key="training.learning_rate",
                remedy="train with a smaller learning rate, or in float32",
            )
        with counter() as backward:
            loss.backward()
        operations = {"forward": float(forward.get_total_flops()), "backward": float(backward.get_total_flops())}
        torch.nn.utils.clip_grad_norm_(everything, params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        curve.append(
            {"step": step + 1, "loss": value, "learning_rate": schedule.get_last_lr()[0], **operations, **parts}
        )
        schedule.step()
        if progress:
            progress(step + 1, params.steps, f"loss {value:.3f}")
    merged = _merge(backbone)
    if factors is not None:
        factors.update(merged)
    backbone.eval()
    return curve


def rate(step: int, params: TrainingParams) -> float:
    """Share of the peak learning rate at a step (counted from 0): a linear rise, then a cosine to zero."""
    rise = round(params.warmup * params.steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(params.steps - rise, 1)))


def batches(pairs: Sequence[tuple[str, str]], params: TrainingParams, seed: int) -> Iterator[list[tuple[str, str]]]:
    """`params.steps` batches, the pairs shuffled anew for each pass; no text stands twice in a batch.

    A passage that answers two queries of one batch would be a negative of both.
    """
    drawn = random.Random(seed)  # noqa: S311 - an order, not a secret
    waiting: list[int] = []
    for _ in range(params.steps):
        batch: list[tuple[str, str]] = []
        seen: set[str] = set()
        later: list[int] = []
        while len(batch) < params.pairs_per_step:
            if not waiting:
                if len(later) + len(batch) >= len(pairs):
                    raise UserError(
                        f"the training pairs hold fewer than {params.pairs_per_step} different texts",
                        key="training.pairs_per_step",
                        remedy="use a collection with more pairs, or a smaller batch",
                    )
                waiting = list(range(len(pairs)))
                drawn.shuffle(waiting)
                waiting = [place for place in waiting if place not in set(later)]
            query, passage = pairs[place := waiting.pop()]
            if query in seen or passage in seen:
                later.append(place)
                continue
            seen |= {query, passage}
            batch.append((query, passage))
        waiting += reversed(later)
        yield batch


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
            target_modules=list(PROJECTIONS),
            alpha_pattern={name: params.lora_alpha * factor for name, factor in lora_scale.items()},
        ),
        backbone,
    )
    return [p for p in backbone.parameters() if p.requires_grad]


def _merge(backbone: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Add the adapters to the weights, take them out, and return their factors."""
    factors: dict[str, torch.Tensor] = {}
    for place, parent in list(backbone.named_modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "merge") and hasattr(child, "base_layer"):
                adapted: Any = child
                path = f"{place}.{name}" if place else name
                for active in adapted.active_adapters:
                    factors[f"{path}.down"] = adapted.lora_A[active].weight.detach().clone()
                    factors[f"{path}.up"] = adapted.lora_B[active].weight.detach() * adapted.scaling[active]
                adapted.merge()
                setattr(parent, name, adapted.get_base_layer())
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    return factors
