"""CIFF: bytes as its definition has them, and vectors that come back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from typer.testing import CliRunner
from vector_folders import write_vectors

from harness.ciff import files as ciff
from harness.cli import app as cli
from harness.errors import UserError
from harness.indexes import create
from harness.vectors import load_vectors

# Two documents, the terms "a" (documents 0 and 1, counted 1 and 2) and "b" (document 1, counted 300), written by hand
# from the definition: each message after its length; numbers that are 0 left out.
BY_HAND = bytes.fromhex(
    "18" "0801" "1002" "1802" "2002" "2802" "30af02" "390000000000f06240" "4200"
    "11" "0a0161" "1002" "1803" "22021001" "220408011002"
    "0f" "0a0162" "1001" "18ac02" "2205080110ac02"
    "05" "120164" "1801"
    "08" "0801" "120165" "18ae02"
)  # fmt: skip


def read(path, folder):
    folder.mkdir()
    info, names = ciff.read_ciff(path, folder)
    return load_vectors(folder), info, names


def test_a_file_written_by_hand(tmp_path):
    (tmp_path / "index.ciff").write_bytes(BY_HAND)
    vectors, info, names = read(tmp_path / "index.ciff", tmp_path / "out")
    assert vectors.toarray().tolist() == [[1, 0], [2, 300]]
    assert (info.rows, info.columns, info.stored, names) == (2, 2, 3, ["d", "e"])
    assert (tmp_path / "out" / "terms.txt").read_text() == "a\nb"


def test_the_postings_written_are_those_by_hand(tmp_path):
    rows = sparse.csr_matrix(np.array([[1, 0], [2, 300]], np.float32))
    assert ciff.write_ciff(tmp_path / "index.ciff", rows, ["d", "e"], terms=["a", "b"], levels=300) == 1.0
    assert BY_HAND[25:] in (tmp_path / "index.ciff").read_bytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 300), st.integers(1, 60))
def test_there_and_back(tmp_path_factory, seed, rows, columns, budget):
    folder = tmp_path_factory.mktemp("ciff")
    rng = np.random.default_rng(seed)
    vectors = sparse.random(rows, columns, 0.1, "csr", np.float32, random_state=rng)
    vectors.data = rng.integers(1, 256, len(vectors.data)).astype(np.float32) / 4
    if vectors.nnz:
        vectors.data[0] = 255 / 4
    kept = ciff.BUDGET, ciff.BLOCK
    ciff.BUDGET, ciff.BLOCK = budget, 7
    try:
        scale = ciff.write_ciff(folder / "index.ciff", vectors, [f"d{n}" for n in range(rows)])
    finally:
        ciff.BUDGET, ciff.BLOCK = kept
    back, info, names = read(folder / "index.ciff", folder / "out")
    assert scale == (0.25 if vectors.nnz else 1.0)
    assert names == [f"d{n}" for n in range(rows)]
    assert (info.rows, info.columns) == vectors.shape
    assert (back.indptr == vectors.indptr).all()
    assert (back.indices == vectors.indices).all()
    assert (back.data == vectors.data).all()


def test_no_more_postings_are_held_than_the_budget_but_for_one_long_list():
    counts = np.array([0, 5, 3, 0, 9, 1, 1])
    before, ciff.BUDGET = ciff.BUDGET, 8
    try:
        ranges = list(ciff._ranges(counts))
    finally:
        ciff.BUDGET = before
    assert [int(counts[a:b].sum()) for a, b in ranges] == [8, 9, 2]


def test_columns_that_do_not_ascend_in_the_file_are_sorted(tmp_path):
    rows = sparse.csr_matrix(np.array([[1, 2, 3]], np.float32))
    ciff.write_ciff(tmp_path / "index.ciff", rows, terms=["2", "0", "1"], levels=3)
    vectors, _, _ = read(tmp_path / "index.ciff", tmp_path / "out")
    assert vectors.indices.tolist() == [0, 1, 2]
    assert vectors.toarray().tolist() == [[2, 3, 1]]


def test_what_comes_back_is_searched_alike(tmp_path):
    rng = np.random.default_rng(3)
    vectors = sparse.random(200, 80, 0.2, "csr", np.float32, random_state=rng)
    scale = ciff.write_ciff(tmp_path / "index.ciff", vectors)
    back, _, _ = read(tmp_path / "index.ciff", tmp_path / "out")
    assert np.abs(back - vectors).max() <= scale / 2 + 1e-7 or vectors.data.min() < scale
    one, other = create("inverted", weights="float32"), create("scipy")
    one.build(back)
    other.build(back)
    np.testing.assert_array_equal(one.search(vectors[:5], 5)[0], other.search(vectors[:5], 5)[0])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(BY_HAND) - 1), st.integers(0, 255), st.booleans())
def test_damage_is_one_clear_error_or_another_valid_file(tmp_path_factory, place, byte, cut):
    folder = tmp_path_factory.mktemp("ciff")
    bad = BY_HAND[:place] if cut else BY_HAND[:place] + bytes([byte]) + BY_HAND[place + 1 :]
    (folder / "index.ciff").write_bytes(bad)
    try:
        vectors, _, _ = read(folder / "index.ciff", folder / "out")
    except UserError as error:
        assert "index.ciff" in str(error)
        return
    assert not cut
    assert np.isfinite(vectors.toarray()).all()


def test_what_cannot_be_written_is_refused(tmp_path):
    for value, words in ((np.nan, "NaN"), (-1.0, "negative")):
        with pytest.raises(UserError, match=words):
            ciff.write_ciff(tmp_path / "x", sparse.csr_matrix(np.array([[value, 1]], np.float32)))
    with pytest.raises(UserError, match="dense"):
        ciff.write_ciff(tmp_path / "x", np.ones((2, 2), np.float32))


def test_the_command_writes_and_reads(tmp_path):
    vectors = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 4]], np.float32))
    write_vectors(tmp_path / "in", "sparse", 3, [vectors])
    runner = CliRunner()
    wrote = runner.invoke(cli.app, ["ciff", str(tmp_path / "in"), str(tmp_path / "x.ciff"), "--levels", "4"])
    assert (wrote.exit_code, "is 1 x" in wrote.output) == (0, True)
    read_ = runner.invoke(cli.app, ["ciff", str(tmp_path / "x.ciff"), str(tmp_path / "out")])
    assert "2 documents with 3 postings of 3 terms" in read_.output
    assert (load_vectors(tmp_path / "out") != vectors).nnz == 0
