"""Keys hold the versions of exactly those libraries that an implementation declares."""

import pytest
from small_specs import BM25, FLAT, INVERTED, ONCE, system, write_spec

from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import mining_stages, system_stages
from harness.spec.load import load_spec
from harness.versions import installed


@pytest.fixture
def file(tmp_path):
    return write_spec(
        tmp_path, encoders={**BM25, "random": {"type": "synthetic-dense"}},
        indexes={**INVERTED, "skipping": {"type": "bmp"}, **FLAT},
        systems=[system("own"), system("skipping", index="skipping"), system("dense", "random", "flat")],
        measure={**ONCE, "also": ["cold", "encoder-memory"]},
    )  # fmt: skip


@pytest.fixture
def upgraded(monkeypatch):
    """Pretend that other versions of some distributions are installed."""

    def pretend(*names):
        versions = dict.fromkeys(names, "999")
        monkeypatch.setattr("harness.pipeline.stage.installed", lambda name: versions.get(name) or installed(name))

    return pretend


def keys(file):
    """By (system, kind): the keys of its stages."""
    systems = system_stages(load_spec(file, REGISTRIES), "machine")
    return {
        (one.system.name, stage.kind, stage.label): stage.key for one in systems for stage in (*one.all(), *one.extras)
    }


def changed(before, after):
    """The (system, kind) whose keys differ."""
    return {name[:2] for name in before if before[name] != after[name]}


def test_an_upgrade_of_one_engine_leaves_the_others_alone(file, upgraded):
    before = keys(file)
    upgraded("bmp")
    found = changed(before, keys(file))
    assert {system for system, _ in found} == {"skipping"}
    assert {"build", "search", "work", "memory", "latency", "quality"} <= {kind for _, kind in found}
    assert not {"prepare", "fit", "encode"} & {kind for _, kind in found}


def test_an_upgrade_of_faiss_leaves_sparse_engines_alone(file, upgraded):
    before = keys(file)
    upgraded("faiss-cpu")
    assert {system for system, _ in changed(before, keys(file))} == {"dense"}


def test_an_encoder_without_torch_does_not_follow_torch(file, upgraded):
    before = keys(file)
    upgraded("torch", "transformers", "sentence-transformers", "peft", "tokenizers", "safetensors")
    assert keys(file) == before


def test_what_makes_vectors_follows_numpy(file, upgraded):
    before = keys(file)
    upgraded("numpy")
    kinds = {kind for _, kind in changed(before, keys(file))}
    assert {"fit", "encode", "build", "search", "latency", "summary"} <= kinds
    assert "prepare" not in kinds


def test_stages_of_an_engine_in_plain_python_follow_what_reads_their_vectors(file, monkeypatch):
    """Its own libraries are none, but our step opens the vectors with numpy and scipy."""
    monkeypatch.setattr(REGISTRIES.indexes.get("inverted"), "libraries", ())
    monkeypatch.setattr(REGISTRIES.encoders.get("bm25"), "libraries", ())  # it counts words with numba
    systems = system_stages(load_spec(file, REGISTRIES), "machine")
    (own,) = [system for system in systems if system.system.name == "own"]
    stages = {stage.kind: stage for stage in own.all()}
    for kind in ("build", "search", "work", "memory", "latency"):
        assert {"numpy", "scipy"} <= set(stages[kind].recipe["libraries"]), kind
        assert "numba" not in stages[kind].recipe["libraries"], kind


def test_mined_negatives_follow_encoder_and_engine(file, upgraded):
    spec = load_spec(file, REGISTRIES)
    settings = {"depth": 10, "count": 1, "skip": 0, "share": 0.9}

    def key(system):
        return mining_stages(spec, system, "mine", settings)[-1].key

    before = key("own"), key("skipping")
    upgraded("bmp")
    assert key("own") == before[0]
    assert key("skipping") != before[1]


def test_memory_of_an_encoder_does_not_follow_the_engine(file, upgraded):
    before = keys(file)
    upgraded("bmp")
    kinds = changed(before, keys(file))
    assert ("skipping", "cold") in kinds
    assert ("skipping", "encoder-memory") not in kinds


@pytest.mark.parametrize("axis", ["collections", "encoders", "indexes"])
def test_every_implementation_declares_its_libraries(axis):
    registry = getattr(REGISTRIES, axis)
    for name in registry.names():
        declared = registry.get(name).libraries
        assert isinstance(declared, tuple), name
        assert all(library == library.lower() and "_" not in library for library in declared), name
        assert len(set(declared)) == len(declared), name
