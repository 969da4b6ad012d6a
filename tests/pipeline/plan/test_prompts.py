"""Stages of one encoder on several collections: one model, texts with the prefixes of each collection."""

import pytest
from small_specs import beir, load_small, system
from tests_support import write_collection

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import encoding_stages, system_stages
from harness.spec.load import load_spec


def planned(tmp_path, **params):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folder = tmp_path / "model"
    folder.mkdir()
    spec = load_small(
        tmp_path,
        collections={name: beir(write_collection(tmp_path / name)) for name in ("a", "b")},
        encoders={"dense": {"type": "sentence-transformer", "model": str(folder), **params}},
        indexes={"flat": {"type": "faiss-flat"}},
        systems=[system("dense", "dense", "flat")],
    )
    return {stages.collection: stages for stages in system_stages(spec, "machine")}


def test_texts_of_a_collection_get_its_prefixes_wherever_they_are_encoded(tmp_path):
    stages = planned(tmp_path, query_prefix="q: ", prefixes={"b": {"query": "of b: "}})
    for name, prefix in (("a", "q: "), ("b", "of b: ")):
        of = stages[name]
        assert of.encode.arguments["params"]["query_prefix"] == prefix
        timed = [*of.latency, *of.extras]
        prefixes = [
            stage.arguments["encoder_params"]["query_prefix"] for stage in timed if "encoder_params" in stage.arguments
        ]
        assert prefixes and set(prefixes) == {prefix}
    assert stages["a"].fit.key == stages["b"].fit.key
    assert stages["a"].check.key == stages["b"].check.key


def test_exported_vectors_are_those_of_a_run(tmp_path):
    stages = planned(tmp_path, query_prefix="q: ", prefixes={"b": {"query": "of b: "}})
    spec = load_spec(tmp_path / "small.toml", REGISTRIES)
    for name in ("a", "b"):
        assert encoding_stages(spec, "dense", name)[-1].key == stages[name].encode.key


def test_a_check_encodes_with_a_general_instruction(tmp_path):
    stages = planned(tmp_path, query_prefix="{task}: ", instructions={"a": "Find", "b": "Show"})
    assert stages["a"].encode.arguments["params"]["query_prefix"] == "Find: "
    assert "{" not in stages["a"].check.arguments["params"]["query_prefix"]


def test_an_instruction_that_is_missing_is_named_with_its_encoder(tmp_path):
    with pytest.raises(UserError, match=r"^encoders\.dense\.instructions: "):
        planned(tmp_path, query_prefix="{task}: ")
