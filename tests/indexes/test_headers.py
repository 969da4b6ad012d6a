"""Descriptions and arrays of a saved index that have a right checksum and a wrong content."""

import json

import numpy as np
import pytest
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create, registry
from harness.indexes.files import Header, map_array, save_array, seal, unseal, unseal_header

ROWS = np.eye(6, dtype=np.float32)
ENGINES = {
    "inverted": ({}, 6),
    "scipy": ({}, 1),
    "faiss": ({"factory": "Flat"}, 1),
    "two-phase": ({}, 1),
    "sharded": ({"index": {"type": "scipy"}}, 1),
}
SEALS = {"sharded": "sharded-sparse"}


class Toy(Header):
    rows: int
    name: str = "x"


def saved(name, folder):
    params, _ = ENGINES[name]
    index = create(name, **params)
    index.build(ROWS if name == "faiss" else sparse.csr_matrix(ROWS))
    index.save(folder)


def seal_again(name, folder, change):
    """Change the facts, and write a description whose checksum fits them."""
    version = ENGINES[name][1]
    engine = SEALS.get(name, name)
    facts = unseal(folder, engine, version)
    (folder / "index.json").unlink()
    seal(folder, engine, version, change(facts))


def test_a_header_comes_back_as_it_was(tmp_path):
    seal(tmp_path, "toy", 1, Toy(rows=3, name="y"))
    assert unseal_header(tmp_path, "toy", 1, Toy) == Toy(rows=3, name="y")
    assert unseal(tmp_path, "toy", 1) == {"rows": 3, "name": "y"}


@pytest.mark.parametrize(
    ("facts", "where"),
    [({}, "rows"), ({"rows": "many"}, "rows"), ({"rows": 1, "extra": 2}, "extra"), ({"rows": None}, "rows")],
)
def test_facts_that_are_no_such_header_are_refused(tmp_path, facts, where):
    seal(tmp_path, "toy", 1, facts)
    with pytest.raises(UserError, match=f"its description has a wrong {where}") as caught:
        unseal_header(tmp_path, "toy", 1, Toy)
    assert (caught.value.file, caught.value.remedy) == (tmp_path / "index.json", "build the index again")


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_engine_refuses_facts_without_one_of_its_own(name, tmp_path):
    saved(name, tmp_path)
    known = list(unseal(tmp_path, SEALS.get(name, name), ENGINES[name][1]))
    for lost in known:
        folder = tmp_path / f"without-{lost}"
        folder.mkdir()
        saved(name, folder)
        seal_again(name, folder, lambda facts, lost=lost: {key: facts[key] for key in facts if key != lost})
        with pytest.raises(UserError, match=f"wrong {lost}"):
            registry.get(name).load(folder)


def test_weights_that_no_index_has_are_refused(tmp_path):
    saved("inverted", tmp_path)
    seal_again("inverted", tmp_path, lambda facts: {**facts, "weights": "u7"})
    with pytest.raises(UserError, match="wrong weights"):
        registry.get("inverted").load(tmp_path)


def test_an_array_of_another_type_is_refused(tmp_path):
    """As where a header says u16 and the impacts have 8 bits: their bytes would be read as other weights."""
    saved("inverted", tmp_path)
    seal_again("inverted", tmp_path, lambda facts: {**facts, "weights": "u16"})
    with pytest.raises(UserError, match="numbers of type uint8, not uint16") as caught:
        registry.get("inverted").load(tmp_path)
    assert caught.value.file == tmp_path / "impacts-0.npy"


@pytest.mark.parametrize(("fact", "value"), [("documents", 7), ("terms", 5)])
def test_a_number_that_the_arrays_do_not_have_is_refused(tmp_path, fact, value):
    """Kernels would read beyond the arrays."""
    saved("two-phase", tmp_path)
    seal_again("two-phase", tmp_path, lambda facts: {**facts, fact: value})
    with pytest.raises(UserError, match="numbers in an array"):
        registry.get("two-phase").load(tmp_path)


def test_more_segments_than_there_are_files_are_refused(tmp_path):
    saved("inverted", tmp_path)
    seal_again("inverted", tmp_path, lambda facts: {**facts, "segments": 2})
    with pytest.raises(UserError, match="not an array") as caught:
        registry.get("inverted").load(tmp_path)
    assert caught.value.file == tmp_path / "gaps-1.npy"


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00\x10\x00"])
def test_a_file_that_is_no_array_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match="not an array") as caught:
        map_array(tmp_path, "a", np.uint8)
    assert caught.value.file == tmp_path / "a.npy"


@pytest.mark.parametrize("size", [3, 5000])
def test_one_of_several_types_will_do(tmp_path, size):
    save_array(tmp_path, "a", np.arange(size, dtype=np.int64))
    assert map_array(tmp_path, "a", np.int32, np.int64).dtype == np.int64
    with pytest.raises(UserError, match="numbers of type int64, not int32 or uint8"):
        map_array(tmp_path, "a", np.int32, np.uint8)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match="not an array"):
        map_array(tmp_path, "a", np.uint8)


def test_a_file_that_the_description_does_not_know_is_left_alone(tmp_path):
    saved("scipy", tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    body = json.loads((tmp_path / "index.json").read_text())["body"]
    assert "notes.txt" not in body["files"]
    assert registry.get("scipy").load(tmp_path).memory()["weights"] == 6 * 4
