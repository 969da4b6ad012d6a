"""The float32 head's largest terms at the price of a rougher one: proven bounds say which terms must be exact.

For a state h = h' + dh and a term's row w = w' + dw (h' and w' rounded), the rough logit h'w' is off by no more than
|dh| |w| + |h'| |dw| (Cauchy-Schwarz), plus the rounding of sum, bias and result. A term is not among the `keep` largest
if its upper bound lies below `keep` lower bounds. The other terms, a few in a thousand, are computed in float32.

Numbers are rounded to bfloat16 where the processor multiplies it, and to whole numbers elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.encoders.backbones.rough_heads import Bfloat16Head, Int8Head
from harness.encoders.hardware import multiplies_bfloat16
from harness.training.max_head import max_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.encoders.backbones.rough_heads import Rough


def rough_head() -> Callable[[torch.Tensor, torch.Tensor | None], Rough] | None:
    """The kind of copy that this processor multiplies fastest; None where it has no kernel for one."""
    if multiplies_bfloat16():
        return Bfloat16Head
    from harness.encoders.backbones.compiled_head import CompiledHead, has_avx2

    if has_avx2():
        return CompiledHead
    # A processor without them (not x86) rounds and adds in ways that are not proven here.
    return Int8Head if torch.backends.quantized.engine in ("x86", "fbgemm", "onednn") else None


class Screen:
    """A float32 head on a processor, with a rough copy.

    Args:
        head: Terms x hidden size, float32.
        bias: One for each term.
        rough: Makes the copy.
    """

    def __init__(
        self,
        head: torch.Tensor,
        bias: torch.Tensor | None,
        rough: Callable[[torch.Tensor, torch.Tensor | None], Rough],
    ) -> None:
        self.head, self.bias = head.detach(), None if bias is None else bias.detach().float()
        self.rough = rough(self.head, self.bias)

    def largest(
        self, states: torch.Tensor, lengths: Sequence[int], keep: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """For each text: terms (ascending) with every one of its `keep` largest positive logits, and these logits.

        Args:
            states: Packed tokens x hidden size, float32.
            lengths: Tokens of each text, all at least 1.
            keep: Terms a text that matter; all positive ones where it is None.

        Yields:
            int64 and float32, equally long: never a wrong logit, sometimes more than `keep`.
        """
        states = states.detach()
        parts = states.split(list(lengths))
        candidates = list(self.rough.candidates(states, lengths, keep))
        # Together, as a product with one token may add in an order that depends on where the head lies in memory.
        whole = [part for part, terms in zip(parts, candidates, strict=True) if terms is None]
        rows: Iterator[torch.Tensor] = iter(())
        if whole:
            rows = iter(max_logits(torch.cat(whole), [len(part) for part in whole], self.head, self.bias))
        for terms, state in zip(candidates, parts, strict=True):
            if terms is None:
                logits = next(rows)
                yield torch.arange(len(logits)), logits
            else:
                logits = (state @ self.head.index_select(0, terms).T).amax(0)
                yield terms, logits if self.bias is None else logits + self.bias.index_select(0, terms)
