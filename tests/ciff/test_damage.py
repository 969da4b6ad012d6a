"""CIFF files from elsewhere, and files that are broken in ways that a flipped byte seldom makes."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from typer.testing import CliRunner
from vector_folders import write_vectors

from harness.ciff.files import read_ciff, write_ciff
from harness.ciff.wire import decode, encode
from harness.cli import app as cli
from harness.errors import UserError
from harness.vectors import load_vectors


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def message(*fields):
    body = b"".join(fields)
    return varint(len(body)) + body


def header(lists, documents, about=b"made elsewhere"):
    return message(number(1, 1), number(2, lists), number(3, documents), text(8, about))


def posting(gap, whole):
    body = number(1, gap) + number(2, whole)
    return text(4, body)


def posting_list(term, pairs):
    return message(text(1, term), number(2, len(pairs)), *(posting(gap, whole) for gap, whole in pairs))


def record(place, name):
    return message(number(1, place), text(2, name), number(3, 1))


GOOD = [
    header(2, 2),
    posting_list(b"apple", [(0, 3), (1, 1)]),
    posting_list(b"pear", [(1, 2)]),
    record(0, b"first"),
    record(1, b"second"),
]


def read(tmp_path, parts):
    path, folder = tmp_path / "x.ciff", tmp_path / "out"
    path.write_bytes(b"".join(parts))
    folder.mkdir(exist_ok=True)
    info, names = read_ciff(path, folder)
    return load_vectors(folder), info, names


def test_a_file_of_another_program_has_a_column_a_term_in_the_order_of_the_file(tmp_path):
    vectors, info, names = read(tmp_path, GOOD)
    assert vectors.toarray().tolist() == [[3, 0], [1, 2]]
    assert (info.columns, names) == (2, ["first", "second"])
    assert (tmp_path / "out" / "terms.txt").read_text() == "apple\npear"


@pytest.mark.parametrize(
    ("place", "part", "words"),
    [
        (0, header(3, 2), "documents are not in order"),
        (0, header(1 << 40, 2), "more is announced than the file has room for"),
        (0, header(2, 1 << 40), "more is announced than the file has room for"),
        (0, header(2, 2, b"laconic-bench: scale=0.0 columns=9"), "scale or number of columns is impossible"),
        (0, header(2, 2, b"laconic-bench: scale=inf columns=9"), "scale or number of columns is impossible"),
        (0, header(2, 2, b"laconic-bench: scale=x columns=9"), "could not convert"),
        (0, header(2, 2, b"laconic-bench: scale=1.0 columns=2147483648"), "columns is impossible"),
        (0, header(2, 2, b"\xff\xfe"), "codec can't decode"),
        (0, message(text(2, b"2"), number(3, 2)), "field 2 is no whole number"),
        (0, message(number(2, 2), number(3, 2), number(8, 1)), "field 8 is no text"),
        (0, message(number(2, 2), number(3, 2), b"\x3b"), "a field of kind 3"),
        (0, message(number(2, 2), number(3, 2), varint(8 << 3 | 2) + b"\x7f"), "a message ends too early"),
        (0, message(number(2, 2), number(3, 2), b"\x39\x00"), "unpack"),
        (1, posting_list(b"apple", [(1, 3), (0, 1)]), "document numbers do not ascend"),
        (1, posting_list(b"apple", [(0, 3), (7, 1)]), "too large"),
        (1, posting_list(b"apple", [(0, 0)]), "a posting counts nothing"),
        (1, message(text(1, b"apple"), number(2, 5), posting(0, 1)), "a list of postings does not follow the format"),
        (1, posting_list(b"apple", [(1 << 31, 1)]), "does not follow the format"),
        (1, posting_list(b"\xff", [(0, 1)]), "codec can't decode"),
        (3, record(1, b"first"), "documents are not in order"),
        (4, record(1, b"second") + b"\x00", "something follows the last document"),
        (4, b"\xff\xff\xff\xff\xff\xff\xff", "a length is too large"),
        (4, b"", "the file ends too early"),
    ],
)
def test_every_part_is_checked(tmp_path, place, part, words):
    parts = [*GOOD[:place], part, *GOOD[place + 1 :]]
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, parts)
    assert caught.value.file == tmp_path / "x.ciff"
    assert "export the index again" in caught.value.remedy


def test_a_term_whose_number_is_beyond_the_columns_is_refused(tmp_path):
    parts = [header(1, 1, b"laconic-bench: scale=1.0 columns=3"), posting_list(b"3", [(0, 1)]), record(0, b"a")]
    with pytest.raises(UserError, match="a term's number is beyond the number of terms"):
        read(tmp_path, parts)


@pytest.mark.parametrize("second", [b"1", b"01"])
def test_two_lists_of_one_term_are_refused(tmp_path, second):
    """A row would have the same column twice."""
    lists = [posting_list(b"1", [(0, 1)]), posting_list(second, [(0, 2)])]
    parts = [header(2, 1, b"laconic-bench: scale=1.0 columns=3"), *lists, record(0, b"a")]
    with pytest.raises(UserError, match="two lists of postings are of the same term"):
        read(tmp_path, parts)


def test_terms_with_texts_have_the_columns_in_order_and_the_scale_is_kept(tmp_path):
    rows = sparse.csr_matrix(np.array([[0.5, 0, 2], [0, 1, 0]], np.float32))
    scale = write_ciff(tmp_path / "x.ciff", rows, ["a", "b"], terms=["x", "y", "z"], levels=4)
    (tmp_path / "out").mkdir()
    info, names = read_ciff(tmp_path / "x.ciff", tmp_path / "out")
    assert (scale, info.columns, names) == (0.5, 3, ["a", "b"])
    np.testing.assert_array_equal(load_vectors(tmp_path / "out").toarray(), rows.toarray())


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0), (3, 5)])
def test_nothing_is_written_and_read_as_nothing(tmp_path, shape):
    write_ciff(tmp_path / "x.ciff", sparse.csr_matrix(shape, dtype=np.float32))
    (tmp_path / "out").mkdir()
    info, names = read_ciff(tmp_path / "x.ciff", tmp_path / "out")
    assert ((info.rows, info.columns), info.stored) == (shape, 0)
    assert names == [str(place) for place in range(shape[0])]
    assert load_vectors(tmp_path / "out").shape == shape


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300), st.integers(1, 2**20))
def test_rounding_is_to_the_nearest_step_and_never_to_nothing(tmp_path_factory, seed, levels, size):
    folder = tmp_path_factory.mktemp("ciff")
    rng = np.random.default_rng(seed)
    rows = sparse.csr_matrix(rng.random((6, 5), np.float32) * (rng.random((6, 5)) < 0.6) * np.float32(size))
    scale = write_ciff(folder / "x.ciff", rows, levels=levels)
    (folder / "out").mkdir()
    read_ciff(folder / "x.ciff", folder / "out")
    back = load_vectors(folder / "out")
    np.testing.assert_array_equal(back.indices, rows.indices)
    steps = np.clip(np.rint(rows.data / np.float64(scale)), 1, levels)
    np.testing.assert_allclose(back.data, steps * scale, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1)), max_size=12), st.binary(max_size=5))
def test_postings_of_any_size_come_back(pairs, term):
    gaps, wholes = (np.array([pair[place] for pair in pairs], np.int64) for place in (0, 1))
    out = np.empty(len(pairs) * 14, np.uint8)
    body = out[: encode(gaps, wholes, out)].tobytes()
    listed = text(1, term) + number(2, len(pairs)) + body
    back, documents, counted = decode(np.frombuffer(listed, np.uint8))
    assert back == term
    np.testing.assert_array_equal(documents, np.cumsum(gaps))
    np.testing.assert_array_equal(counted, wholes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_a_list_or_one_clear_error(content):
    try:
        term, documents, wholes = decode(np.frombuffer(content, np.uint8))
    except ValueError as error:
        assert "does not follow the format" in str(error)
        return
    assert len(documents) == len(wholes)
    assert term in content


def test_fields_of_other_programs_are_passed_over(tmp_path):
    """A list and a record may have fields that this definition does not know, and numbers of 8 bytes in the header."""
    parts = [
        message(number(2, 1), number(3, 1), b"\x39" + struct.pack("<d", 1.5), number(15, 7), text(14, b"later")),
        message(text(1, b"a"), number(2, 1), posting(0, 2), number(9, 300)),
        message(text(2, b"only"), number(3, 1), number(12, 4)),
    ]
    vectors, _, names = read(tmp_path, parts)
    assert (vectors.toarray().tolist(), names) == ([[2]], ["only"])


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x1f\x8b\x08\x00", b"not an index at all"])
def test_the_command_says_what_is_no_index(tmp_path, content):
    (tmp_path / "x.ciff").write_bytes(content)
    done = CliRunner().invoke(cli.app, ["ciff", str(tmp_path / "x.ciff"), str(tmp_path / "out")])
    if content == b"\x00":  # a header without fields: an index of nothing
        assert "0 documents with 0 postings of 0 terms" in done.output
    else:
        assert isinstance(done.exception, UserError)
        assert "x.ciff" in str(done.exception)


def test_the_command_refuses_dense_vectors(tmp_path):
    write_vectors(tmp_path / "in", "dense", 3, [np.ones((2, 3), np.float32)])
    done = CliRunner().invoke(cli.app, ["ciff", str(tmp_path / "in"), str(tmp_path / "x.ciff")])
    assert isinstance(done.exception, UserError)
    assert "these vectors are dense" in str(done.exception)
