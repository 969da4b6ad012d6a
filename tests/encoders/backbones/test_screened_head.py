"""The screened head gives what the float32 head gives, and computes little of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.encoders.backbones.compiled_head import CompiledHead, has_avx2
from harness.encoders.backbones.rough_heads import Bfloat16Head, Int8Head
from harness.encoders.backbones.screened_head import Screen
from harness.training.max_head import max_logits

OF_TORCH = [Bfloat16Head, Int8Head]
HEADS = [*OF_TORCH, *([CompiledHead] if has_avx2() else [])]
ROUGH = st.sampled_from(HEADS)


def drawn(seed, terms=400, hidden=48, lengths=(3, 17, 1, 9), bias=None, spread=1.0):
    """States, lengths, head and bias: rows of very different length, and a bias that takes most of a logit away."""
    random = torch.Generator().manual_seed(seed)
    head = torch.randn(terms, hidden, generator=random) * torch.randn(terms, 1, generator=random).mul(spread).exp()
    states = torch.randn(sum(lengths), hidden, generator=random) * 3
    shift = None if bias is None else bias + torch.randn(terms, generator=random)
    return states, list(lengths), head, shift


def middle(rough, states):
    """Rough logits of one text without bias."""
    if isinstance(rough, CompiledHead):
        products, _, _ = rough.products(states.numpy())
        return torch.from_numpy(products[: rough.terms] * rough.rows[0])
    return rough.logits(states, [len(states)])[0][0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    keep=st.none() | st.integers(1, 500),
    bias=st.sampled_from([None, 0.0, -30.0, -200.0, 40.0]),
    spread=st.sampled_from([0.0, 0.5, 2.0]),
    outlier=st.sampled_from([1.0, 40.0]),
    rough=ROUGH,
)
def test_terms_and_logits_are_those_of_the_whole_head(seed, keep, bias, spread, outlier, rough):
    """Against float64, as near as any sum in float32 is bound to be; only equals within that may be left out."""
    states, lengths, head, shift = drawn(seed, bias=bias, spread=spread)
    states[:, 0] *= outlier
    exact = max_logits(states.double(), lengths, head.double(), None if shift is None else shift.double())
    longest = torch.stack([part.norm(dim=1).max() for part in states.split(lengths)])
    near = 2.0**-23 * (
        (head.shape[1] + 2) * longest[:, None] * head.norm(dim=1) + (0 if shift is None else shift.abs())
    )
    found = list(Screen(head, shift, rough).largest(states, lengths, keep))
    for row, off, (terms, logits) in zip(exact, near, found, strict=True):
        assert ((logits - row[terms]).abs() <= off[terms]).all()
        needed = torch.zeros(())
        if keep is not None:
            last = row.topk(min(keep, len(row))).indices[-1]
            needed = (row[last] + off[last]).clamp(min=0)
        sure = row - off > needed
        assert set(sure.nonzero().squeeze(1).tolist()) <= set(terms.tolist())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), bias=st.sampled_from([None, -30.0, -200.0]), spread=st.sampled_from([0.0, 2.0]),
    rough=st.sampled_from(OF_TORCH),
)  # fmt: skip
def test_bounds_hold(seed, bias, spread, rough):
    states, lengths, head, shift = drawn(seed, bias=bias, spread=spread)
    copy = rough(head, shift)
    logits, lost = copy.logits(states, lengths)
    logits = logits if shift is None else logits + shift
    whole = max_logits(states.double(), lengths, head.double(), None if shift is None else shift.double())
    norm = states.norm(dim=1)
    for row, exact, off, size in zip(logits, whole, lost.split(lengths), norm.split(lengths), strict=True):
        assert ((row - exact).abs() <= copy.bounds(row, float(off.max()), float(size.max()))).all()


@pytest.mark.parametrize("steps", [1, 63])
def test_no_sum_of_int8_products_overflows(steps):
    """The largest weights beside the largest states, of one sign and of the other."""
    head = torch.ones(4, 512)
    head[1], head[3] = -1, 0.5
    states = torch.full((2, 512), float(steps))
    states[1] = -states[1]
    logits, lost = Int8Head(head, None).logits(states, [1, 1])
    assert logits.flatten().tolist() == pytest.approx((states @ head.T).flatten().tolist(), rel=1e-3)
    assert lost.tolist() == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("rough_head", HEADS)
def test_few_terms_are_computed_exactly_and_rough_ones_would_not_do(rough_head):
    states, lengths, head, _ = drawn(5, terms=20_000, hidden=256, lengths=(64,), spread=0.0)
    screen = Screen(head, None, rough_head)
    ((terms, logits),) = screen.largest(states, lengths, 200)
    assert 200 <= len(terms) < 2_000
    rough = middle(screen.rough, states)
    best = set(terms[logits.topk(200).indices].tolist())
    assert best != set(rough.topk(200).indices.tolist())


@pytest.mark.parametrize("rough", HEADS)
def test_a_text_with_many_ties_or_without_bounds_is_computed_whole(rough):
    head = torch.ones(1000, 16)
    ((terms, logits),) = Screen(head, None, rough).largest(torch.ones(2, 16), [2], 10)
    assert len(terms) == 1000 and logits.unique().tolist() == [16.0]
    states = torch.ones(2, 16)
    states[1, 3] = float("nan")
    ((terms, logits),) = Screen(head, None, rough).largest(states, [2], 10)
    assert len(terms) == 1000 and bool(logits.isnan().all())
