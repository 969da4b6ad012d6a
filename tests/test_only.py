"""A spec that measures some groups alone: fewer stages, and a run that says what it left out."""

import json

import pytest
from commands import call
from small_specs import CLAIM, HEAD, TABLES, beir, load, load_small, refused, system, write_spec
from tests_support import write_collection

from harness.claims.judge_run import verdicts
from harness.errors import UserError
from harness.experiment import plan_experiment, run_experiment
from harness.metrics import GROUPS, METRICS, group_of
from harness.pipeline.measurements import MeasurementBase, registry
from harness.pipeline.stage import Stage
from harness.runs.read import load_run
from reports.pages.run_page import page

MADE = {"compile", "prepare", "fit", "encode", "build"}
KINDS = {
    "quality": {"search", "quality"}, "memory": {"memory", "service-memory"}, "latency": {"latency", "summary"},
    "work": {"work"},
}  # fmt: skip
CLAIMS = [
    {**CLAIM, "name": "fast", "metric": "latency_total/p50", "system": "lexical", "baseline": "other"},
    {**CLAIM, "name": "small", "metric": "index_bytes", "system": "lexical", "baseline": "other"},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("only")
    spec = write_spec(
        folder, systems=[system(), system("other")], claims=CLAIMS,
        measure={"processes": 1, "repeats": 1, "only": ["quality", "memory"]},
        fusions=[{"name": "both", "systems": ["lexical", "other"], "method": "rrf"}],
    )  # fmt: skip
    made = run_experiment(spec, store=folder / "store", out=folder / "run")
    assert made.ok, made.failed
    return load_run(folder / "run")


@pytest.mark.parametrize("only", [[group] for group in GROUPS] + [["quality", "memory"]])
def test_stages_are_those_of_the_groups(tmp_path, only):
    mine = {"mine": beir(write_collection(tmp_path))}
    spec = load_small(tmp_path, collections=mine, measure={"only": only})
    _, systems, stages = plan_experiment(spec)
    assert {stage.kind for stage in stages} == MADE.union(*(KINDS[group] for group in only))
    assert {stage.key for one in systems for stage in (*one.all(), *one.extras)} == {stage.key for stage in stages}
    for one in systems:
        assert set(one.keys().values()) == {stage.key for stage in stages if stage.kind != "compile"}  # of no system
    before = {stage.key for stage in plan_experiment(load_small(tmp_path, collections=mine, measure={}))[2]}
    assert {stage.key for stage in stages} <= before  # what a whole run stored is used again


def test_one_system_on_a_suite_is_not_mostly_timing(tmp_path):
    collections = {"all": {"type": "mteb", "suite": "NanoBEIR"}}
    whole = plan_experiment(load_small(tmp_path, collections=collections, measure={}))[2]
    some = plan_experiment(load_small(tmp_path, collections=collections, measure={"only": ["quality"]}))[2]
    assert len(some) == 13 * (4 + 2) + 1
    assert len(whole) > 2 * len(some)


def test_records_are_those_of_the_groups(run):
    names = {row.metric for row in run.records if row.system == "lexical"}
    assert {"ndcg@10", "index_bytes", "resident_bytes", "service_bytes"} <= names
    assert {group_of(name, METRICS[name.partition("/")[0]]) for name in names} == {"quality", "memory", None}
    fused = {row.metric for row in run.records if row.system == "both"}
    assert {"ndcg@10", "index_bytes", "service_bytes"} <= fused
    assert not [name for name in fused if name.startswith(("latency", "flops"))]
    assert run.latency == {}


def test_claims_on_what_was_left_out_are_not_measured(run):
    found = {verdict.claim: verdict.word for verdict in verdicts(run)}
    assert found == {"fast": "not measured", "small": "supported"}


def test_the_page_says_what_was_left_out(run):
    text = page(run)
    why = "the spec measures only quality and memory (measure.only)."
    assert f"Times of queries, energy and cost were not measured: {why}" in text
    assert f"What an engine does for a query was not counted: {why}" in text
    assert "Quality was not measured" not in text
    assert "– Not measured" in text


def test_runs_without_quality_can_be_read(tmp_path):
    spec = write_spec(tmp_path, measure={"processes": 1, "repeats": 1, "only": ["work"]})
    made = run_experiment(spec, store=tmp_path / "store", out=tmp_path / "run")
    assert made.ok, made.failed
    names = {row.metric for row in made.data.records}
    assert "flops_search" in names
    assert "ndcg@10" not in names
    assert "Quality was not measured: the spec measures only work" in page(made.data)
    assert call("export", tmp_path / "run", "--format", "text").code == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["measure"]["only"] == ["work"]


def test_every_group_has_metrics():
    assert {group_of(name, kind) for name, kind in METRICS.items()} == {*GROUPS, None}


@pytest.mark.parametrize(
    ("measure", "what", "remedy", "key"),
    [
        ("only = ['qualty']", "there is no group 'qualty'", "did you mean 'quality'?", "measure.only[0]"),
        ("only = []", "at least 1 item", "", "measure.only"),
        (
            "only = ['quality']\nalso = ['throughput']", "throughput belongs to latency, which measure.only leaves out",
            "add 'latency' to measure.only", "measure.also[0]",
        ),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_meant(tmp_path, measure, what, remedy, key):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\n{measure}\n")
    assert what in error.what
    assert remedy in error.remedy
    assert error.key == key


def test_measurements_of_a_group_that_is_measured_may_be_asked_for(tmp_path):
    text = f"{HEAD}{TABLES}[measure]\nonly = ['memory']\nalso = ['encoder-memory']\n"
    assert load(tmp_path, text).head.measure.groups == {"memory"}


def test_a_measurement_gets_what_it_needs_of_a_group_that_is_left_out(tmp_path, monkeypatch):
    class Needy(MeasurementBase):
        group = "memory"

        def stages(self, subject):
            return [Stage("needy", "needy", "module:function", {}, {"hits": subject.search})]

    registry.names()  # so that the built-in ones are there
    monkeypatch.setitem(registry._items, "needy", Needy)
    spec = load_small(tmp_path, measure={"only": ["memory"], "also": ["needy"]})
    kinds = [stage.kind for stage in plan_experiment(spec)[2]]
    assert kinds.index("build") < kinds.index("search") < kinds.index("needy")
    assert "quality" not in kinds


def test_a_null_control_needs_latency(tmp_path):
    with pytest.raises(UserError, match=r"measure\.only leaves out latency"):
        plan_experiment(load_small(tmp_path, measure={"only": ["quality"]}), null=True)
