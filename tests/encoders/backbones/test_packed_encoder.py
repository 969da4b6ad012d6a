"""What becomes of packed states: pooling, rounding and the largest weights, each against the plain way."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.encoders.backbones.packed_attention import Layout
from harness.encoders.backbones.packed_encoder import largest_weights, pool, rounded
from harness.encoders.weights.sentence_transformers_folder import Contract

VALUES = st.floats(-100, 100, width=32)
LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@given(lengths=LENGTHS, seed=st.integers(0, 999), mode=st.sampled_from(["mean", "last", "first"]), unit=st.booleans(),
       kept=st.none() | st.integers(1, 4))  # fmt: skip
def test_pooled_rows_are_those_of_each_text_alone(lengths, seed, mode, unit, kept):
    states = torch.randn(sum(lengths), 4, generator=torch.Generator().manual_seed(seed))
    contract = Contract("dense", "", "", 9, 9, pooling=mode, normalise=unit, dimensions=kept)
    found = pool(states, lengths, contract).numpy()
    for row, part in zip(found, states.double().split(lengths), strict=True):
        whole = {"mean": part.mean(0), "last": part[-1], "first": part[0]}[mode][:kept]
        expected = whole / whole.norm() if unit else whole
        np.testing.assert_allclose(row, expected.numpy(), rtol=1e-4, atol=1e-5)


@given(lengths=LENGTHS, seed=st.integers(0, 999), causal=st.booleans())
def test_attention_stays_within_a_text(lengths, seed, causal):
    drawn = torch.Generator().manual_seed(seed)
    parts = [torch.randn(sum(lengths), 2, 4, generator=drawn) for _ in range(3)]
    layout = Layout(lengths, torch.device("cpu"), causal)
    found = layout.attend(*parts)
    begin = 0
    for length in lengths:
        q, k, v = (part[begin : begin + length].transpose(0, 1).double() for part in parts)
        scores = q @ k.transpose(1, 2) / 2.0
        if causal:
            scores = scores.masked_fill(~torch.ones(length, length, dtype=torch.bool).tril(), float("-inf"))
        expected = (scores.softmax(-1) @ v).transpose(0, 1).reshape(length, -1)
        torch.testing.assert_close(found[begin : begin + length].double(), expected, atol=1e-5, rtol=1e-4)
        begin += length


@given(row=arrays.arrays(np.float32, st.integers(0, 30), elements=VALUES), keep=st.none() | st.integers(1, 8))
def test_the_largest_weights_are_those_of_a_sort(row, keep):
    columns, weights = largest_weights(row, keep)
    positive = np.sort(row[row > 0])[::-1][:keep]
    assert (columns.dtype, weights.dtype) == (np.int32, np.float32)
    assert (np.diff(columns) > 0).all() and (row[columns] > 0).all()
    np.testing.assert_array_equal(np.sort(row[columns])[::-1], positive)
    np.testing.assert_array_equal(weights, np.log1p(row[columns]))


@given(rows=arrays.arrays(np.float32, (3, 7), elements=st.floats(-10, 10, width=32)))
def test_int8_is_within_half_a_step_and_keeps_the_largest(rows):
    found = rounded(rows, "int8")
    step = np.abs(rows).max(1, keepdims=True) / 127
    assert (np.abs(found - rows) <= step * 0.5001 + 1e-30).all()
    np.testing.assert_allclose(np.abs(found).max(1), np.abs(rows).max(1), rtol=1e-5, atol=1e-30)
    assert all(len(np.unique(row)) <= 255 for row in found)


@pytest.mark.parametrize(("output", "expected"), [("float32", 0.1), ("float16", float(np.float16(0.1)))])
def test_floats_are_rounded_as_numpy_does(output, expected):
    found = rounded(np.array([[0.1]], np.float32), output)
    assert found.dtype == np.float32 and found[0, 0] == np.float32(expected)
