"""Linear layers with int8 weights on a processor: torch's kernels of dynamic quantisation.

Each output channel of a weight has its own scale. Each token of an input has one too, its largest absolute value: a
vector does not depend on what it is encoded together with.
"""

from __future__ import annotations

import torch
from torch import nn

from harness.errors import UserError

LEVELS = 127
"""Of a weight, on each side of 0."""
TINY = torch.finfo(torch.float32).tiny
SCALE_BYTES = 12
"""Of a channel's scale (float64) and sum (int32), which the kernel keeps beside the weights."""


class Int8Linear(nn.Module):
    """A linear layer of the same shape.

    Args:
        layer: Whose weights are rounded: float32, on a processor.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        scales = (weight.abs().amax(1).double() / LEVELS).clamp(min=TINY)
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)
        self.bias = None if layer.bias is None else layer.bias
        # The kernel takes the range of inputs from their least and greatest value: these make it the same every time.
        self.ends = torch.zeros(1, weight.shape[1])
        self.ends[0, 0], self.ends[0, -1] = 1, -1
        self.values, self.size = weight.numel(), weight.numel() + SCALE_BYTES * len(scales)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Tokens x outputs, float32. Inputs have 7 bits, so that no sum of two products overflows 16 bits."""
        tokens = states.reshape(-1, states.shape[-1])
        largest = tokens.abs().amax(1, keepdim=True).clamp(min=TINY)
        even = torch.cat([tokens / largest, self.ends])
        result = torch.ops.quantized.linear_dynamic(even, self.packed, True)[:-1] * largest
        if self.bias is not None:
            result += self.bias
        return result.view(*states.shape[:-1], result.shape[-1])


def to_int8(backbone: nn.Module, head: torch.Tensor) -> None:
    """Replace the linear layers of a backbone, in place; embeddings, norms and the head stay as they are.

    Args:
        backbone: Of a model.
        head: Of the same model, on the same device and in the same dtype.

    Raises:
        UserError: They are not float32 on a processor.
    """
    if head.device.type != "cpu" or head.dtype != torch.float32:
        raise UserError(
            "int8 weights are for a processor, and are made of float32",
            key="quantise",
            remedy='use device = "cpu" and dtype = "float32", or leave quantise out',
        )
    for module in list(backbone.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Linear):
                setattr(module, name, Int8Linear(part))
