"""The dense twin against sentence-transformers, and its own options."""

import json

import numpy as np
import pytest

from harness.encoders.backbones.packed_encoder import rounded
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.errors import UserError


def made(folder, tmp_path, **params):
    tmp_path.mkdir(exist_ok=True)
    maker = DenseTwin(DenseTwinParams(backbone=str(folder), document_length=20, query_length=20, **params))
    maker.fit(tmp_path)
    return maker.load(tmp_path)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_the_folder_is_a_sentence_transformer(llama_folder, tmp_path, texts, pooling):
    from sentence_transformers import SentenceTransformer, SparseEncoder

    encoder = made(llama_folder, tmp_path / "m", pooling=pooling, layers=2, embedding_scale=3.0, batch_size=3)
    theirs = SentenceTransformer(str(tmp_path / "m"), device="cpu", local_files_only=True)
    assert not isinstance(theirs, SparseEncoder)
    for ours, expected in (
        (encoder.encode_documents(texts), theirs.encode_document(texts)),
        (encoder.encode_queries(texts), theirs.encode_query(texts)),
    ):
        assert (ours.dtype, ours.shape) == (np.float32, (7, 32))
        np.testing.assert_allclose(ours, expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_first_dimensions_normalised_again(llama_folder, tmp_path, texts):
    whole = made(llama_folder, tmp_path / "a").encode_documents(texts)
    part = made(llama_folder, tmp_path / "b", dimensions=8)
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    assert part.width == 8
    np.testing.assert_allclose(part.encode_documents(texts), expected, atol=1e-5)


def test_more_dimensions_than_there_are(llama_folder, tmp_path):
    with pytest.raises(UserError, match="gives 32 dimensions, not 33"):
        made(llama_folder, tmp_path / "m", dimensions=33)


def test_output_of_fewer_bits_is_rounded_and_saved_with_the_model(llama_folder, tmp_path, texts):
    exact = made(llama_folder, tmp_path / "a").encode_documents(texts)
    half = made(llama_folder, tmp_path / "b", output="float16").encode_documents(texts)
    np.testing.assert_array_equal(half, exact.astype(np.float16).astype(np.float32))
    assert np.abs(half - exact).max() > 0
    encoder = made(llama_folder, tmp_path / "c", output="int8", document_prefix="")
    assert json.loads((tmp_path / "c" / "contract.json").read_text())["output"] == "int8"
    rows = encoder.encode_documents([*texts, "sort"])
    plain = made(llama_folder, tmp_path / "d", document_prefix="").encode_documents([*texts, "sort"])
    assert not rows[1].any()
    for row, whole in zip(np.delete(rows, 1, 0), np.delete(plain, 1, 0), strict=True):
        steps = row / (np.abs(whole).max() / 127)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert np.abs(steps).max() == pytest.approx(127)
        assert np.abs(row - whole).max() <= np.abs(whole).max() / 253


@pytest.mark.parametrize("output", ["int8", "float16"])
def test_the_rounding_of_a_row_depends_on_no_other(output):
    """Also with a dimension that is the same in all rows, and a row of zeros."""
    rows = np.random.default_rng(3).normal(size=(7, 12)).astype(np.float32)
    rows[:, 4], rows[2] = 0.5, 0
    together = rounded(rows, output)
    assert np.isfinite(together).all() and not together[2].any()
    for number, row in enumerate(together):
        np.testing.assert_array_equal(rounded(rows[number : number + 1], output)[0], row)


def test_an_empty_text_without_prefix_is_zero(llama_folder, tmp_path):
    encoder = made(llama_folder, tmp_path / "m", document_prefix="")
    assert not encoder.encode_documents(["", "sort"])[0].any()
    assert encoder.encode_documents([]).shape == (0, 32)
    assert encoder.terms([1]) == []
    assert encoder.count_flops(5) == encoder.model.backbone.shape.flops(5)
