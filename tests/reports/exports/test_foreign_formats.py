"""TREC runs, pyperf files and mteb results: what other programs read out of them, and what is left out."""

import gzip
import json
import re

import numpy as np
import pyperf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records import record
from harness.runs import layout
from harness.runs.read import load_run
from reports.exports.export import export, metadata
from reports.exports.mteb_results import _safe, write_mteb
from reports.exports.pyperf_file import SIDES, write_pyperf
from reports.exports.spreadsheet import FORMULA, plain

ABOUT = {
    "task": "SciFact of mteb 2.26.24, split test", "data": f"mteb/scifact at revision {'d' * 40}", "subset": "default",
    "languages": "eng-Latn, deu-Latn",
}  # fmt: skip


@pytest.fixture
def run(run_folder):
    return load_run(run_folder)


def put_trec_run(folder, number, body):
    path = folder / layout.trec_run(number)
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(body)


def header_of(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    inside = lines[lines.index("# ir_metadata.start") + 1 : lines.index("# ir_metadata.end")]
    return {key: json.loads(value) for key, value in (line.removeprefix("# ").split(": ", 1) for line in inside)}


def test_trec_writes_the_runs_that_are_there_under_their_numbers(run_folder, tmp_path):
    """Systems 0 to 2 are fine on alpha, 3 failed, 4 to 6 are those of beta."""
    for number in (0, 2, 3, 5):
        put_trec_run(run_folder, number, f"q Q0 d{number} 1 1.5 t\n")
    out = tmp_path / "out"
    printed = export(load_run(run_folder), "trec", out=out)
    names = sorted(path.name for path in out.iterdir())
    assert names == ["000.trec", "002.trec", "005.trec"]  # the failed system has none
    assert printed.splitlines() == [str(out / name) for name in names]
    assert header_of(out / "005.trec")["data"]["test_collection"]["name"] == "beta"
    assert "q Q0 d5 1 1.5 t" in (out / "005.trec").read_text()


def test_a_run_without_trec_runs_writes_an_empty_folder(run, tmp_path):
    assert export(run, "trec", out=tmp_path / "out") == ""
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_trec_run_is_a_message(run_folder, tmp_path):
    path = run_folder / layout.trec_run(0)
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"q Q0 d 1 1.5 t\n" * 100)[:40])
    with pytest.raises(UserError, match=r"000\.trec\.gz.*cannot be read"):
        export(load_run(run_folder), "trec", out=tmp_path / "out")
    path.write_bytes(b"q Q0 d 1 1.5 t\n")
    with pytest.raises(UserError, match=r"000\.trec\.gz.*cannot be read"):
        export(load_run(run_folder), "trec", out=tmp_path / "out")


def test_names_cannot_end_the_header_or_begin_a_line(run_folder, tmp_path):
    name = "x\n# ir_metadata.end\nq Q0 forged 1 9.9 t"
    path = run_folder / "run.json"
    path.write_text(path.read_text().replace('"sparse & co"', json.dumps(name)))
    put_trec_run(run_folder, 0, "q Q0 d 1 1.5 t\n")
    export(load_run(run_folder), "trec", out=tmp_path / "out")
    lines = (tmp_path / "out" / "000.trec").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["q Q0 d 1 1.5 t"]
    assert header_of(tmp_path / "out" / "000.trec")["tag"] == name


def test_the_header_says_what_was_measured_and_leaves_out_formulas(run):
    about = metadata(run, run.systems[0])
    measured = {r.metric for r in run.records_of("alpha") if r.system == "sparse & co" and r.source == "measured"}
    assert about["resources"]["records"].keys() == measured
    assert "flops_encode_query" not in measured
    assert about["method"]["retrieval"] == [{"name": "sparse & co", "method": "t", "index": "x"}]
    assert about["implementation"] == {
        "executable": {"cmd": "laconic-bench run"}, "source": {"commit": "c" * 40},
    }  # fmt: skip
    assert about["platform"]["hardware"]["cpu"]["model"] == "P" * 10_000


def test_pyperf_has_a_benchmark_a_system_and_side_and_a_run_a_process(run, tmp_path):
    write_pyperf(run, tmp_path / "t.json")
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "t.json"))
    names = {f"{system} / {collection}, {side}" for collection, system in run.latency for side in SIDES}
    assert set(suite.get_benchmark_names()) == names
    for (collection, system), sides in run.latency.items():
        for side in SIDES:
            benchmark = suite.get_benchmark(f"{system} / {collection}, {side}")
            assert benchmark.get_nrun() == len(sides[side])
            assert benchmark.get_nvalue() == sides[side].size
            assert benchmark.get_unit() == "second"
            assert benchmark.median() == pytest.approx(np.median(sides[side]))
            assert benchmark.stdev() == pytest.approx(sides[side].std(ddof=1))


def test_pyperf_names_the_machine_as_pyperf_does(run, tmp_path):
    run.facts["environment"] = {
        "Machine": {"processor": "EPYC", "clock": "tsc", "cores": "2"},
        "Software": {"Python": "3.11", "system": "Linux"},
    }
    write_pyperf(run, tmp_path / "t.json")
    found = pyperf.BenchmarkSuite.load(str(tmp_path / "t.json")).get_metadata()
    assert {name: found[name] for name in ("cpu_model_name", "timer", "python_version", "platform")} == {
        "cpu_model_name": "EPYC", "timer": "tsc", "python_version": "3.11", "platform": "Linux",
    }  # fmt: skip
    assert "cores" not in found


def test_pyperf_compares_two_runs(run, tmp_path):
    """A file is written anew where it is there; pyperf finds the factor between two files."""
    write_pyperf(run, tmp_path / "a.json")
    for sides in run.latency.values():
        sides["search"] = sides["search"] * 2
    write_pyperf(run, tmp_path / "a.json")
    write_pyperf(load_run(run.folder), tmp_path / "b.json")
    name = "dense_1 / alpha, search"
    first, second = (
        pyperf.BenchmarkSuite.load(str(tmp_path / file)).get_benchmark(name) for file in ("a.json", "b.json")
    )
    assert first.mean() / second.mean() == pytest.approx(2)


def suite_of(run, collection="alpha", **about):
    """The run with a collection that is a task of mteb."""
    facts = run.facts["collections"][collection]
    run.facts["collections"][collection] = {**facts, "description": {**ABOUT, **about}}
    return run


def test_mteb_holds_each_measured_score_and_no_other(run, tmp_path):
    for metric, value in (("recall@100", 0.9), ("recall@10", 0.8), ("mrr@10", 0.7), ("ndcg_exact@10", 0.1)):
        run.records.append(record("r", "alpha", "dense_1", metric, value, method="m"))
    paths = write_mteb(suite_of(run), tmp_path)
    assert len(paths) == 3  # the failed system has no score, and beta is no task
    body = json.loads((tmp_path / "dense_1/local/SciFact.json").read_text())
    (score,) = body["scores"]["test"]
    ndcg = run.cells()["alpha", "dense_1", "ndcg@10"].value
    assert score == {
        "ndcg_at_10": ndcg, "recall_at_100": 0.9, "recall_at_10": 0.8, "mrr_at_10": 0.7, "main_score": ndcg,
        "hf_subset": "default", "languages": ["eng-Latn", "deu-Latn"],
    }  # fmt: skip
    assert (body["mteb_version"], body["dataset_revision"]) == ("2.26.24", "d" * 40)
    assert body["evaluation_time"] is None
    meta = json.loads((tmp_path / "dense_1/local/model_meta.json").read_text())
    assert meta == {"name": "dense_1", "revision": "local", "framework": ["laconic-bench"]}


@pytest.mark.parametrize(
    "about", [{"task": "SciFact"}, {"data": "a folder"}, {"task": "SciFact of mteb 2.26.24"}, {"data": ""}]
)
def test_a_collection_that_does_not_say_task_and_revision_is_no_task(run, tmp_path, about):
    with pytest.raises(UserError, match="no finished task of mteb"):
        write_mteb(suite_of(run, **about), tmp_path)
    assert not [path for path in tmp_path.rglob("*.json") if "SciFact" in path.name]


def test_mteb_takes_the_tasks_own_main_score_and_every_measure_that_both_have(run, tmp_path):
    for metric, value in (("AP@10", 0.3), ("P@5", 0.2), ("RR@3", 0.6), ("Success@1", 0.5), ("AP", 0.9), ("Bpref", 0.9)):
        run.records.append(record("r", "alpha", "dense_1", metric, value, method="m"))
    paths = write_mteb(suite_of(run, **{"main score": "map_at_10"}), tmp_path)
    (score,) = json.loads(paths[0].read_text())["scores"]["test"]
    assert [path.parent.parent.name for path in paths] == ["dense_1"]
    assert (score["main_score"], score["map_at_10"]) == (0.3, 0.3)
    assert (score["precision_at_5"], score["mrr_at_3"], score["hit_rate_at_1"]) == (0.2, 0.6, 0.5)
    assert not {"map", "AP", "Bpref"} & score.keys()


@pytest.mark.parametrize(
    ("main", "remedy"), [("map_at_1000", r'quality = \["AP@1000"\]'), ("p-MRR", "export other tasks")]
)
def test_a_task_whose_main_score_was_not_measured_is_named(run, tmp_path, main, remedy):
    with pytest.raises(UserError, match=f"0 files were written; left out: SciFact.*{main}") as error:
        write_mteb(suite_of(run, **{"main score": main}), tmp_path)
    assert re.search(remedy, str(error.value))


def test_subsets_of_a_task_stand_in_one_file(run, tmp_path):
    suite_of(run, "beta", subset="fra")
    paths = write_mteb(suite_of(run), tmp_path)
    both = [json.loads(path.read_text())["scores"]["test"] for path in paths]
    cells = run.cells()
    for path, scores in zip(paths, both, strict=True):
        assert {score["hf_subset"] for score in scores} <= {"default", "fra"}
        for score in scores:
            collection = {"default": "alpha", "fra": "beta"}[score["hf_subset"]]
            names = [row["name"] for row in run.systems if _safe(row["name"]) == path.parent.parent.name]
            assert score["main_score"] == cells[collection, names[0], "ndcg@10"].value
    assert max(map(len, both)) == 2


def test_a_system_without_ndcg_has_no_result(run, tmp_path):
    run.records[:] = [row for row in run.records if (row.system, row.metric) != ("dense_1", "ndcg@10")]
    names = [path.parent.parent.name for path in write_mteb(suite_of(run), tmp_path)]
    assert names == ["sparse___co", "_script_alert_1___script_"] or "dense_1" not in names
    assert len(names) == 2


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_no_name_leads_out_of_the_folder(name):
    safe = _safe(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", safe)
    assert safe.strip(".")


@given(st.text(max_size=20))
def test_text_in_a_spreadsheet_begins_with_no_sign_of_a_formula(text):
    safe = plain(text)
    assert not safe.startswith(FORMULA)
    assert safe in (text, f"'{text}")
    assert (safe == text) == (not text.startswith(FORMULA))
