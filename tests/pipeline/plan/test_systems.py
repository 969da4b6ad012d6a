"""Plans that a user asks for by name: systems, checks of one encoder, mining."""

import json

import pytest
from small_specs import BM25, FLAT, INVERTED, load_small, system

from harness.errors import UserError
from harness.pipeline.executors.beside import may_join
from harness.pipeline.plan.order import in_order, unique
from harness.pipeline.plan.systems import check_stages, mining_stages, system_stages
from harness.pipeline.stored_result import result_type

ENCODERS = {**BM25, "dense": {"type": "synthetic-dense", "dimensions": 4}}
SYSTEMS = [system("lexical"), system("made up", "dense", "flat")]
SETTINGS = {"count": 3, "depth": 20, "skip": 1, "share": 0.9}


@pytest.fixture
def spec(tmp_path):
    return load_small(tmp_path, encoders=ENCODERS, indexes={**INVERTED, **FLAT}, systems=SYSTEMS)


def test_only_the_systems_that_are_named_are_planned(spec):
    assert [stages.system.name for stages in system_stages(spec, "m")] == ["lexical", "made up"]
    assert [stages.system.name for stages in system_stages(spec, "m", ["made up"])] == ["made up"]


def test_systems_share_the_stages_that_are_the_same(spec):
    lexical, dense = system_stages(spec, "m")
    assert lexical.prepare is dense.prepare
    assert lexical.fit is not dense.fit
    again = system_stages(spec, "m")[0]
    assert again.keys() == lexical.keys()


def test_every_stage_comes_once_and_after_all_that_it_needs(spec):
    stages = in_order(system_stages(spec, "m"), 1)
    keys = [stage.key for stage in stages]
    assert len(set(keys)) == len(keys)
    place = {key: number for number, key in enumerate(keys)}
    for stage in stages:
        assert all(place[needed.key] < place[stage.key] for needed in (*stage.inputs.values(), *stage.after))


def test_another_machine_repeats_what_is_timed_and_nothing_else(spec):
    here, there = ({stage.key: stage for stage in in_order(system_stages(spec, name), 1)} for name in ("here", "there"))
    shared = here.keys() & there.keys()
    assert {here[key].kind for key in shared} == {"prepare", "fit", "check", "encode"}
    timed = {here[key].kind for key in here.keys() - shared}
    assert {"build", "memory", "latency"} <= timed, "and what is made from them"


def test_stages_say_what_they_measure_of_their_own_process(spec):
    measured = {}
    for stage in [stage for stages in system_stages(spec, "m") for stage in (*stages.all(), *stages.extras)]:
        measured.setdefault(stage.measures, set()).add(stage.kind)
    assert measured["time"] == {"build", "latency"}
    assert measured["memory"] == {"memory", "service-memory"}
    assert {"prepare", "fit", "encode", "search", "work", "quality", "summary"} <= measured["nothing"]


@pytest.mark.parametrize(
    ("metric", "kind"), [("encode_documents_per_second", "encode"), ("train_seconds", "fit"), ("ndcg@10", "")]
)
def test_a_stage_whose_time_a_claim_names_runs_alone_and_anew(tmp_path, spec, metric, kind):
    claim = {"name": "quick", "metric": metric, "system": "made up", "baseline": "lexical", "ratio_at_least": 1.0}
    tables = {"encoders": ENCODERS, "indexes": {**INVERTED, **FLAT}, "systems": SYSTEMS}
    claimed = load_small(tmp_path / "claimed", claims=[claim], **tables)
    for before, after in zip(system_stages(spec, "m"), system_stages(claimed, "m"), strict=True):
        for name in ("fit", "encode"):
            first, second = getattr(before, name), getattr(after, name)
            assert first.measures == "nothing"
            assert second.measures == ("time" if name == kind else "nothing")
            if name == kind:
                assert first.key != second.key


def test_a_learned_encoder_is_checked_with_all_figures(spec):
    stages = check_stages(spec, "dense")
    assert [stage.kind for stage in stages][-2:] == ["fit", "check"]
    assert stages[-1].arguments["refuse"] is False
    assert stages[-1].inputs["model"] is stages[-2]


def test_an_encoder_of_statistics_has_no_model_to_check(spec):
    with pytest.raises(UserError, match="has no model to check") as raised:
        check_stages(spec, "bm25")
    assert "name a learned encoder" in str(raised.value)


def test_an_encoder_that_is_not_there_is_refused_with_those_that_are(spec):
    with pytest.raises(UserError, match="no encoder 'bm52'") as raised:
        check_stages(spec, "bm52")
    assert "bm25" in str(raised.value)


def test_mining_makes_the_pairs_and_no_model_of_statistics(spec):
    stages = mining_stages(spec, "lexical", "mine", SETTINGS)
    assert [stage.kind for stage in stages] == ["pairs", "mine"]
    assert stages[-1].arguments.items() >= SETTINGS.items()
    assert stages[-1].arguments["encoder"]["type"] == "bm25"
    assert stages[-1].arguments["index"]["type"] == "inverted"


def test_mining_with_a_model_makes_it_first(spec):
    stages = mining_stages(spec, "made up", "mine", SETTINGS)
    assert [stage.kind for stage in stages][-2:] == ["fit", "mine"]
    assert stages[-1].inputs["model"] is stages[-2]


@pytest.mark.parametrize("changed", [{"count": 4}, {"depth": 21}, {"skip": 0}, {"share": 0.8}])
def test_every_setting_of_mining_decides_the_pairs(spec, changed):
    one, other = (mining_stages(spec, "lexical", "mine", {**SETTINGS, **more})[-1] for more in ({}, changed))
    assert one.key != other.key


@pytest.mark.parametrize(
    ("name", "collection", "message"),
    [("lexicla", "mine", "no system 'lexicla'"), ("lexical", "yours", "no collection 'yours'")],
)
def test_mining_refuses_names_that_are_not_there(spec, name, collection, message):
    with pytest.raises(UserError, match=message) as raised:
        mining_stages(spec, name, collection, SETTINGS)
    assert ("lexical" if "system" in message else "mine") in str(raised.value)


def test_every_stage_has_a_typed_result(tmp_path):
    """What is read by attribute is declared by the step that returns it."""
    also = ["cold", "encoder-memory", "exact", "load", "throughput"]
    indexes = {**INVERTED, **FLAT, "coarse": {"type": "faiss", "factory": "IVF2,Flat"}}
    systems = [*SYSTEMS, system("coarse", "dense", "coarse")]
    spec = load_small(
        tmp_path, [f"measure.also={json.dumps(also)}", "measure.encode_shards=2"], encoders=ENCODERS, indexes=indexes,
        systems=systems,
    )  # fmt: skip
    stages = [*in_order(system_stages(spec, "m"), 1), *mining_stages(spec, "made up", "mine", SETTINGS)]
    assert {stage.kind.partition("/")[0] for stage in stages} >= {*also, "truth", "mine", "pairs", "summary", "latency"}
    untyped = {stage.function for stage in stages if result_type(stage.function) is None}
    assert untyped == set()


def test_stages_of_one_key_are_kept_once_in_order(spec):
    stages = in_order(system_stages(spec, "m"), 1)
    assert [stage.key for stage in unique([*stages, *reversed(stages)])] == [stage.key for stage in stages]


def test_memory_is_measured_beside_what_opens_no_index_whose_share_is_recorded(tmp_path):
    both = load_small(
        tmp_path, indexes={**INVERTED, "scipy": {"type": "scipy"}},
        measure={"processes": 2, "also": ["encoder-memory"]},
        systems=[system("one"), system("other", index="scipy")],
    )  # fmt: skip
    one, other = system_stages(both, "m")
    services = [*one.measurements["service-memory"], *other.measurements["service-memory"]]
    assert len(services) == 4
    assert all(may_join(services[0], [service]) for service in services[1:])
    assert may_join(one.memory, [other.memory, services[2]])
    assert not any(may_join(one.memory, [stage]) for stage in (one.search, one.work, services[0]))
    assert may_join(one.measurements["encoder-memory"][0], [one.memory, other.memory, *services])
