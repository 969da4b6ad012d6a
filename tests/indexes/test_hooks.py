"""What an engine says of itself: its libraries, its modules, and where its parts are."""

import pytest

from harness.indexes import IndexBase, Supports, create, registry


class Plain(IndexBase):
    supports = Supports("dense", exact=True, weights=("float16", "float32"))
    libraries = ("numpy",)


def test_defaults():
    plain = Plain()
    assert plain.work(None, 10) is None
    assert (Plain.codec(None), Plain.modules(None), Plain.libraries_with(None)) == ("float16", (__name__,), ("numpy",))
    assert plain.reach() is None
    assert list(plain.elsewhere()) == []


@pytest.mark.parametrize(
    ("name", "its_own", "not_its_own"),
    [
        ("faiss-flat", "faiss-cpu", "bmp"),
        ("faiss", "faiss-cpu", "numba"),
        ("inverted", "numba", "faiss-cpu"),
        ("bmp", "bmp", "faiss-cpu"),
        ("seismic", "pyseismic-lsr", "bmp"),
        ("qdrant-edge", "qdrant-edge-py", "kannolo"),
        ("kannolo", "kannolo", "bmp"),
        ("scipy", "scipy", "faiss-cpu"),
    ],
)
def test_an_engine_depends_on_its_own_library_and_on_no_other_engine(name, its_own, not_its_own):
    assert its_own in registry.get(name).libraries
    assert not_its_own not in registry.get(name).libraries


@pytest.mark.parametrize(
    ("name", "inner", "library", "module"),
    [
        ("sharded", {"type": "inverted"}, "numba", "harness.indexes.inverted"),
        ("sharded", {"type": "scipy"}, "scipy", "harness.indexes.scipy_csr"),
        ("sharded-dense", {"type": "faiss-flat"}, "faiss-cpu", "harness.indexes.faiss_flat"),
    ],
)
def test_shards_depend_on_what_their_engine_depends_on(name, inner, library, module):
    engine = registry.get(name)
    params = engine.Params.model_validate({"index": inner})
    assert library in engine.libraries_with(params)
    assert engine.modules(params) == ("harness.indexes.sharded", module)
    assert "ray" not in engine.libraries_with(params)
    assert "ray" in engine.libraries_with(engine.Params.model_validate({"index": inner, "on": "ray"}))
    assert engine.codec(params) == registry.get(inner["type"]).codec(
        registry.get(inner["type"]).Params.model_validate({})
    )


def test_an_index_in_this_process_has_nothing_elsewhere():
    for name in ("inverted", "scipy", "faiss-flat"):
        index = create(name)
        index.reach()
        assert list(index.elsewhere()) == []
