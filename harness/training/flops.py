"""Floating point operations counted by torch while it works, attention on a processor included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch.utils.flop_counter import FlopCounterMode


def counter() -> FlopCounterMode:
    """Torch's counter: 2 for each multiply-add of matrix products and attention, padding included.

    Left to itself it misses scaled_dot_product_attention on a processor, forward and backward
    (https://github.com/pytorch/pytorch/issues/195460). Additions by index are not counted.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    kernels = torch.ops.aten

    def forward(q: torch.Size, k: torch.Size, v: torch.Size, *_: object, **__: object) -> int:
        return int(sdpa_flop_count(q, k, v))

    def backward(grad: torch.Size, q: torch.Size, k: torch.Size, v: torch.Size, *_: object, **__: object) -> int:
        return int(sdpa_backward_flop_count(grad, q, k, v))

    mapping = {
        kernels._scaled_dot_product_flash_attention_for_cpu: forward,
        kernels._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    counted = FlopCounterMode(display=False, custom_mapping=mapping)
    # Its own tracker of modules holds on to what layers compute again in a backward pass, until the pass is over.
    counted.mod_tracker = _Everything()
    return counted


class _Everything:
    """In place of the tracker of modules of torch's counter: operations are counted together."""

    parents = frozenset({"Global"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""


@dataclass(frozen=True)
class Operations:
    """Operations of one text of n tokens: ``text + token * n + pair * n * n``."""

    text: float
    token: float
    pair: float

    def of(self, tokens: int) -> float:
        """Of a text of this many tokens."""
        return self.text + self.token * tokens + self.pair * tokens * tokens


def operations(run: Callable[[int], object], step: int) -> Operations:
    """Count a network at three lengths; its operations grow with the square of the length at most.

    Args:
        run: Calls the network on one text of this many tokens.
        step: Tokens; the three lengths are one, two and three times this number.
    """
    import torch

    def count(length: int) -> float:
        with counter() as counted, torch.no_grad():
            run(length)
        return float(counted.get_total_flops())

    once, twice, thrice = (count(step * times) for times in (1, 2, 3))
    pair = (thrice - 2 * twice + once) / (2 * step * step)
    token = (twice - once) / step - 3 * step * pair
    return Operations(once - token * step - pair * step * step, token, pair)
