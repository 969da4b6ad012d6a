"""Stages of fusions: which results they fuse, and what they wait for."""

import pytest
from small_specs import BM25, FLAT, INVERTED, load_small, system

from harness.experiment import plan_experiment
from harness.pipeline.plan.fusion_stages import fusion_stages
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages

SYSTEMS = [
    system("lexical"), system("dense", "random", "flat"), system("rounded", "random", "rounded"),
]  # fmt: skip
PAIR = {"name": "both", "systems": ["lexical", "dense"]}
DEPTHS = {"k": 20, "depth": 50}


def spec_of(folder, *fusions, **measure):
    return load_small(
        folder, [f"measure.{name}={value}" for name, value in measure.items()],
        collections={"mine": {"type": "synthetic", "documents": 60}},
        encoders=BM25 | {"random": {"type": "synthetic-dense"}},
        indexes=INVERTED | FLAT | {"rounded": {"type": "faiss", "factory": "PQ4x4,RFlat"}}, systems=SYSTEMS,
        fusions=list(fusions),
    )  # fmt: skip


def planned(folder, measure=None, **fusion):
    spec = spec_of(folder, {**PAIR, **fusion}, **(measure or DEPTHS))
    systems = system_stages(spec, "machine")
    (stages,) = fusion_stages(spec, systems)
    return {one.system.name: one for one in systems}, stages, in_order(systems, 1, [stages])


def considered(stage):
    return stage.arguments["considered"], stage.arguments["depth"]


def test_results_are_fused_to_the_depth_of_runs_and_with_the_timed_k(tmp_path):
    systems, stages, _ = planned(tmp_path)
    assert (considered(stages.fuse), considered(stages.timed)) == ((50, 50), (20, 20))
    for stage in (stages.fuse, stages.timed):
        assert stage.inputs == {
            "collection": systems["lexical"].prepare, "run0": systems["lexical"].search,
            "run1": systems["dense"].search,
        }  # fmt: skip
    assert stages.quality.inputs == {
        "collection": systems["lexical"].prepare, "hits": stages.fuse, "timed": stages.timed
    }  # fmt: skip
    assert stages.quality.arguments["tag"] == "both"
    assert stages.quality.arguments["metrics"] == systems["dense"].quality.arguments["metrics"]


def test_results_of_an_approximate_engine_with_the_timed_k_are_fused_where_k_is_timed(tmp_path):
    systems, stages, _ = planned(tmp_path, systems=["lexical", "rounded"])
    assert stages.fuse.inputs["run1"] == systems["rounded"].search
    assert stages.timed.inputs["run1"] == systems["rounded"].quality.inputs["timed"]


@pytest.mark.parametrize(
    ("depth", "measure", "deep", "timed"),
    [
        (20, {"k": 20, "depth": 50}, (20, 50), None),
        (5, {"k": 20, "depth": 50}, (5, 50), None),
        (30, {"k": 20, "depth": 50}, (30, 50), (20, 20)),
        (80, {"k": 20, "depth": 50}, (50, 50), (20, 20)),
        (None, {"k": 50, "depth": 50}, (50, 50), None),
    ],
)
def test_fewer_documents_of_each_run_count_where_a_fusion_says_so(tmp_path, depth, measure, deep, timed):
    systems, stages, _ = planned(tmp_path, measure, systems=["lexical", "rounded"],
                                 **({} if depth is None else {"depth": depth}))  # fmt: skip
    assert considered(stages.fuse) == deep
    assert (stages.timed and considered(stages.timed)) == timed
    if timed is None and measure["k"] < measure["depth"]:
        assert stages.fuse.inputs["run1"] == systems["rounded"].quality.inputs["timed"], "what the timed search gives"


def test_a_fusion_comes_after_what_it_fuses_and_adds_up(tmp_path):
    systems, stages, order = planned(tmp_path, systems=["lexical", "rounded"])
    places = {stage.key: place for place, stage in enumerate(order)}
    for stage in stages.all():
        assert all(places[needed.key] < places[stage.key] for needed in stage.inputs.values())
    assert len(places) == len(order)
    first_timed = min(places[stage.key] for one in systems.values() for stage in one.latency)
    assert places[stages.quality.key] < first_timed


def test_systems_do_not_change_with_a_fusion_nor_the_fusion_with_its_name(tmp_path):
    _, stages, order = planned(tmp_path)
    _, renamed, _ = planned(tmp_path, name="hybrid")
    assert (stages.fuse.key, stages.summary.key) == (renamed.fuse.key, renamed.summary.key)
    assert stages.quality.key != renamed.quality.key, "the TREC run has the name"
    own = {stage.key for stage in stages.all()}
    systems = system_stages(spec_of(tmp_path, **DEPTHS), "machine")
    assert {stage.key for stage in order} - own == {stage.key for stage in in_order(systems, 1)}


def test_an_encoder_is_counted_once_for_the_systems_that_share_it(tmp_path):
    _, apart, _ = planned(tmp_path)
    _, shared, _ = planned(tmp_path, systems=["dense", "lexical", "rounded"])
    assert (apart.summary.arguments["shared_encoders"], shared.summary.arguments["shared_encoders"]) == ([], [2])


def test_one_fusion_alone_brings_its_systems(tmp_path):
    spec = spec_of(tmp_path, PAIR)
    names = {}
    for only in ([], ["both"], ["dense"], ["lexical", "dense"], ["rounded", "both"]):
        checked, systems, stages = plan_experiment(spec, only=only)
        names[tuple(only)] = sorted(one.system.name for one in systems), len(checked.fusions)
        assert any(stage.kind == "fuse" for stage in stages) == bool(checked.fusions)
    assert names == {
        (): (["dense", "lexical", "rounded"], 1), ("both",): (["dense", "lexical"], 1), ("dense",): (["dense"], 0),
        ("lexical", "dense"): (["dense", "lexical"], 0),
        ("rounded", "both"): (["dense", "lexical", "rounded"], 1),
    }  # fmt: skip


def test_the_null_control_times_the_systems_of_a_fusion(tmp_path):
    _, systems, stages = plan_experiment(spec_of(tmp_path, PAIR), only=["both"], null=True)
    assert [one.system.name for one in systems] == ["lexical", "lexical (again)", "dense", "dense (again)"]
    assert sum(stage.kind == "fuse" for stage in stages) == 2  # deep and timed, of the fusion itself
