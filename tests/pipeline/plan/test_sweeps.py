"""Stages of systems that differ in how one index is searched: it is built once."""

import pytest
from small_specs import FLAT, ONCE, load_small, system

from harness.measure.null_control import doubled
from harness.pipeline.plan.shared_stages import build_settings, search_settings
from harness.pipeline.plan.systems import system_stages

DENSE = {"random": {"type": "synthetic-dense"}}


def stages(folder, index, **more):
    spec = load_small(
        folder, encoders=DENSE, indexes={"ivf": {"type": "faiss", "factory": "IVF2,Flat", **index}},
        systems=[system("IVF", "random", "ivf")], measure={**ONCE, **more},
    )  # fmt: skip
    return system_stages(spec, "machine")


@pytest.mark.parametrize("how", ["sweep", "matrix"])
def test_one_index_is_searched_with_each_value(tmp_path, how):
    first, second = stages(tmp_path, {how: {"nprobe": [1, 2]}}, also=["throughput", "cold"])
    assert first.build.key == second.build.key
    for part in ("search", "work", "memory", "quality", "summary"):
        assert getattr(first, part).key != getattr(second, part).key
    assert first.latency[0].key != second.latency[0].key
    wanted = {"nprobe": 1, "ef_search": None, "k_factor": None}
    opening = [first.search, first.work, first.memory, *first.latency]
    opening += [*first.measurements["throughput"], *first.measurements["cold"]]
    assert all(first.measurements[name] for name in ("throughput", "cold"))
    assert all(stage.arguments["index_search"] == wanted for stage in opening)


def test_what_decides_the_index_still_does(tmp_path):
    first, second = stages(tmp_path, {"matrix": {"seed": [1, 2]}})
    assert first.build.key != second.build.key
    assert "nprobe" not in first.build.arguments["params"]


def test_an_engine_without_such_parameters_is_opened_as_it_is(tmp_path):
    (plain,) = system_stages(load_small(tmp_path), "machine")
    assert "index_search" not in plain.search.arguments
    assert "index_search" not in plain.latency[0].arguments


def test_the_null_control_of_a_point_is_on_no_curve(tmp_path):
    ivf = {"type": "faiss", "factory": "IVF2,Flat", "sweep": {"nprobe": [1, 2]}}
    spec = load_small(
        tmp_path, encoders=DENSE, indexes={"ivf": ivf}, systems=[system("IVF", "random", "ivf")],
    )  # fmt: skip
    curves = {one.name: one.curve for one in doubled(spec, ["IVF (nprobe=2)"]).systems}
    assert curves == {"IVF (nprobe=1)": "IVF", "IVF (nprobe=2)": "IVF", "IVF (nprobe=2) (again)": ""}


def test_settings_are_those_of_the_build_or_those_of_the_search(tmp_path):
    (point,) = stages(tmp_path, {"factory": "IVF2_HNSW4,Flat", "sweep": {"nprobe": [3]}, "ef_construction": 8})
    index = point.system.index
    built, searched = build_settings(index)["params"], search_settings(index)
    assert searched == {"nprobe": 3, "ef_search": None, "k_factor": None}
    assert {**built, **searched} == index.params.model_dump(mode="json")
    assert not built.keys() & searched.keys()


def test_beside_a_sweep_exact_engines_are_compared_with_exact_results_too(tmp_path):
    tables = {
        "encoders": DENSE, "measure": ONCE,
        "systems": [system("IVF", "random", "ivf"), system("flat", "random", "flat")],
    }  # fmt: skip
    compared = {}
    for how in ("sweep", "matrix"):
        ivf = {"type": "faiss", "factory": "IVF2,Flat", how: {"nprobe": [1, 2]}}
        (tmp_path / how).mkdir()
        planned = system_stages(load_small(tmp_path / how, indexes={**FLAT, "ivf": ivf}, **tables), "machine")
        compared[how] = {one.system.name for one in planned if "exact" in one.measurements}
    assert compared["matrix"] == {"IVF[nprobe=1]", "IVF[nprobe=2]"}
    assert compared["sweep"] == {"IVF (nprobe=1)", "IVF (nprobe=2)", "flat"}
