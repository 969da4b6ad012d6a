"""Packed tokens of several texts, spread out only where attention needs it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence


SCORES = 1 << 24
"""Attention scores that are held at once; more are left to the fused kernel, which holds none."""


class Layout:
    """Where packed tokens lie in texts x longest, and which of these attend to which."""

    def __init__(self, lengths: Sequence[int], device: torch.device, causal: bool = False) -> None:
        self.causal = causal
        self.texts, self.longest = len(lengths), max(lengths)
        self.lengths = lengths
        self.positions = torch.cat([torch.arange(n) for n in lengths]).to(device)
        self.even = min(lengths) == self.longest
        self.mask: torch.Tensor | None = None
        if not self.even:
            self.mask = (torch.arange(self.longest) < torch.tensor(lengths)[:, None])[:, None, None, :].to(device)
            if causal:
                self.mask = self.mask & torch.ones(self.longest, self.longest, dtype=torch.bool, device=device).tril()

    @cached_property
    def slots(self) -> torch.Tensor:
        """The place of each token among texts x longest, flat."""
        starts = torch.repeat_interleave(torch.arange(self.texts) * self.longest, torch.tensor(self.lengths))
        return starts.to(self.positions.device) + self.positions

    def spread(self, packed: torch.Tensor) -> torch.Tensor:
        """Tokens x heads x size to texts x heads x longest x size."""
        _, heads, size = packed.shape
        if not self.even:
            full = packed.new_zeros(self.texts * self.longest, heads, size)
            packed = full.index_copy(0, self.slots, packed)
        return packed.view(self.texts, self.longest, heads, size).transpose(1, 2)

    def gather(self, padded: torch.Tensor) -> torch.Tensor:
        """Texts x heads x longest x size to tokens x (heads * size)."""
        flat = padded.transpose(1, 2).reshape(self.texts * self.longest, -1)
        return flat if self.even else flat[self.slots]

    def attend(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Scaled dot-product attention within each text; tokens x heads x size each, to tokens x (heads * size)."""
        parts = self.spread(queries), self.spread(keys), self.spread(values)
        scores = self.texts * queries.shape[1] * self.longest**2
        slow = queries.dtype == torch.bfloat16 and queries.device.type == "cpu" and not self.causal
        if slow and scores <= SCORES and not torch.is_grad_enabled():
            return self.gather(self._plainly(*parts))
        mixed = functional.scaled_dot_product_attention(
            *parts, attn_mask=self.mask, is_causal=self.causal and self.even
        )
        return self.gather(mixed)

    def _plainly(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Attention as two products and a softmax: in bfloat16, twice as fast as the processor's fused kernel."""
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
        if self.mask is not None:
            scores.masked_fill_(~self.mask, float("-inf"))
        return scores.softmax(-1) @ values
