"""A run folder from the results of stages, of which some failed."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
import step_results
from small_specs import load_small, system

from harness.collections import EvaluationRules
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.results.gather import write_run
from harness.pipeline.stage_outcome import Done
from harness.pipeline.steps.check import Checked, CheckedFigure
from harness.pipeline.steps.fit import fitted
from harness.pipeline.store.local import Artefact
from harness.typed_json import to_json

TRAINED = {
    "steps": 3, "pairs": 50, "pairs_seen": 24, "commits": {"a/b": "c0ffee"}, "departures": {"layers": 2},
    "curve": [{"step": 1, "loss": 2.5}, {"step": 3, "loss": 1.25}],
}  # fmt: skip


@pytest.fixture
def world(tmp_path):
    """Two systems, the stages of both, and how each ended: all well, with the same results."""
    spec = load_small(
        tmp_path, ["measure.processes=2"], systems=[system("first"), system("second")],
    )  # fmt: skip
    systems = system_stages(spec, "machine")
    stages = in_order(systems, 1)
    done = {stage.key: ended(stage, tmp_path) for stage in stages}
    return spec, systems, stages, done


def ended(stage, folder, **results):
    """A stage that went well, with its files where a run needs them."""
    timed = step_results.latency(
        conditions=step_results.conditions(round="mine 0"), encode_cpu=(0.1, 0.2), search_cpu=(0.2, 0.1)
    )
    result = {**step_results.RESULTS, "latency": timed, **results}[stage.kind]
    directory = folder / "store" / stage.key
    (directory / "files").mkdir(parents=True, exist_ok=True)
    if stage.kind == "summary":
        rows = {"process": [0, 1], "query": [0, 0], "repeat": [0, 0], "encode": [0.1, 0.2], "search": [0.3, 0.4]}
        np.savez(directory / "files" / "samples.npz", **{name: np.asarray(values) for name, values in rows.items()})
    if stage.kind == "work":
        (directory / "files" / "per_query.json").write_text('{"flops_search": {"q1": 900.0, "q3": 1100.0}}')
    if stage.kind == "quality":
        (directory / "files" / "per_query.json").write_text('{"ndcg@10": {"q1": 0.5, "q2": 1.0}}')
        (directory / "files" / "explain.jsonl").write_text(
            '{"query": "q1", "text": "a", "first_relevant": 1, "top": []}\n'
        )
        np.savez(directory / "files" / "active.npz", document_terms=np.arange(3))
        with gzip.open(directory / "files" / "run.trec.gz", "wt") as file:
            file.write("q1 Q0 d1 0 1.0 first\n")
    artefact = Artefact(stage.key, stage.kind, stage.label, directory, 10, to_json(result), 2.0, 4096, "2026-01-01")
    return Done(stage, "ok", artefact, seconds=2.0)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def gathered(world, folder):
    write_run(folder, *world)
    return json.loads((folder / "run.json").read_text())


def test_rules_that_are_not_the_usual_ones_are_said(world, tmp_path):
    spec, systems, stages, done = world
    usual = EvaluationRules()
    ruled = EvaluationRules(ignore_identical_ids=True, ties="identifier", without_relevant="zero")

    def facts(number, quality=step_results.QUALITY, **fields):
        artefacts = {"prepare": replace(step_results.PREPARED, **fields), "quality": quality}
        changed = {
            key: replace(one, artefact=replace(one.artefact, result=to_json(artefacts[one.stage.kind])))
            if one.stage.kind in artefacts else one
            for key, one in done.items()
        }  # fmt: skip
        made = gathered((spec, systems, stages, changed), tmp_path / str(number))
        return made["collections"]["mine"]["description"], made["systems"][0]["facts"]

    assert facts(0, rules=usual)[0] == step_results.PREPARED.description
    assert facts(1, same_identifiers=7)[0]["same identifier"].startswith("7 queries have a document of their own")
    about, _ = facts(2, rules=ruled, same_identifiers=7, reranked=True, copies=3)
    assert "is no result (7 queries have one)" in about["same identifier"]
    assert "descending order of identifiers" in about["equal scores"]
    assert about["queries without a relevant document"] == "count 0, as in mteb"
    assert about["equal texts"].startswith("3 documents have the text of an earlier one")
    assert "only the candidates" in about["re-ranking"] and "a search of the whole corpus" in about["re-ranking"]
    _, system = facts(3, replace(step_results.QUALITY, tied=4, tied_grades=1))
    assert system["equal scores among the first 11"] == "4 queries; in 1 of them the order decides nDCG@10"


def test_a_run_holds_what_every_stage_gave(world, tmp_path):
    facts = gathered(world, tmp_path / "run")
    assert [(row["name"], row["status"], row["reason"]) for row in facts["systems"]] == [
        ("first", "ok", ""), ("second", "ok", "")
    ]  # fmt: skip
    prepared = to_json(step_results.PREPARED)
    beside = ("rules", "same_identifiers", "reranked", "copies", "passages", "most_passages")
    rules = {name: prepared.pop(name) for name in beside}
    assert rules["rules"]["ties"] == "number"
    assert facts["collections"] == {"mine": prepared}
    assert facts["systems"][0]["facts"] == {"width": "5000 terms", "parameters": "1,000"}
    assert {stage["key"] for stage in facts["stages"]} == {stage.key for stage in world[2]}
    assert {(stage["seconds"], stage["peak_bytes"]) for stage in facts["stages"]} == {(2.0, 4096)}
    assert facts["notes"] == []
    records = {(row["system"], row["metric"]): row["value"] for row in lines(tmp_path / "run" / "records.jsonl")}
    assert records["first", "ndcg@10"] == records["second", "ndcg@10"] == 0.5
    assert records["first", "encode_cpu"] == pytest.approx(0.15)
    assert lines(tmp_path / "run" / "per_query.jsonl")[:4] == [
        {"collection": "mine", "system": "first", "query": "q1", "metric": "ndcg@10", "value": 0.5},
        {"collection": "mine", "system": "first", "query": "q2", "metric": "ndcg@10", "value": 1.0},
        {"collection": "mine", "system": "first", "query": "q1", "metric": "flops_search", "value": 900.0},
        {"collection": "mine", "system": "first", "query": "q3", "metric": "flops_search", "value": 1100.0},
    ]
    with np.load(tmp_path / "run" / "latency.npz") as arrays:
        assert arrays["1/encode"].tolist() == [0.1, 0.2]
        assert arrays["0/search_cpu"].tolist() == [[0.2, 0.1]] * 2
    assert (tmp_path / "run" / "runs" / "001.trec.gz").is_file()


def test_conditions_of_every_process_are_a_row(world, tmp_path):
    gathered(world, tmp_path / "run")
    rows = lines(tmp_path / "run" / "conditions.jsonl")
    assert sorted((row["system"], row["kind"]) for row in rows) == [
        (name, kind) for name in ("first", "second") for kind in ("build", "latency", "latency")
    ]  # fmt: skip
    assert all(row["round"] == "mine 0" for row in rows if row["kind"] == "latency")
    assert all(row["disturbance"] == "" for row in rows)
    assert all("sentinel" not in row for row in rows if row["kind"] == "build")


@pytest.mark.parametrize("part", ["search", "memory", "quality", "summary"])
def test_a_system_that_failed_is_described_with_its_reason_and_has_no_records(world, tmp_path, part):
    _, systems, _, done = world
    failed = getattr(systems[1], part)
    shared = failed.key == getattr(systems[0], part).key
    done[failed.key] = Done(failed, "oom", reason="out of memory")
    facts = gathered(world, tmp_path / "run")
    first, second = facts["systems"]
    assert (second["status"], second["reason"]) == ("oom", f"{failed.label}: out of memory")
    assert (first["status"] == "ok") == (not shared)
    records = lines(tmp_path / "run" / "records.jsonl")
    assert {row["system"] for row in records} == (set() if shared else {"first"})
    assert second["facts"]["width"] == "5000 terms", "what was made is described all the same"
    assert not (tmp_path / "run" / "runs" / "001.trec.gz").exists()
    stage = next(row for row in facts["stages"] if row["key"] == failed.key)
    assert (stage["status"], stage["peak_bytes"], stage["reason"]) == ("oom", None, "out of memory")


def test_a_collection_that_could_not_be_prepared_is_no_fact(world, tmp_path):
    _, systems, stages, done = world
    for stage in stages:
        done[stage.key] = Done(stage, "skipped", reason="no")
    done[systems[0].prepare.key] = Done(systems[0].prepare, "failed", reason="no file")
    facts = gathered(world, tmp_path / "run")
    assert facts["collections"] == {}
    assert {row["reason"] for row in facts["systems"]} == {f"{systems[0].prepare.label}: no file"}
    assert (facts["systems"][0]["facts"], lines(tmp_path / "run" / "records.jsonl")) == ({}, [])


def test_a_trained_encoder_has_facts_and_a_curve(world, tmp_path):
    _, systems, _, done = world
    fit = systems[0].fit
    done[fit.key] = ended(fit, tmp_path, fit=fitted(TRAINED, 5.0))
    facts = gathered(world, tmp_path / "run")["systems"][0]["facts"]
    assert facts["trained in this experiment"] == "3 steps on 24 of 50 pairs"
    assert (facts["commit of a/b"], facts["departure: layers"]) == ("c0ffee", "2")
    assert lines(tmp_path / "run" / "training.jsonl") == [
        {"encoder": "bm25", "step": 1, "loss": 2.5}, {"encoder": "bm25", "step": 3, "loss": 1.25}
    ]  # fmt: skip


def test_dtype_and_device_are_facts_and_a_gpu_is_noted(world, tmp_path):
    _, systems, _, done = world
    encode = systems[0].encode
    facts = {"parameters": 1000.0, "dtype": "bfloat16", "device": "cuda:0 (a GPU)"}
    done[encode.key] = ended(encode, tmp_path, encode=replace(step_results.ENCODED, parameters=facts))
    run = gathered(world, tmp_path / "run")
    assert run["systems"][0]["facts"]["dtype"] == "bfloat16"
    assert run["systems"][0]["facts"]["device"] == "cuda:0 (a GPU)"
    assert run["notes"][0].startswith("bm25: queries were encoded on cuda:0 (a GPU).")


def test_checks_of_a_model_are_facts(world, tmp_path):
    spec, systems, stages, done = world
    check = replace(systems[0].fit, kind="check", label="check bm25", arguments={"refuse": False})
    figures = [CheckedFigure(name, 0.5, None, 1, "why", "0.5 (at most 1)", name == "good") for name in ("good", "bad")]
    done[check.key] = ended(check, tmp_path, check=Checked("sparse", tuple(figures)))
    systems[0] = replace(systems[0], check=check)
    facts = gathered((spec, systems, [*stages, check], done), tmp_path / "run")["systems"][0]["facts"]
    assert facts["check: good"] == "0.5 (at most 1): passed"
    assert facts["check: bad"] == "0.5 (at most 1): FAILED"


def test_a_disturbed_process_is_noted(world, tmp_path):
    _, systems, _, done = world
    stage = systems[0].latency[0]
    conditions = step_results.conditions(round="mine 0", disturbance="it waited", repeated=("it waited",))
    done[stage.key] = ended(stage, tmp_path, latency=step_results.latency(conditions=conditions))
    assert gathered(world, tmp_path / "run")["notes"] == [f"{stage.label}: disturbed, 2 times in a row: it waited."]
