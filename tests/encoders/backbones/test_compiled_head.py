"""The compiled head multiplies exactly, its bounds hold for any numbers, and they do not depend on threads."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.encoders.backbones import compiled_head
from harness.encoders.backbones.compiled_head import (
    GROUP,
    CompiledHead,
    add_bounds,
    has_avx2,
    in_steps,
    largest_products,
)
from harness.encoders.backbones.screened_head import Screen
from harness.training.max_head import max_logits

pytestmark = pytest.mark.skipif(not has_avx2(), reason="a processor without AVX2 has other heads")
SCALES = st.sampled_from([1e-44, 1e-38, 1e-20, 1e-3, 1.0, 1e4, 1e18, 1e30])


def bounds(copy, states):
    """The least and the greatest value of each logit, or None."""
    found = copy.products(states)
    if found is None:
        return None
    lows, highs = np.empty(copy.terms, np.float32), np.empty(copy.terms, np.float32)
    add_bounds(found[0], copy.rows, 0, *found[1:], lows, highs)
    return lows, highs


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6), groups=st.integers(1, 4), pairs=st.integers(1, 20), tokens=st.integers(1, 11),
    largest=st.sampled_from([1, 100, 32767]),
)  # fmt: skip
def test_products_are_those_of_whole_numbers(seed, groups, pairs, tokens, largest):
    random = np.random.default_rng(seed)
    rows = random.integers(-127, 128, (groups * GROUP, 2 * pairs)).astype(np.int8)
    states = random.integers(-largest, largest + 1, (tokens, 2 * pairs)).astype(np.int16)
    sizes = random.random(tokens).astype(np.float32)
    found = np.full(len(rows), np.nan, np.float32)
    middle = groups // 2
    packed = compiled_head._packed(rows)
    largest_products(packed, states, sizes, middle, groups, found)
    assert np.isnan(found[: middle * GROUP]).all()
    largest_products(packed, states, sizes, 0, middle, found)
    products = (states.astype(np.int64) @ rows.T.astype(np.int64)).astype(np.float32) * sizes[:, None]
    assert np.array_equal(found, products.max(0))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), scale=SCALES, steps=st.sampled_from([1, 4127, 32767]))
def test_a_state_is_its_steps_and_what_was_lost(seed, scale, steps):
    random = np.random.default_rng(seed)
    states = (random.standard_normal((3, 7)) * scale).astype(np.float32)
    states[1] = 0
    even, sizes = np.zeros((3, 8), np.int16), np.empty(3, np.float32)
    lost, norm = in_steps(states, steps, even, sizes)
    assert np.abs(even).max() <= steps and not even[1].any() and not even[:, 7].any()
    exact = states.astype(np.float64)
    back = even[:, :7] * sizes.astype(np.float64)[:, None]
    assert lost == pytest.approx(np.linalg.norm(exact - back, axis=1).max(), rel=1e-9)
    assert norm == pytest.approx(np.linalg.norm(exact, axis=1).max(), rel=1e-9)
    assert (np.abs(exact - back) <= sizes[:, None] * 0.500001).all()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6), of_states=SCALES, of_head=SCALES, uneven=st.sampled_from([0.0, 3.0]),
    bias=st.sampled_from([None, 0.0, -30.0, 1e20]), terms=st.sampled_from([1, 16, 50]),
    hidden=st.sampled_from([1, 7, 64]),
)  # fmt: skip
def test_bounds_hold_for_any_numbers(seed, of_states, of_head, uneven, bias, terms, hidden):
    """Tiny and huge ones, dimensions of very different size: the exact logit and that of float32 lie within."""
    random = torch.Generator().manual_seed(seed)
    spread = (torch.randn(hidden, generator=random) * uneven).exp()
    states = torch.randn(5, hidden, generator=random) * spread * of_states
    states[2] = 0
    head = torch.randn(terms, hidden, generator=random) * of_head
    shift = None if bias is None else torch.randn(terms, generator=random) * bias
    found = bounds(CompiledHead(head, shift), states.numpy())
    longest = float(states.double().norm(dim=1).max() * head.double().norm(dim=1).max())
    if found is None:
        assert longest > 0.9e38
        return
    lows, highs = (torch.from_numpy(side).double() for side in found)
    exact = (states.double() @ head.double().T).amax(0) + (0 if shift is None else shift.double())
    near = max_logits(states, [5], head, shift)[0].double()
    for value in (exact, near):
        assert ((lows <= value) & (value <= highs)).all()


@pytest.mark.parametrize("hidden", [1, 577, 4096])
def test_no_sum_overflows(hidden):
    """The largest weights beside the largest states, of one sign and of the other."""
    head = torch.ones(3, hidden)
    head[1] = -1
    lows, highs = bounds(CompiledHead(head, None), np.ones((2, hidden), np.float32))
    assert lows.tolist() == pytest.approx([hidden, -hidden, hidden], rel=2e-3)
    assert highs.tolist() == pytest.approx([hidden, -hidden, hidden], rel=2e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 3e38])
@pytest.mark.parametrize("where", ["states", "head"])
def test_numbers_without_bounds_are_computed_whole(value, where):
    states, head = torch.ones(2, 16), torch.ones(40, 16)
    (states if where == "states" else head)[1, 3] = value
    assert bounds(CompiledHead(head, None), states.numpy()) is None
    ((terms, logits),) = Screen(head, None, CompiledHead).largest(states, [2], 10)
    assert terms.tolist() == list(range(40))
    assert torch.equal(logits, max_logits(states, [2], head)[0]) or bool(logits.isnan().any())


def test_a_sum_that_float32_cannot_hold_is_computed_whole():
    """Each product is finite, and the float32 head's sum is not: its weight must stay infinite."""
    states, head = torch.full((1, 16), 1e19), torch.full((40, 16), 1e19)
    assert bounds(CompiledHead(head, None), states.numpy()) is None


def test_threads_share_the_rows():
    random = torch.Generator().manual_seed(3)
    states, head = torch.randn(9, 32, generator=random), torch.randn(1000, 32, generator=random)
    one, several = CompiledHead(head, None), CompiledHead(head, None)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = bounds(one, states.numpy())
        torch.set_num_threads(3)
        shared = bounds(several, states.numpy())
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(alone, shared, strict=True))
    assert one._pool is None and several._pool is not None


@pytest.mark.parametrize("features, kind", [("", "Int8Head"), ("+avx2", "CompiledHead")])
def test_the_kind_follows_what_the_processor_has(features, kind):
    """As numba is told; a processor that multiplies bfloat16 has another kind before either."""
    code = (
        "import harness.encoders.backbones.screened_head as s; s.multiplies_bfloat16 = lambda: False; "
        "print(s.rough_head().__name__)"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == kind
