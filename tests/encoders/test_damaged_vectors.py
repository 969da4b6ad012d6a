"""Files of vectors whose headers, columns or numbers cannot be right are refused by name."""

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from scipy import sparse

from harness.encoders.precomputed.array_files import HEADER
from harness.encoders.precomputed.vector_files import VectorFile
from harness.errors import UserError


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("form", ["npz", "npy", "jsonl", "safetensors", "parquet"])
def test_a_weight_that_is_no_float32_is_refused_with_its_file(tmp_path, form, value):
    file, values = tmp_path / f"a.{form}", np.array([[1.0, value]])
    (tmp_path / "ids.txt").write_text("1\n")
    if form == "npz":
        sparse.save_npz(file, sparse.csr_matrix(values))
    elif form == "npy":
        np.save(file, values)
    elif form == "jsonl":
        file.write_text(json.dumps({"id": 1, "vector": {"a": 1.0, "b": value}}) + "\n")
    elif form == "safetensors":
        save_file({"a": values}, file)
    else:
        pq.write_table(pa.table({"id": [1], "vector": values.tolist()}), file)
    side = VectorFile(file, tmp_path / "ids.txt")
    with pytest.raises(UserError, match="NaN, or infinite in float32") as caught:
        list(side.blocks(2, {"a": 0, "b": 1}))
    assert caught.value.file == file


COLUMNS = {"id": ["a", "b"], "indices": [[0], [1]], "values": [[1.0], [2.0]]}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"id": None}, "no column 'id'"),
        ({"values": None}, "no column 'values'"),
        ({"indices": None, "values": None}, "no column 'vector'"),
        ({"id": [1.5, 2.5]}, "'id' holds double"),
        ({"id": ["a", None]}, "'id' lacks values"),
        ({"indices": [1, 2]}, "not lists"),
        ({"indices": [[0.5], [1.5]]}, "'indices' holds double"),
        ({"values": [["a"], ["b"]]}, "'values' holds string"),
        ({"values": [[1.0], None]}, "'values' lacks values"),
        ({"values": [[1.0], [None]]}, "lists of the column 'values' lack values"),
        ({"values": [[1.0, 2.0], []]}, "as many indices as values"),
        ({"indices": [[0], [-1]]}, "beyond"),
        ({"indices": None, "values": None, "vector": [[1.0], [1.0, 2.0]]}, "not every vector has 1 dimensions"),
    ],
)
def test_a_parquet_file_of_other_columns_is_refused(tmp_path, change, what):
    columns = {name: values for name, values in (COLUMNS | change).items() if values is not None}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    side = VectorFile(tmp_path / "a.parquet", None)
    with pytest.raises(UserError, match=what) as caught:
        list(side.blocks(side.width(), {}))
    assert caught.value.file == tmp_path / "a.parquet" and caught.value.remedy


def tensor(dtype="F32", shape=(1, 2), offsets=(0, 8), name="a", content=b"0" * 8):
    header = json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()
    return len(header).to_bytes(8, "little") + header + content


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no .safetensors"),
        (b"\xff" * 40, "the format allows 100000000"),
        ((100).to_bytes(8, "little") + b"{", "header is cut off"),
        (tensor(content=b""), "bytes"),
        (tensor(shape=(1 << 40, 1 << 40)), "do not fit its shape"),
        (tensor(shape=(-1, -2)), "'a' has an impossible size"),
        (tensor(shape=("a", 2)), "'a' has an impossible size"),
        (tensor(offsets=(-8, 0)), "begins in the header"),
        (tensor(offsets=(0.0, 8.0)), "'a' has an impossible size"),
        (tensor(dtype="F8_E4M3", shape=(1, 8)), "dtype F8_E4M3"),
        (tensor(dtype=["F32"]), "'a' has a dtype that is no text"),
        (tensor(shape=(2,)), "1 dimensions"),
        (tensor(name="__metadata__"), "neither a CSR"),
        (tensor(name="indptr"), "no array 'indices'"),
    ],
)
def test_headers_of_safetensors_are_not_believed(tmp_path, content, what):
    (tmp_path / "a.safetensors").write_bytes(content)
    (tmp_path / "ids.txt").write_text("1\n")
    side = VectorFile(tmp_path / "a.safetensors", tmp_path / "ids.txt")
    with pytest.raises(UserError, match=what) as caught:
        list(side.blocks(side.width(), {}))
    assert caught.value.file == tmp_path / "a.safetensors" and caught.value.remedy


def npy(header, content=b""):
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000), }"), "ends early"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", b"cos\nsystem\n"), "Python objects"),
        (npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", b"0" * 16), "column by column"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", b"0" * 16), "1 dimensions"),
        (npy("(" * (HEADER + 50)), "no array of numpy"),
        (b"\x93NUMPY\x09\x00", "no array of numpy"),
        (b"no", "no array of numpy"),
    ],
)
def test_headers_are_not_believed(tmp_path, content, what):
    (tmp_path / "a.npy").write_bytes(content)
    (tmp_path / "ids.txt").write_text("1\n2\n")
    side = VectorFile(tmp_path / "a.npy", tmp_path / "ids.txt")
    with pytest.raises(UserError, match=what):
        list(side.blocks(side.width(), {}))


def npz(**arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            archive.writestr(f"{name}.npy", member.getvalue())
    return stream.getvalue()


CSR = {"data": np.ones(2, np.float32), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 2])}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"indptr": np.array([0, 2, 1])}, "do not fit"),
        ({"indptr": np.array([1, 1, 2])}, "do not fit"),
        ({"indptr": np.array([0, 1, 9])}, "do not fit"),
        ({"indptr": np.array([0.0, 1.0, 2.0])}, "whole numbers"),
        ({"indices": np.array([0, 1, 2])}, "do not fit"),
        ({"indices": np.array([0.0, 1.5])}, "indices hold float64"),
        ({"indices": np.array([0.0, 1.5]), "shape": np.array([2, 2])}, "indices hold float64"),
        ({"indices": np.array([0, float("nan")])}, "indices hold float64"),
        ({"indices": np.array([0, -1])}, "beyond"),
        ({"format": np.array(b"csc")}, "by rows"),
        ({"shape": np.array([2, 1])}, "beyond"),
        ({"shape": np.array([2, 2, 2])}, "two whole numbers"),
        ({"data": None}, "no array 'data'"),
    ],
)
def test_a_csr_whose_parts_do_not_fit_is_refused(tmp_path, change, what):
    arrays = {name: array for name, array in (CSR | change).items() if array is not None}
    (tmp_path / "a.npz").write_bytes(npz(**arrays))
    (tmp_path / "ids.txt").write_text("1\n2\n")
    side = VectorFile(tmp_path / "a.npz", tmp_path / "ids.txt")
    with pytest.raises(UserError, match=what):
        list(side.blocks(side.width(), {}))


@pytest.mark.parametrize(("ids", "what"), [("1\n", "fewer identifiers"), ("1\n2\n3\n", "more identifiers")])
def test_as_many_identifiers_as_vectors(tmp_path, ids, what):
    (tmp_path / "a.npz").write_bytes(npz(**CSR))
    (tmp_path / "ids.txt").write_text(ids)
    with pytest.raises(UserError, match=what):
        list(VectorFile(tmp_path / "a.npz", tmp_path / "ids.txt").blocks(2, {}))
