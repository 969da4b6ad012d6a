"""Where the frozen weights of a training lie: whole on each device, or each process with its part of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.distributed.tensor import DTensor

    from harness.training.devices import Devices


def place(backbone: torch.nn.Module, devices: Devices) -> None:
    """Move all weights to this process's device, and let the processes share those of the layers if they are sharded.

    Sharded (FSDP 2, arXiv 2304.11277), a layer's weights are gathered for the time that it works, forward and backward.
    A layer goes to the device before the next one is read, so a file that is mapped is never in memory whole. Nothing
    happens to weights that are in their place.

    Raises:
        UserError: The backbone has no layers that can be told apart.
    """
    if devices.sharded:
        from torch.distributed.fsdp import fully_shard

        layers = list(getattr(backbone, "layers", ()))
        if not layers:
            raise UserError("the backbone has no layers to share", key="sharded", remedy="use a Llama, or leave it out")
        mesh = devices.mesh()
        for layer in layers:
            if not any(map(_in_parts, layer.parameters())):
                fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    for parameter in backbone.parameters():
        if not _in_parts(parameter):
            parameter.data = parameter.data.to(devices.device)
    for module in backbone.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(devices.device))


def take_back(backbone: torch.nn.Module, devices: Devices) -> None:
    """Move weights to the processor; those in parts stay where they are, for the next phase or `whole`."""
    if not devices.sharded:
        backbone.cpu()


def whole(backbone: torch.nn.Module, devices: Devices) -> Mapping[str, torch.Tensor] | None:
    """All weights on the processor by their names, in the first process; None in the others, which send their parts."""
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in backbone.named_parameters():
        value = parameter.full_tensor() if _in_parts(parameter) else parameter.detach()
        if devices.first:
            tensors[name] = value.detach().cpu()
    return tensors if devices.first else None


def add_product(
    weight: torch.nn.Parameter, up: torch.Tensor, down: torch.Tensor, scale: float, devices: Devices
) -> None:
    """Add ``scale * up @ down`` to a weight in place; of a weight in parts, each process adds the rows of its own.

    A weight in bfloat16 is rounded once.
    """
    with torch.no_grad():
        part, begin = weight.data, 0
        if _in_parts(weight):
            part, begin = weight.to_local(), devices.number * -(-len(weight) // devices.count)
        part.copy_(part.float() + (up[begin : begin + len(part)] @ down) * scale)


def _in_parts(parameter: torch.Tensor) -> TypeGuard[DTensor]:
    return hasattr(parameter, "full_tensor")
