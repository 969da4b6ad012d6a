"""The sparse head: the largest logit of every term over a text's tokens, without batch x tokens x vocabulary."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.autograd.function import FunctionCtx

CHUNK = 4096
"""Terms at a time, at most."""
LOGITS = 1 << 21
"""Logits at a time on a processor: they stay in its cache, and the system need not map memory anew for each chunk."""


def terms_at_a_time(tokens: torch.Tensor) -> int:
    """How many terms' logits are held at once; never more than tokens x CHUNK logits."""
    return CHUNK if tokens.device.type != "cpu" else min(max(LOGITS // len(tokens), 256), CHUNK)


def padded_rows(lengths: Sequence[int]) -> torch.Tensor:
    """Texts x longest: the row of each token among the packed tokens of all texts.

    A shorter text is filled up with its own first token, which changes no maximum, so that no mask is needed.
    """
    ends = torch.tensor(lengths).cumsum(0)
    starts = ends - torch.tensor(lengths)
    places = torch.arange(max(lengths))[None, :]
    return starts[:, None] + torch.where(places < torch.tensor(lengths)[:, None], places, 0)


@torch.no_grad()
def max_logits(
    hidden: torch.Tensor, lengths: Sequence[int], weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Largest logit of each term over each text's tokens.

    Args:
        hidden: Packed tokens x hidden size.
        lengths: Tokens of each text, all at least 1.
        weight: Terms x hidden size.
        bias: One for each term.

    Returns:
        Texts x terms, float32.
    """
    rows = padded_rows(lengths).to(hidden.device)
    tokens = hidden if min(lengths) == max(lengths) else hidden[rows.flatten()]
    largest = torch.empty((len(lengths), weight.shape[0]), dtype=torch.float32, device=hidden.device)
    whole: bool | None = None
    size = terms_at_a_time(tokens)
    # Added before logits are rounded to half precision: a bias takes most of a logit away, and not its rounding error.
    inside = None if bias is None or hidden.dtype == torch.float32 else bias.to(hidden.dtype)
    for begin in range(0, weight.shape[0], size):
        part = weight[begin : begin + size]
        logits = functional.linear(tokens, part, None if inside is None else inside[begin : begin + size])
        if whole is None:  # torch.autocast, too, makes logits of another dtype than the states
            whole = logits.dtype == torch.bfloat16 and hidden.device.type == "cpu" and bool(hidden.isfinite().all())
        logits = logits.view(*rows.shape, -1)
        largest[:, begin : begin + size] = _largest_bfloat16(logits) if whole else logits.amax(1)
    if bias is None:
        return largest
    return largest.add_(bias.float() if inside is None else bias.float() - inside.float())


def _largest_bfloat16(logits: torch.Tensor) -> torch.Tensor:
    """`logits.amax(1)` of finite values by comparing their bits as integers, which a processor does four times as fast.

    Positive numbers are ordered as their bits are, negative ones the other way round.
    """
    bits = logits.view(torch.int16)
    largest = bits.amax(1)
    negative = largest < 0
    if negative.any():
        largest = torch.where(negative, bits.amin(1), largest)
    return largest.view(torch.bfloat16)


def _with_sources(
    logits: torch.Tensor,
) -> tuple[torch.Tensor, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
    """`logits.amax(1)`, and which token each of some (text, term) has its largest logit from.

    A processor looks for the tokens of active terms alone, text by text. A GPU would wait for the processor at each
    text; it finds all tokens together with the maximum, which costs it nothing.
    """
    if logits.device.type == "cpu":
        return logits.amax(1), partial(_tokens_by_text, logits)
    largest, tokens = logits.max(1)
    return largest, lambda text, term: tokens[text, term]


def _tokens_by_text(logits: torch.Tensor, text: torch.Tensor, term: torch.Tensor) -> torch.Tensor:
    return torch.cat([part.index_select(1, term[text == t]).argmax(0) for t, part in enumerate(logits)])


class MaxHead(torch.autograd.Function):
    """ReLU of `max_logits` with a backward pass over the active terms alone.

    A term's maximum has one token as its source, and an inactive term has no gradient; so the backward
    pass takes one product for each active term, not tokens x terms.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden: torch.Tensor, lengths: Sequence[int], weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """Texts x terms, at least 0."""
        rows = padded_rows(lengths).to(hidden.device)
        tokens = hidden.detach()[rows.flatten()]
        values = torch.empty((len(lengths), weight.shape[0]), dtype=torch.float32, device=hidden.device)
        texts, terms, sources = [], [], []
        size = terms_at_a_time(tokens)
        for begin in range(0, weight.shape[0], size):
            part = weight.detach()[begin : begin + size]
            logits = (tokens @ part.T).view(*rows.shape, -1)
            largest, tokens_of = _with_sources(logits)
            best = largest.float()
            if bias is not None:
                best = best + bias.detach()[begin : begin + size].float()
            values[:, begin : begin + size] = best
            text, term = torch.nonzero(best > 0, as_tuple=True)
            texts.append(text)
            terms.append(term + begin)
            sources.append(rows[text, tokens_of(text, term)])
        active = tuple(torch.cat(part) for part in (texts, terms, sources))
        ctx.save_for_backward(hidden, weight, *active)
        ctx.with_bias = bias is not None
        return values.relu_()

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of hidden states, weight and bias, each only where it is asked for."""
        hidden, weight, texts, terms, sources = ctx.saved_tensors
        flow = gradient[texts, terms].to(hidden.dtype)
        of_hidden = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_hidden = torch.zeros_like(hidden)
            for begin in range(0, len(flow), 1 << 16):
                part = slice(begin, begin + (1 << 16))
                of_hidden.index_add_(0, sources[part], weight[terms[part]].to(flow.dtype).mul_(flow[part, None]))
        if ctx.needs_input_grad[2]:
            of_weight = torch.zeros_like(weight)
            for begin in range(0, len(flow), 1 << 16):
                part = slice(begin, begin + (1 << 16))
                of_weight.index_add_(0, terms[part], hidden[sources[part]].mul_(flow[part, None]))
        if ctx.with_bias and ctx.needs_input_grad[3]:
            of_bias = torch.zeros(weight.shape[0], dtype=torch.float32, device=hidden.device)
            of_bias.index_add_(0, terms, flow.float())
        return of_hidden, None, of_weight, of_bias


def active_terms(
    hidden: torch.Tensor,
    lengths: Sequence[int],
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    scale: torch.Tensor | None = None,
) -> torch.Tensor:
    """log(1 + scale * ReLU(largest logit + bias)) of each term, texts x terms, with gradients where any are wanted."""
    trained = (tensor for tensor in (hidden, weight, bias, scale) if tensor is not None and tensor.requires_grad)
    if not (torch.is_grad_enabled() and any(True for _ in trained)):
        largest = max_logits(hidden, lengths, weight, bias).relu_()
        return (largest if scale is None else largest.mul_(scale)).log1p_()
    positive = MaxHead.apply(hidden, lengths, weight, bias)
    return torch.log1p(positive if scale is None else positive * scale)
