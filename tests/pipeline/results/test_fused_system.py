"""What a run folder holds of a fusion, from the results of stages: sums, and why there are none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import step_results
from small_specs import BM25, FLAT, INVERTED, load_small, system

from harness.pipeline.plan.fusion_stages import fusion_stages
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.results.gather import write_run
from harness.pipeline.stage_outcome import Done
from harness.pipeline.steps.check import Checked
from harness.pipeline.steps.fuse import Fused
from harness.pipeline.steps.index import CountedWork
from harness.pipeline.store.local import Artefact
from harness.typed_json import to_json

QUERIES = ("q0", "q1", "q2")


def ended(stage, folder, **results):
    """A stage that went well, with its files where a run needs them."""
    more = {"latency": step_results.latency(), "check": Checked("dense", ()), "fuse": Fused(10, 1000)}
    result = {**step_results.RESULTS, **more, **results}[stage.kind]
    directory = folder / "store" / stage.key
    files = directory / "files"
    files.mkdir(parents=True, exist_ok=True)
    if stage.kind == "summary":
        rows = {"process": [0, 1], "query": [0, 0], "repeat": [0, 0], "encode": [0.1, 0.2], "search": [0.3, 0.4]}
        np.savez(files / "samples.npz", **{name: np.asarray(values) for name, values in rows.items()})
    if stage.kind == "work":
        flops = {"flops_encode_query": dict.fromkeys(QUERIES, 10.0),
                 "flops_search": {query: 100.0 * place for place, query in enumerate(QUERIES)}}  # fmt: skip
        (files / "per_query.json").write_text(json.dumps(flops))
    if stage.kind == "quality":
        (files / "per_query.json").write_text('{"ndcg@10": {"q0": 0.5, "q1": 1.0}}')
        (files / "explain.jsonl").write_text('{"query": "q0", "text": "a", "first_relevant": 1, "top": []}\n')
        np.savez(files / "active.npz")
        (files / "run.trec.gz").write_bytes(b"")
    artefact = Artefact(stage.key, stage.kind, stage.label, directory, 10, to_json(result), 2.0, 4096, "2026-01-01")
    return Done(stage, "ok", artefact, seconds=2.0)


def world(folder, fused=("lexical", "dense"), **measure):
    """A spec with a fusion, its systems, all stages, and how each ended: well, every engine with its own sizes."""
    spec = load_small(
        folder, [f"measure.{name}={value}" for name, value in measure.items()],
        encoders=BM25 | {"random": {"type": "synthetic-dense"}}, indexes=INVERTED | FLAT,
        systems=[system("lexical"), system("dense", "random", "flat"), system("again")],
        fusions=[{"name": "both", "systems": list(fused)}],
    )  # fmt: skip
    systems = system_stages(spec, "machine")
    fusions = fusion_stages(spec, systems)
    stages = in_order(systems, 1, fusions)
    done = {stage.key: ended(stage, folder) for stage in stages}
    dense = systems[1].build
    sizes = replace(step_results.BUILT, memory={"codes": 5000}, file_bytes=5040)
    done[dense.key] = ended(dense, folder, build=sizes)
    added = fusions[0].summary
    times = replace(step_results.SUMMARY, engine=None, adapter=None, least={})
    done[added.key] = ended(added, folder, summary=times)
    return (spec, systems, stages, done), fusions[0]


def gathered(made, folder):
    """run.json, and the records of the fusion by metric."""
    write_run(folder, *made)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    facts = json.loads((folder / "run.json").read_text())
    return facts, {row["metric"]: row for row in lines if row["system"] == "both"}


def test_a_fusion_says_how_many_queries_a_tie_decides(tmp_path):
    (spec, systems, stages, done), _ = world(tmp_path)
    tied = to_json(replace(step_results.QUALITY, tied=4, tied_grades=1))
    for key, one in done.items():
        if one.stage.kind == "quality" and "fused" in one.stage.arguments:
            done[key] = replace(one, artefact=replace(one.artefact, result=tied))
    write_run(tmp_path / "run", spec, systems, stages, done)
    facts = {row["name"]: row["facts"] for row in json.loads((tmp_path / "run/run.json").read_text())["systems"]}
    said = {name: "equal scores among the first 11" in rows for name, rows in facts.items()}
    assert said == {"lexical": False, "dense": False, "again": False, "both": True}


def test_a_fusion_is_described_and_costs_what_its_systems_cost(tmp_path):
    made, _ = world(tmp_path, processes=2)
    facts, rows = gathered(made, tmp_path / "run")
    fusion = facts["systems"][-1]
    assert (fusion["name"], fusion["status"], fusion["fused"]) == ("both", "ok", ["lexical", "dense"])
    assert fusion["fusion"] == "reciprocal rank fusion (k = 60) of lexical and dense"
    values = {name: row["value"] for name, row in rows.items()}
    assert values["ndcg@10"] == 0.5
    assert values["index_bytes"] == 1000 + 5000
    assert (values["index_bytes/postings"], values["index_bytes/codes"]) == (600, 5000)
    assert values["index_bytes_per_document"] == 6000 / 100
    assert values["index_file_bytes"] == 1040 + 5040
    assert values["identifier_bytes"] == 350
    assert values["service_bytes"] == pytest.approx(2 * 200)
    assert values["service_bytes/encoder"] == pytest.approx(2 * 70)
    assert values["flops_encode_query"] == 2 * 2e5
    assert values["flops_search"] == 2 * (2 * 5000 / 10)
    assert values["flops_query"] == values["flops_encode_query"] + values["flops_search"]
    assert "resident_bytes" not in values, "of one process with both nothing is known"


def test_every_sum_says_what_it_is_of_and_is_not_measured(tmp_path):
    made, _ = world(tmp_path, processes=2)
    _, rows = gathered(made, tmp_path / "run")
    evaluated = {"ndcg@10", "identifier_bytes"}
    assert all((row["source"] == "measured") == (name in evaluated) for name, row in rows.items())
    assert all("lexical + dense" in row["method"] for name, row in rows.items() if name not in evaluated)
    assert {row["source"] for name, row in rows.items() if name.startswith("latency_")} == {"estimated"}
    assert "fusing is not timed" in rows["latency_total/mean"]["method"]


def test_what_systems_share_counts_once(tmp_path):
    """Both search one index with one encoder; their services are two processes all the same."""
    made, _ = world(tmp_path, fused=("lexical", "again"), processes=2)
    _, rows = gathered(made, tmp_path / "run")
    values = {name: row["value"] for name, row in rows.items()}
    assert (values["index_bytes"], values["index_file_bytes"]) == (1000, 1040)
    assert values["flops_encode_query"] == 2e5
    assert values["flops_search"] == 2 * (2 * 5000 / 10)
    assert values["service_bytes"] == pytest.approx(400)


def test_flops_have_an_interval_over_queries_and_values_by_query(tmp_path):
    made, _ = world(tmp_path, processes=2)
    _, rows = gathered(made, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "per_query.jsonl").read_text().splitlines()]
    own = {(row["metric"], row["query"]): row["value"] for row in lines if row["system"] == "both"}
    assert own == {
        ("ndcg@10", "q0"): 0.5, ("ndcg@10", "q1"): 1.0,
        **{("flops_encode_query", query): 20.0 for query in QUERIES},
        **{("flops_search", query): 200.0 * place for place, query in enumerate(QUERIES)},
        **{("flops_query", query): 20.0 + 200.0 * place for place, query in enumerate(QUERIES)},
    }  # fmt: skip
    assert rows["index_bytes"]["ci_low"] is None
    assert rows["service_bytes"]["ci_low"] is not None


def test_a_search_whose_engine_does_not_count_has_no_flops(tmp_path):
    made, _ = world(tmp_path, processes=2)
    _, systems, _, done = made
    work = systems[1].work
    done[work.key] = ended(work, tmp_path, work=CountedWork(10, 100, None, None, {}))
    _, rows = gathered(made, tmp_path / "run")
    assert "flops_encode_query" in rows
    assert not {"flops_search", "flops_query"} & rows.keys()


def test_added_samples_and_the_run_lie_under_the_number_of_the_fusion(tmp_path):
    made, _ = world(tmp_path, processes=2)
    facts, _ = gathered(made, tmp_path / "run")
    assert [row["name"] for row in facts["systems"]] == ["lexical", "dense", "again", "both"]
    with np.load(tmp_path / "run" / "latency.npz") as arrays:
        assert arrays["3/search"].tolist() == [0.3, 0.4]
    assert (tmp_path / "run" / "runs" / "003.trec.gz").is_file()
    explained = [json.loads(line) for line in (tmp_path / "run" / "explain.jsonl").read_text().splitlines()]
    assert [row["system"] for row in explained] == ["lexical", "dense", "again", "both"]


@pytest.mark.parametrize("part", ["search", "memory", "summary"])
def test_a_fusion_of_a_system_that_failed_names_it_in_one_sentence(tmp_path, part):
    made, fusion = world(tmp_path)
    _, systems, _, done = made
    bad = getattr(systems[1], part)
    done[bad.key] = Done(bad, "oom", reason="out of memory")
    for stage in fusion.all():
        if part != "memory":
            done[stage.key] = Done(stage, "skipped", reason=f"{bad.label}: oom: out of memory")
    facts, rows = gathered(made, tmp_path / "run")
    described = facts["systems"][-1]
    assert described["status"] == "skipped"
    assert described["reason"] == f"it needs dense, which is oom: {bad.label}: out of memory"
    assert rows == {}
    assert facts["systems"][0]["status"] == "ok"


def test_a_fusion_that_failed_itself_gives_its_own_reason(tmp_path):
    made, fusion = world(tmp_path)
    made[3][fusion.fuse.key] = Done(fusion.fuse, "failed", reason="no space")
    facts, rows = gathered(made, tmp_path / "run")
    assert (facts["systems"][-1]["status"], facts["systems"][-1]["reason"]) == (
        "failed", "fuse both / mine: no space"
    )  # fmt: skip
    assert rows == {}
