"""The float32 head's largest terms at nearly the price of bfloat16: proven bounds say which terms must be exact.

A product in bfloat16 is several times as fast where the processor has it. For a state h = h' + dh and a term's row
w = w' + dw (h' and w' rounded to bfloat16), the rough logit h'w' is off by no more than |dh| |w| + |h'| |dw|
(Cauchy-Schwarz), plus the rounding of sum, bias and result. A term is not among the `keep` largest if its upper bound
lies below `keep` lower bounds. The other terms, a few in a hundred, are computed in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.training.max_head import max_logits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDING = 2.0**-8
"""Largest relative error of a number rounded to bfloat16."""
SUMMATION = 2.0**-23
"""Relative error that each addition of a float32 sum adds at most, twice over: the rough sum's and the exact one's."""
ROWS = 1 << 14
"""Terms at a time while the head is prepared."""
MANY = 0.25
"""Share of the terms above which a text is computed whole."""


class Screen:
    """A float32 head on a processor, with its copy in bfloat16 and what rounding took from each row.

    Args:
        head: Terms x hidden size, float32.
        bias: One for each term.
    """

    def __init__(self, head: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.head, self.bias = head.detach(), None if bias is None else bias.detach().float()
        self.slack = torch.zeros(())
        if self.bias is not None:
            self.slack = ROUNDING * (self.bias - self.bias.bfloat16().float()).abs() + SUMMATION * self.bias.abs()
        self.rough = torch.empty(head.shape, dtype=torch.bfloat16)
        self.norms, self.lost = torch.empty(len(head)), torch.empty(len(head))
        for begin in range(0, len(head), ROWS):
            part = slice(begin, begin + ROWS)
            self.rough[part] = self.head[part].bfloat16()
            self.norms[part] = self.head[part].norm(dim=1)
            self.lost[part] = (self.head[part] - self.rough[part].float()).norm(dim=1)

    @torch.no_grad()
    def largest(
        self, states: torch.Tensor, lengths: Sequence[int], keep: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """For each text: terms (ascending) with every one of its `keep` largest positive logits, and these logits.

        Args:
            states: Packed tokens x hidden size, float32.
            lengths: Tokens of each text, all at least 1.
            keep: Terms a text that matter.

        Yields:
            int64 and float32, equally long: never a wrong logit, sometimes more than `keep`.
        """
        rounded = states.bfloat16()
        rough = max_logits(rounded, lengths, self.rough, self.bias)
        lost = (states - rounded.float()).norm(dim=1).split(list(lengths))
        norms = states.norm(dim=1).split(list(lengths))
        for row, state, off, size in zip(rough, states.split(list(lengths)), lost, norms, strict=True):
            yield self._exact(row, state, float(off.max()), float(size.max()), keep)

    def bounds(self, rough: torch.Tensor, lost: float, norm: float) -> torch.Tensor:
        """How far each term's rough logit may be from the exact one.

        Args:
            rough: One for each term.
            lost: What rounding has taken from a state of the text, at most (Euclidean).
            norm: Length of a state of the text, at most.
        """
        within = lost + SUMMATION * (self.head.shape[1] + 2) * norm
        bound = self.norms * within + self.lost * (norm + lost)
        return bound.add_(rough.abs(), alpha=ROUNDING).add_(self.slack).mul_(1.001)

    def _exact(
        self, rough: torch.Tensor, states: torch.Tensor, lost: float, norm: float, keep: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        bound = self.bounds(rough, lost, norm) if norm < float("inf") else rough
        at_least = (rough - bound).topk(min(keep, len(rough))).values[-1].clamp(min=0)
        terms = ((rough + bound) >= at_least).nonzero().squeeze(1)
        # A state that is not finite has no bounds.
        if len(terms) > MANY * len(rough) or not bool(rough.isfinite().all() and bound.isfinite().all()):
            logits = max_logits(states, [len(states)], self.head, self.bias)[0]
            terms = torch.arange(len(logits))
        else:
            logits = (states @ self.head[terms].T).amax(0)
            if self.bias is not None:
                logits += self.bias[terms]
        return terms, logits
