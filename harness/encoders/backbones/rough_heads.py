"""Copies of a head in rounded numbers, whose logits torch computes, and bounds of what the rounding takes.

Numbers are rounded to bfloat16, or to whole numbers: 8 bits for a row of the head, and twice 7 bits for a state, as the
large values that a few dimensions have would take most of one rounding. `screened_head` has the inequality.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

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
PACKED = 1 << 13
"""Rows of the head that are multiplied at a time: the logits of a query stay in the cache."""
FEW = 64
"""Tokens up to which products in int8 pay: a short text waits for the head's bytes, a quarter of float32's."""
MANY = 0.25
"""Share of the terms above which a text is computed whole."""
WEIGHT_STEPS = 127
"""Of a row of the head, on each side of 0."""
STATE_STEPS = 63
"""Of a state: with 7 bits, no sum of two products overflows the 16 bits that AVX2 adds them in."""
CLOSE = 0.02
"""Share of a state that one rounding may lose; where it loses more, the rest is rounded too and multiplied as well."""
TINY = torch.finfo(torch.float32).tiny


class Rough(Protocol):
    """A head in rounded numbers."""

    def pays(self, tokens: int, keep: int | None) -> bool:
        """Whether it saves time for this many tokens, of which `keep` terms a text matter."""
        ...

    def candidates(
        self, states: torch.Tensor, lengths: Sequence[int], keep: int | None
    ) -> Iterator[torch.Tensor | None]:
        """Of each text the terms (int64, ascending) that may be among its `keep` largest positive ones.

        None where these are more than `MANY`, or where nothing bounds the logits. Arguments as of
        `harness.encoders.backbones.screened_head.Screen.largest`.
        """
        ...


class RoughHead(ABC):
    """What a head has in common whose rough logits torch computes for all texts at once.

    Args:
        head: Terms x hidden size, float32.
        bias: One for each term.
    """

    rounding: float
    """Relative error of a logit that the format of the result adds."""
    lost: torch.Tensor
    """Length of what rounding took from each row."""

    def __init__(self, head: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.hidden, self.bias = head.shape[1], bias
        self.slack = torch.zeros(()) if bias is None else SUMMATION * bias.abs()
        self.norms = torch.cat([head[part].norm(dim=1) for part in parts(len(head))])

    @abstractmethod
    def logits(self, states: torch.Tensor, lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Largest logits without bias (texts x terms, float32), and what rounding took from each state (its length)."""

    def bounds(self, rough: torch.Tensor, lost: float, norm: float) -> torch.Tensor:
        """How far each term's rough logit may be from the exact one.

        Args:
            rough: One for each term, bias included.
            lost: What rounding has taken from a state of the text, at most (Euclidean).
            norm: Length of a state of the text, at most.
        """
        within = lost + SUMMATION * (self.hidden + 2) * norm
        bound = self.norms * within + self.lost * (norm + lost)
        plain = rough if self.bias is None else rough - self.bias
        return bound.add_(plain.abs(), alpha=self.rounding).add_(self.slack).mul_(1.001)

    def candidates(
        self, states: torch.Tensor, lengths: Sequence[int], keep: int | None
    ) -> Iterator[torch.Tensor | None]:
        """As of `Rough`."""
        rough, off = self.logits(states, lengths)
        if self.bias is not None:
            rough += self.bias
        lost, norms = off.split(list(lengths)), states.norm(dim=1).split(list(lengths))
        for row, away, size in zip(rough, lost, norms, strict=True):
            yield self._chosen(row, float(away.max()), float(size.max()), keep)

    def _chosen(self, rough: torch.Tensor, lost: float, norm: float, keep: int | None) -> torch.Tensor | None:
        # A state that is not finite has no bounds.
        bound = self.bounds(rough, lost, norm) if norm < float("inf") else rough
        at_least = torch.zeros(())
        if keep is not None:
            at_least = (rough - bound).topk(min(keep, len(rough))).values[-1].clamp(min=0)
        terms = ((rough + bound) >= at_least).nonzero().squeeze(1)
        if len(terms) > MANY * len(rough) or not bool(rough.isfinite().all() and bound.isfinite().all()):
            return None
        return terms


class Bfloat16Head(RoughHead):
    """A copy of the head in bfloat16."""

    rounding = ROUNDING

    def __init__(self, head: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(head, bias)
        self.rows = torch.empty(head.shape, dtype=torch.bfloat16)
        self.lost = torch.empty(len(head))
        for part in parts(len(head)):
            self.rows[part] = head[part].bfloat16()
            self.lost[part] = (head[part] - self.rows[part].float()).norm(dim=1)

    def pays(self, tokens: int, keep: int | None) -> bool:
        """Where a text has a cut, without which it was not measured."""
        return keep is not None

    def logits(self, states: torch.Tensor, lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `RoughHead`."""
        rounded = states.bfloat16()
        return max_logits(rounded, lengths, self.rows), (states - rounded.float()).norm(dim=1)


class Int8Head(RoughHead):
    """A copy of the head in int8, one scale a row, for torch's kernels of quantised products."""

    rounding = 2.0**-20
    """Sums are whole numbers and exact; float32 rounds the scales, and the sum of both products."""

    def __init__(self, head: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__(head, bias)
        self.packed, self.lost = [], torch.empty(len(head))
        for part in parts(len(head), PACKED):
            scales = (head[part].abs().amax(1).double() / WEIGHT_STEPS).clamp(min=TINY)
            zeros = torch.zeros(len(scales), dtype=torch.int64)
            rounded = torch.quantize_per_channel(head[part], scales, zeros, 0, torch.qint8)
            self.lost[part] = (head[part] - rounded.dequantize()).norm(dim=1)
            self.packed.append(torch.ops.quantized.linear_prepack(rounded, None))

    def pays(self, tokens: int, keep: int | None) -> bool:
        """For short texts."""
        return tokens <= FEW

    def logits(self, states: torch.Tensor, lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `RoughHead`."""
        even, sizes, rest = _in_steps(states)
        pieces = [(even, sizes)]
        if bool((rest.norm(dim=1) > CLOSE * states.norm(dim=1)).any()):
            even, sizes, rest = _in_steps(rest)
            pieces.append((even, sizes))
        largest = torch.empty(len(lengths), len(self.lost))
        for part, packed in zip(parts(len(self.lost), PACKED), self.packed, strict=True):
            logits = torch.zeros(())
            for even, sizes in pieces:
                logits = _products(even, packed).mul_(sizes).add_(logits)
            for row, own in zip(largest, logits.split(list(lengths)), strict=True):
                row[part] = own.amax(0)
        return largest, rest.norm(dim=1)


def parts(count: int, size: int = ROWS) -> list[slice]:
    """Slices of at most `size` rows, one behind the other."""
    return [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]


def _in_steps(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States in whole steps from -1 to 1, the size that each was divided by, and what rounding took from it."""
    sizes = states.abs().amax(1, keepdim=True).clamp(min=TINY)
    even = (states / sizes * STATE_STEPS).round_().div_(STATE_STEPS)
    return even, sizes, states - even * sizes


def _products(even: torch.Tensor, packed: torch.ScriptObject) -> torch.Tensor:
    """Tokens x terms, float32. What is multiplied is what `_in_steps` rounded: these are its steps."""
    product: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
        even, 1 / STATE_STEPS, STATE_STEPS + 1, packed
    )
    return product
