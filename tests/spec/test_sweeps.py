"""Sweeps over the parameters of a search: the systems that they make, and what is said of wrong ones."""

import tomllib

import jsonschema
import pytest
from small_specs import load, refused, system, tables_text

from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.schema import json_schema


def spec(index, systems=None, **more):
    """A spec of one dense encoder and the index "ivf"."""
    tables = tables_text(
        collections={"c": {"type": "synthetic", "documents": 10}}, encoders={"e": {"type": "synthetic-dense"}},
        indexes={"ivf": {"type": "faiss", "factory": "IVF4,Flat", **index}},
        systems=systems or [system("IVF", "e", "ivf")], **more,
    )  # fmt: skip
    return f'name = "x"\n{tables}'


def test_each_value_is_a_system_of_one_curve(tmp_path):
    systems = load(tmp_path, spec({"sweep": {"nprobe": [1, 2, 8]}})).systems
    assert [one.name for one in systems] == ["IVF (nprobe=1)", "IVF (nprobe=2)", "IVF (nprobe=8)"]
    assert [one.index.params.nprobe for one in systems] == [1, 2, 8]
    assert {one.curve for one in systems} == {"IVF"}
    assert {one.index.unswept for one in systems} == {"ivf"}
    unnamed = load(tmp_path, spec({"sweep": {"nprobe": [1]}}, [system(None, "e", "ivf")])).systems
    assert [(one.name, one.curve) for one in unnamed] == [("e + ivf (nprobe=1)", "e + ivf")]


def test_a_system_without_a_sweep_is_on_no_curve(tmp_path):
    (plain,) = load(tmp_path, spec({"nprobe": 2})).systems
    assert (plain.name, plain.curve, plain.index.swept_text) == ("IVF", "", "")


def test_two_parameters_are_swept_over_their_product(tmp_path):
    index = {"factory": "IVF4_HNSW4,Flat", "sweep": {"nprobe": [1, 2], "ef_search": [16, 32]}}
    systems = load(tmp_path, spec(index)).systems
    assert [one.name for one in systems] == [
        "IVF (nprobe=1, ef_search=16)", "IVF (nprobe=1, ef_search=32)",
        "IVF (nprobe=2, ef_search=16)", "IVF (nprobe=2, ef_search=32)",
    ]  # fmt: skip


def test_each_choice_of_a_matrix_has_a_curve_of_its_own(tmp_path):
    index = {"matrix": {"seed": [1, 2]}, "sweep": {"nprobe": [1, 4]}}
    systems = load(tmp_path, spec(index)).systems
    assert [(one.curve, one.name) for one in systems] == [
        ("IVF[seed=1]", "IVF[seed=1] (nprobe=1)"), ("IVF[seed=1]", "IVF[seed=1] (nprobe=4)"),
        ("IVF[seed=2]", "IVF[seed=2] (nprobe=1)"), ("IVF[seed=2]", "IVF[seed=2] (nprobe=4)"),
    ]  # fmt: skip


def test_a_point_can_be_named_in_systems_and_claims(tmp_path):
    systems = [system("chosen", "e", "ivf (nprobe=4)")]
    claim = {"name": "n", "metric": "index_bytes", "ratio_at_most": 1.5}
    claim |= {"system": "chosen (nprobe=4)", "baseline": "chosen (nprobe=4)"}
    (point,) = load(tmp_path, spec({"sweep": {"nprobe": [1, 4]}}, systems, claims=[claim])).systems
    assert (point.name, point.index.params.nprobe) == ("chosen (nprobe=4)", 4)


def test_a_sweep_can_be_set_for_one_run(tmp_path):
    systems = load(tmp_path, spec({}), ["indexes.ivf.sweep.nprobe=[2, 3]"]).systems
    assert [one.index.params.nprobe for one in systems] == [2, 3]


@pytest.mark.parametrize(
    ("index", "key", "words"),
    [
        ({"sweep": 5}, "indexes.ivf.sweep", "a sweep is a table"),
        ({"sweep": {"nprobe": 5}}, "indexes.ivf.sweep.nprobe", "a list of values"),
        ({"sweep": {"nprobe": []}}, "indexes.ivf.sweep.nprobe", "a list of values"),
        ({"sweep": {"nprobe": [2, 2]}}, "indexes.ivf.sweep.nprobe", "appears twice"),
        ({"sweep": {"nprobes": [2]}}, "indexes.ivf.sweep.nprobes", "faiss has no nprobes"),
        ({"sweep": {"seed": [2]}}, "indexes.ivf.sweep.seed", "decides how faiss builds its index"),
        ({"sweep": {"nprobe": [0]}}, "indexes.ivf.nprobe", "greater than or equal to 1"),
        ({"sweep": {"ef_search": [8]}}, "indexes.ivf.ef_search", "'IVF4,Flat' has no ef_search, which needs a graph"),
        ({"k_factor": 4}, "indexes.ivf.k_factor", "'IVF4,Flat' has no k_factor, which needs a refinement"),
        (
            {"matrix": {"factory": ["IVF4,Flat", "SQ8"]}, "nprobe": 2},
            "indexes.ivf.nprobe",
            "'SQ8' has no nprobe, which needs inverted lists",
        ),
        ({"sweep": {"nprobe": ["many"]}}, "indexes.ivf.nprobe", "valid integer"),
        ({"sweep": {"nprobe": [2]}, "nprobe": 3}, "indexes.ivf.nprobe", "given twice"),
        ({"sweep": {"nprobe": [2]}, "matrix": {"nprobe": [3]}}, "indexes.ivf.nprobe", "given twice"),
        ({"sweeps": {"nprobe": [2]}}, "indexes.ivf.sweeps", "unknown key"),
    ],
)
def test_mistakes_in_a_sweep(tmp_path, index, key, words):
    error = refused(tmp_path, spec(index))
    assert error.key == key
    assert words in error.what
    assert error.line is not None


def test_the_remedies_name_what_would_work(tmp_path):
    assert "nprobe" in refused(tmp_path, spec({"sweep": {"nprobes": [2]}})).remedy
    assert refused(tmp_path, spec({"sweep": {"seed": [2]}})).remedy == "use matrix = { seed = [...] }"
    assert "sweep" in refused(tmp_path, spec({"sweeps": {"nprobe": [2]}})).remedy


@pytest.mark.parametrize("kind", ["faiss-flat", "inverted", "scipy"])
def test_an_exact_engine_has_nothing_to_sweep(tmp_path, kind):
    error = refused(tmp_path, spec({"sweep": {"nprobe": [1]}}).replace('"faiss"\nfactory = "IVF4,Flat"', f'"{kind}"'))
    assert f"{kind} is exact" in error.what
    assert error.key == "indexes.ivf.sweep.nprobe"


def test_a_sweep_belongs_to_an_index(tmp_path):
    text = spec({}).replace('type = "synthetic-dense"', 'type = "synthetic-dense"\nsweep = { width = [1] }')
    error = refused(tmp_path, text)
    assert (error.key, "unknown key" in error.what) == ("encoders.e.sweep", True)


@pytest.mark.parametrize(
    ("index", "fits"),
    [
        ({"sweep": {"nprobe": [1, 2]}}, True),
        ({"sweep": {"seed": [1, 2]}}, False),
        ({"sweep": {"nprobe": []}}, False),
        ({"sweep": {"nprobe": 1}}, False),
    ],
)
def test_the_schema_knows_sweeps(index, fits):
    problems = list(jsonschema.Draft202012Validator(json_schema(REGISTRIES)).iter_errors(tomllib.loads(spec(index))))
    assert (not problems) is fits


def test_the_schema_has_no_sweep_for_an_exact_engine():
    definitions = json_schema(REGISTRIES)["$defs"]
    swept = {name for name in REGISTRIES.indexes.names() if "sweep" in definitions[f"indexes.{name}"]["properties"]}
    assert swept == {"bmp", "faiss", "kannolo", "seismic", "sharded-two-phase", "two-phase"}
