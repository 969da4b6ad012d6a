"""Vectors that were made elsewhere: every format gives what was saved, and nothing else is taken for vectors."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from scipy import sparse

from harness.encoders import StoredRows, registry
from harness.encoders.precomputed.vector_files import VectorFile
from harness.encoders.precomputed.write import write_side
from harness.errors import UserError

IDS = {"documents": ["d1", "ü 2", "d\u20283"], "queries": ["q1", "q2"]}
ROWS = {
    "documents": np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, 0.25, 0]], np.float32),
    "queries": np.array([[0, 1, 0, 0], [2, 0, 0, 1]], np.float32),
}
TOKENS = ["list", "sort", "graph", "日"]


def write(folder, form):
    """The vectors above in one format; the parameters that name the files."""
    folder.mkdir(exist_ok=True)
    named = {}
    for side, rows in ROWS.items():
        csr = sparse.csr_matrix(rows)
        if form == "jsonl":
            lines = [
                {"id": name, "vector": {TOKENS[place]: float(row[place]) for place in np.flatnonzero(row)}}
                for name, row in zip(IDS[side], rows, strict=True)
            ]
            file = folder / f"{side}.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        elif form.startswith("parquet"):
            file = folder / f"{side}.parquet"
            write_parquet(file, IDS[side], rows, form.removeprefix("parquet "))
        elif form.startswith("safetensors"):
            file = folder / f"{side}.safetensors"
            write_safetensors(file, rows, form.removeprefix("safetensors "))
        elif form == "npy":
            file = folder / f"{side}.npy"
            np.save(file, rows)
        elif form == "tokens":
            file = folder / f"{side}.npz"
            np.savez(file, data=csr.data, indices=np.array(TOKENS)[csr.indices], indptr=csr.indptr)
        else:
            file = folder / f"{side}.npz"
            sparse.save_npz(file, csr, compressed=form == "compressed")
        ids = folder / f"{side}-ids.txt"
        ids.write_text("".join(f"{name}\n" for name in IDS[side]))
        named |= {side: str(file), {"documents": "document_ids", "queries": "query_ids"}[side]: str(ids)}
    return named


def write_parquet(file, ids, rows, form, **settings):
    """Rows as a Parquet file: `form` is indices, tokens, fixed or lists."""
    csr = sparse.csr_matrix(rows)
    if form in {"indices", "tokens"}:
        places = [csr.indices[begin:end].tolist() for begin, end in itertools.pairwise(csr.indptr.tolist())]
        values = [csr.data[begin:end].tolist() for begin, end in itertools.pairwise(csr.indptr.tolist())]
        named = [[TOKENS[place] for place in row] for row in places] if form == "tokens" else places
        kind = pa.string() if form == "tokens" else pa.int32()
        columns = {"indices": pa.array(named, pa.list_(kind)), "values": pa.array(values, pa.list_(pa.float32()))}
    else:
        kind = pa.list_(pa.float32(), rows.shape[1]) if form == "fixed" else pa.large_list(pa.float64())
        columns = {"vector": pa.array(rows.tolist(), kind)}
    pq.write_table(pa.table({"id": pa.array(ids, pa.string()), **columns}), file, **settings)


def write_safetensors(file, rows, form):
    """Rows as a .safetensors: `form` is csr, matrix or bfloat16."""
    csr = sparse.csr_matrix(rows)
    if form == "csr":
        shape = np.array(csr.shape, np.int64)
        save_file({"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": shape}, file)
    elif form == "matrix":
        save_file({"embeddings": np.ascontiguousarray(rows)}, file)
    else:
        save_torch({"embeddings": torch.from_numpy(np.array(rows)).bfloat16()}, file)


SPARSE = ["plain", "compressed", "tokens", "jsonl", "safetensors csr", "parquet indices", "parquet tokens"]
DENSE = ["npy", "safetensors matrix", "safetensors bfloat16", "parquet fixed", "parquet lists"]


def type_of(form):
    return "dense-vectors" if form in DENSE else "vectors"


def made(place, type="vectors", **params):
    maker = registry.get(type)
    encoder = maker(maker.Params(**params))
    out = place / "out"
    out.mkdir()
    facts = encoder.fit(out)
    return encoder, facts, encoder.load(out)


def dense(rows):
    return rows.toarray() if sparse.issparse(rows) else rows


@pytest.mark.parametrize("form", [*SPARSE, *DENSE])
def test_rows_are_those_that_were_saved_in_whatever_order(tmp_path, form):
    maker, facts, encoder = made(tmp_path, type_of(form), **write(tmp_path / "files", form))
    assert isinstance(encoder, StoredRows) and encoder.kind == maker.kind and encoder.width == 4
    assert ("pyarrow" in maker.libraries_with(maker.params)) == form.startswith("parquet")
    assert facts["vectors"] == {"documents": 3, "queries": 2} and not maker.encodes() and not maker.learned()
    for side, role in (("documents", "document"), ("queries", "query")):
        turned = encoder.rows(IDS[side][::-1], role)
        columns = (
            [encoder.terms(range(4)).index(token) for token in TOKENS]
            if form in {"tokens", "jsonl", "parquet tokens"}
            else range(4)
        )
        assert turned.dtype == np.float32
        np.testing.assert_array_equal(dense(turned)[:, columns], ROWS[side][::-1])
        encoder.match(IDS[side], role)
    if form == "plain":
        assert encoder.terms([2, 0]) == ["2", "0"]


def test_a_folder_of_lsr_benchmark_is_read(tmp_path):
    files = write(tmp_path / "files", "tokens")
    for side, short in (("document", "doc"), ("query", "query")):
        target = tmp_path / "lsr" / short
        target.mkdir(parents=True)
        plural = {"document": "documents", "query": "queries"}[side]
        (target / f"{short}-embeddings.npz").write_bytes((tmp_path / "files" / f"{plural}.npz").read_bytes())
        (target / f"{short}-ids.txt").write_text("\n".join(IDS[plural]))  # no end of the last line
    maker, _, encoder = made(tmp_path, folder=str(tmp_path / "lsr"))
    (tmp_path / "again").mkdir()
    _, _, same = made(tmp_path / "again", **files)
    np.testing.assert_array_equal(dense(encoder.rows(["d1"], "document")), dense(same.rows(["d1"], "document")))
    before = maker.fingerprint()
    (tmp_path / "lsr" / "query" / "query-ids.txt").write_text("q1\nq3")
    assert maker.fingerprint() != before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_csr_comes_back(tmp_path_factory, data):
    rows, width = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 30))
    weights = st.floats(-4, 4, width=32).map(lambda value: value if abs(value) > 1e-3 else 0.0)
    square = np.array(
        data.draw(st.lists(st.lists(weights, min_size=width, max_size=width), min_size=rows, max_size=rows)), np.float32
    ).reshape(rows, width)
    folder = tmp_path_factory.mktemp("csr")
    sparse.save_npz(folder / "a.npz", sparse.csr_matrix(square), compressed=data.draw(st.booleans()))
    (folder / "ids.txt").write_text("".join(f"{row}\n" for row in range(rows)))
    side = VectorFile(folder / "a.npz", folder / "ids.txt")
    assert side.width() == width and not side.names_tokens()
    blocks = list(side.blocks(width, {}))
    assert [name for ids, _ in blocks for name in ids] == [str(row) for row in range(rows)]
    assert sum(block.shape[0] for _, block in blocks) == rows
    for begin, (_, block) in zip(range(0, rows, 1024), blocks, strict=True):
        np.testing.assert_array_equal(block.toarray(), square[begin : begin + 1024])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_file_is_an_error_of_its_own_or_reads_as_numbers(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    form = data.draw(st.sampled_from([*SPARSE, *DENSE]))
    files = write(folder / "files", form)
    file = folder / "files" / files["documents"].rpartition("/")[2]
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        made(folder, type_of(form), **files)
    except UserError as error:
        assert error.remedy


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_rows_come_back_from_safetensors_and_parquet(tmp_path_factory, data):
    rows, width = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 4))
    values = st.sampled_from([0.0, 0.0, 1.5, -2.25, 0.1])
    square = np.array(
        data.draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=rows, max_size=rows)), np.float32
    ).reshape(rows, width)
    form = data.draw(st.sampled_from(["csr", "matrix", "indices", "tokens", "fixed", "lists"]))
    folder, ids = tmp_path_factory.mktemp("rows"), [f"ü{row}" for row in range(rows)]
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in ids))
    if form in {"csr", "matrix"}:
        write_safetensors(folder / "a.safetensors", square, form)
        side = VectorFile(folder / "a.safetensors", folder / "ids.txt")
    else:
        compression, size = data.draw(st.sampled_from(["none", "zstd"])), data.draw(st.integers(1, 9))
        write_parquet(folder / "a.parquet", ids, square, form, compression=compression, row_group_size=size)
        side = VectorFile(folder / "a.parquet", None)
    assert side.kind() == ("dense" if form in {"matrix", "fixed", "lists"} else "sparse")
    columns = {}
    if side.names_tokens():
        side.tokens(columns)
        assert set(columns) == {TOKENS[place] for place in range(width) if square[:, place].any()}
        order = [TOKENS.index(token) for token in columns]
    else:
        order = range(side.width() if rows else width)
        assert side.width() <= width and not square[:, len(order) :].any()
    blocks = list(side.blocks(len(order), columns))
    assert [name for names, _ in blocks for name in names] == ids
    read = np.concatenate([np.zeros((0, len(order)), np.float32), *(dense(block) for _, block in blocks)])
    np.testing.assert_array_equal(read, square[:, list(order)])


@pytest.mark.parametrize("form", ["safetensors csr", "parquet indices", "parquet fixed"])
def test_a_large_file_is_read_in_pieces(tmp_path, form):
    """2500 rows are three blocks, though a Parquet file has them as one group."""
    rows = np.tile(ROWS["documents"], (834, 1))[:2500]
    ids = [str(row) for row in range(2500)]
    file = tmp_path / f"a.{form.partition(' ')[0]}"
    if file.suffix == ".parquet":
        write_parquet(file, ids, rows, form.partition(" ")[2])
    else:
        write_safetensors(file, rows, "csr")
    (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in ids))
    blocks = list(VectorFile(file, tmp_path / "ids.txt").blocks(4, {}))
    assert [len(names) for names, _ in blocks] == [1024, 1024, 452]
    np.testing.assert_array_equal(np.concatenate([dense(block) for _, block in blocks]), rows)


def test_identifiers_are_compared_with_the_collection(tmp_path):
    files = write(tmp_path / "files", "plain")
    _, _, encoder = made(tmp_path, **files)
    lacking = r"2 of 4 documents have no vector, such as 'x'; 1 of 3 vectors have no document"
    with pytest.raises(UserError, match=lacking) as refused:
        encoder.match(["d1", "x", "ü 2", "y"], "document")
    assert refused.value.key == "documents" and refused.value.remedy
    with pytest.raises(UserError, match="1 of 1 queries have no vector, such as 'q9'"):
        encoder.match(["q9"], "query")
    encoder.match(["q2"], "query")  # others may have no relevant document
    with pytest.raises(UserError, match="1 of 2 documents in a row have no vector, such as 'x'"):
        encoder.rows(["d1", "x"], "document")
    with pytest.raises(UserError, match="no other text can be encoded"):
        encoder.encode_queries(["a text"])
    (tmp_path / "files" / "documents-ids.txt").write_text("a\na\nb\n")
    (tmp_path / "twice").mkdir()
    with pytest.raises(UserError, match="1 identifiers are there twice"):
        made(tmp_path / "twice", **files)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    sparse_files, dense_files = write(tmp_path / "sparse", "plain"), write(tmp_path / "dense", "npy")
    with pytest.raises(UserError, match="other kind") as refused:
        made(tmp_path, **dense_files)
    assert "dense-vectors" in refused.value.remedy
    lines = write(tmp_path / "lines", "jsonl")
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=r"one side has tokens(.|\n)*write both sides"):
        made(tmp_path / "a", **{**sparse_files, "queries": lines["queries"]})
    np.save(tmp_path / "dense" / "queries.npy", np.ones((2, 5), np.float32))
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="4 dimensions, queries 5"):
        made(tmp_path / "b", "dense-vectors", **dense_files)
    params = registry.get("vectors").Params
    for wrong in ({}, {"documents": "a.npz"}, {"folder": "f", "documents": "a.npz", "queries": "b.npz"}):
        with pytest.raises(ValidationError, match="give a folder"):
            params(**wrong)
    with pytest.raises(UserError, match="no file of the queries"):
        params(**{**sparse_files, "queries": str(tmp_path / "none.npz")}).side("query")
    with pytest.raises(UserError, match="no format"):
        params(documents=str(tmp_path / "x.bin"), queries="y.npz").side("document")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_what_is_written_is_read_again_here_and_by_scipy(tmp_path_factory, data):
    rows, width = data.draw(st.integers(0, 12)), data.draw(st.integers(1, 9))
    values = st.sampled_from([0.0, 0.0, 1.5, -2.25, 1e-7])
    square = np.array(
        data.draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=rows, max_size=rows)), np.float32
    ).reshape(rows, width)
    ids = data.draw(st.lists(st.text(min_size=1).filter(lambda t: "\n" not in t), min_size=rows, max_size=rows))
    ids = [name.encode("utf-8", "replace").decode() for name in ids]
    folder = tmp_path_factory.mktemp("written")
    write_side(folder, "doc", sparse.csr_matrix(square), ids)
    np.testing.assert_array_equal(sparse.load_npz(folder / "doc" / "doc-embeddings.npz").toarray(), square)
    write_side(folder, "query", square, ids)
    np.testing.assert_array_equal(np.load(folder / "query" / "query-embeddings.npy", allow_pickle=False), square)
    for name, suffix in (("doc", "npz"), ("query", "npy")):
        side = VectorFile(folder / name / f"{name}-embeddings.{suffix}", folder / name / f"{name}-ids.txt")
        assert side.width() == width
        blocks = list(side.blocks(width, {}))
        assert [own for names, _ in blocks for own in names] == ids
        read = np.concatenate([np.zeros((0, width), np.float32), *(dense(block) for _, block in blocks)])
        np.testing.assert_array_equal(read, square)


def test_an_identifier_of_two_lines_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="end of a line"):
        write_side(tmp_path, "doc", np.ones((1, 1), np.float32), ["a\nb"])
