"""The page, its verdicts and marks, on a run whose truth is known."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from harness.claims.judge_run import verdicts
from harness.errors import UserError
from harness.metrics import METRICS, Metric
from harness.records import record, write_records
from harness.runs.read import load_run
from harness.stats.means import FRACTION
from harness.stats.strata import suite_mean
from reports.formatting import interval, number
from reports.pages.run_page import page, write_report
from reports.ranking import best, ranked, superiors
from reports.sections import conditions, null_control, takeaways
from reports.sections.all_collections import overview
from reports.sections.collection import ELSEWHERE, GROUPS, part


def test_verdicts(run_folder):
    words = [(v.claim, v.collection, v.word) for v in verdicts(load_run(run_folder))]
    assert words == [
        ("less memory", "alpha", "supported"),
        ("less memory", "beta", "supported"),
        ("a broken one", "alpha", "not comparable"),
        ("a broken one", "beta", "not comparable"),
    ]


def test_significance(run_folder):
    run = load_run(run_folder)
    hostile = "<script>alert(1)</script>"
    assert superiors(run, "alpha", "ndcg@10") == {
        "sparse & co": ["dense_1", hostile],
        "dense_1": [hostile],
        hostile: [],
    }
    assert superiors(run, "beta", "ndcg@10")["sparse & co"] == [hostile]
    assert ranked(run, "alpha", "index_bytes_per_document")[0] == "sparse & co"
    assert ranked(run, "alpha", "active_terms_query") == []


def test_times_are_best_only_where_undisturbed_processes_say_so(run_folder):
    run = load_run(run_folder)
    assert best(run, "alpha", "latency_total/p50") is None  # dense_1, the second, was disturbed
    run.conditions.clear()
    run.__dict__.pop("disturbances")
    assert best(run, "alpha", "latency_total/p50") == "sparse & co"
    times = run.latency["alpha", "sparse & co"]
    run.latency["alpha", "sparse & co"] = {side: values[:1] for side, values in times.items()}
    assert best(run, "alpha", "latency_total/p50") is None


def test_all_collections_in_one_table(run_folder):
    run = load_run(run_folder)
    found = overview(run)
    table = found.by_collection
    assert table.heads == ["alpha", "beta", "Mean"]
    rows = dict(table.rows)
    assert [best for _, _, best in rows["sparse & co"]] == [True, False, False]
    mean = sum(float(value) for _, value, _ in rows["dense_1"][:2]) / 2
    assert float(rows["dense_1"][2][1]) == pytest.approx(mean)
    assert [text for text, _, _ in rows["broken"]] == ["–", "–", "–"]
    one = [system for system in run.systems if system["collection"] == "alpha"]
    run.facts["systems"] = one
    assert overview(run) is None


def test_means_over_all_collections(run_folder):
    """0.2 better on one of two collections and tied on the other is better in the mean, and beyond chance."""
    run = load_run(run_folder)
    found = overview(run)
    names = [name for name, _, _ in found.means.columns]
    assert names == ["ndcg@10", "index_bytes_per_document", "latency_total", "flops_encode_query"]
    rows = {row.system["name"]: row for row in found.means.rows}
    first, second = rows["sparse & co"].cells, rows["dense_1"].cells
    assert float(first[0].value) - float(second[0].value) == pytest.approx(0.1, abs=1e-6)
    assert [cell.best for cell in first] == [True, True, False, False]  # dense_1's times were disturbed, FLOPs tie
    by_query = [list(run.quality[c, "sparse & co", "ndcg@10"].values()) for c in ("alpha", "beta")]
    _, low, high = suite_mean(by_query, [0.5, 0.5], limits=FRACTION)
    assert first[0].interval == f"[{low:.3f}, {high:.3f}]"
    assert rows["broken"].system == {
        "name": "broken", "status": "oom", "reason": "on alpha, beta: held too much"
    }  # fmt: skip
    assert rows["<script>alert(1)</script>"].cells[2].text == "–"  # not timed on beta
    run.conditions.clear()
    run.__dict__.pop("disturbances")
    again = {row.system["name"]: row for row in overview(run).means.rows}
    assert again["sparse & co"].cells[2].best


def test_what_an_index_loses_is_drawn_against_time_and_memory(run_folder):
    def captions():
        run = load_run(run_folder)
        return [figure.caption for figure in part(run, "alpha", 0).figures["Equal"] if figure]

    before = captions()
    assert not [caption for caption in before if "exact 100" in caption]
    systems = ("sparse & co", "dense_1")
    for value in (1.0, 0.9):  # nothing is drawn where nothing is lost
        assert captions() == before
        more = (("recall_vs_exact@100", value), ("latency_search/p50", 1e-3))
        rows = [record("r", "alpha", system, *pair, method="x") for system in systems for pair in more]
        write_records(run_folder / "more.jsonl", rows)
        with (run_folder / "records.jsonl").open("a") as file:
            file.write((run_folder / "more.jsonl").read_text())
    added = [caption for caption in captions() if caption not in before]
    assert len(added) == 2 and all("exact 100" in caption for caption in added)


def test_of_many_dominated_systems_the_sentence_names_the_others():
    rows = {}
    for place in range(10):
        for name, value in (("ndcg@10", 0.5 if place else 0.4), ("index_bytes_per_document", 100.0 + place)):
            rows[f"s{place}", name] = record("r", "c", f"s{place}", name, value, method="x")
    sentence = dict(takeaways.takeaways(rows, {}))["Dominated"]
    assert sentence.startswith("8 of 10 systems, all but s0; s1: another system ranks")


def test_takeaways_say_who_stands_out(run_folder):
    found = dict(part(load_run(run_folder), "alpha", 0).takeaways)
    assert found["Best ranking"].startswith("sparse & co: nDCG@10 0.598, beyond chance. Then dense_1, 0.398.")
    assert found["Smallest index"] == "sparse & co: 290 B a document. Then dense_1, 1000 B."
    assert "not shown to be beyond chance" in found["Fastest query"]
    assert found["Dominated"].startswith("dense_1; <script>alert(1)</script>: another system")


def test_what_no_table_names_is_shown_all_the_same(run_folder, monkeypatch):
    monkeypatch.setitem(METRICS, "smoothness", Metric("smoothness", "Smoothness", "ratio", "higher", "How smooth."))
    run = load_run(run_folder)
    row = record("r", "alpha", "dense_1", "null_ratio/search p50", 1.0, method="m")
    extension = replace(row, metric="smoothness")
    run.records.extend([row, extension])
    groups = dict(part(run, "alpha", 0).groups)
    assert groups["Other metrics"][0][1].columns[0][:2] == ("smoothness", "Smoothness")
    assert "Other metrics" not in dict(part(run, "beta", 1).groups)


def test_every_metric_has_its_place():
    """`Other metrics` is for those of extensions."""
    placed = {name.partition("/")[0] for _, parts in GROUPS for _, wanted in parts for name in wanted} | ELSEWHERE
    assert METRICS.keys() - placed == set()


def test_processor_times_stand_with_the_latencies(run_folder):
    run = load_run(run_folder)
    for system, value in (("sparse & co", 2e-3), ("dense_1", 5e-3)):
        for name, size in (("search_cpu", value), ("timer_overhead", 6e-8)):
            bounds = (size * 0.9, size * 1.1)
            run.records.append(record("r", "alpha", system, name, size, method="m", n=3, interval=bounds))
    groups = dict(part(run, "alpha", 0).groups)
    tables = {title: [row.cells[-1].text for row in data.rows] for title, data in groups["Latency"]}
    assert tables["Processor time"][:2] == ["2.00 ms", "5.00 ms"]
    assert tables["Shortest times, and the clock's own"][:2] == ["60 ns", "60 ns"]
    assert "Other metrics" not in groups
    assert best(run, "alpha", "search_cpu") is None  # dense_1 was disturbed
    run.conditions.clear()
    run.__dict__.pop("disturbances")
    assert best(run, "alpha", "search_cpu") == "sparse & co"


def test_claims_on_processor_time_rest_on_the_samples_of_the_run(run_folder):
    with np.load(run_folder / "latency.npz") as samples:
        arrays = dict(samples)
    for place, factor in ((0, 1.0), (1, 3.0)):
        for side in ("encode_cpu", "search_cpu"):
            arrays[f"{place}/{side}"] = factor * np.asarray([[1e-3, 1.01e-3, 0.99e-3]] * 2)
    np.savez(run_folder / "latency.npz", **arrays)
    facts = json.loads((run_folder / "run.json").read_text())
    claim = {"name": "less work", "metric": "total_cpu", "system": "sparse & co", "baseline": "dense_1"}
    facts["claims"] = [{**claim, "collection": "alpha", "ratio_at_most": 0.5}]
    (run_folder / "run.json").write_text(json.dumps(facts))
    run = load_run(run_folder)
    run.conditions.clear()
    for system, value in (("sparse & co", 2e-3), ("dense_1", 6e-3)):
        run.records.append(record("r", "alpha", system, "total_cpu", value, method="m"))
    assert run.latency["alpha", "dense_1"]["total_cpu"].shape == (2, 1, 3)
    (verdict,) = verdicts(run)
    assert verdict.word == "supported"
    assert verdict.value == pytest.approx(1 / 3)


def test_page_is_whole_escaped_and_self_contained(run_folder):
    text = write_report(run_folder).read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "held too much" in text
    assert "one broken line" in text
    assert text.count("<figure") == 2 * 8 + 6
    assert "analytic" in text
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert address.startswith("#") or address in {
            "records.jsonl",
            "per_query.jsonl",
            "run.json",
            "conditions.jsonl",
        }, address
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("confidence", "text"), [(0.9, "90 %"), (0.999, "99.9 %"), (None, "95 %")])
def test_the_page_says_how_sure_its_intervals_are(run_folder, confidence, text):
    run = load_run(run_folder)
    run.facts["measure"] = {} if confidence is None else {"confidence": confidence}
    assert f"In brackets the {text} interval" in page(run)


def test_page_is_the_same_every_time(run_folder):
    first = write_report(run_folder).read_text()
    assert write_report(run_folder).read_text() == first


def test_missing_samples_leave_a_page(run_folder):
    for name in ("per_query.jsonl", "latency.npz", "training.jsonl", "conditions.jsonl", "explain.jsonl", "active.npz"):
        (run_folder / name).unlink()
    assert "Summary" in write_report(run_folder).read_text()


@pytest.mark.parametrize("break_it", ["run.json", "records.jsonl", "latency.npz", "per_query.jsonl"])
def test_broken_files_are_named(run_folder, break_it):
    (run_folder / break_it).write_text("{")
    with pytest.raises(UserError, match=break_it):
        write_report(run_folder)


def test_other_schema_is_refused(run_folder):
    facts = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps({**facts, "schema": 99}))
    with pytest.raises(UserError, match="version"):
        load_run(run_folder)


def test_values_read_well(run_folder):
    assert number(0.00012, "seconds") == "0.120 ms"
    assert number(2.5, "seconds") == "2.50 s"
    assert [number(v, "seconds") for v in (0.4567, 0.04567, 0.004567)] == ["457 ms", "45.7 ms", "4.57 ms"]
    assert number(0.0, "seconds") == "0.000 ms"
    assert number(1536, "bytes") == "1.50 KiB"
    assert number(340, "bytes") == "340 B"
    assert number(2.5e9, "flops") == "2.50 G"
    assert number(0.123456, "fraction") == "0.123"
    row = load_run(run_folder).cells()["alpha", "dense_1", "index_bytes_per_document"]
    assert interval(row) == ""


def test_conditions_are_shown_and_the_disturbed_system_says_why(run_folder):
    run = load_run(run_folder)
    found = run.disturbed
    assert list(found) == [("alpha", "dense_1")]
    assert found["alpha", "dense_1"].startswith("1 of 1 processes, it waited")
    _, loud = conditions.table(run.conditions)
    assert dict(zip(conditions.COLUMNS, loud.cells, strict=True)) == {
        "Processes": "1", "Disturbed": "1", "Processors": "1", "Threads at work / asked": "1 / 1",
        "Waited for a processor": "50.0%", "Other processes' share": "40%", "Stolen by the host": "0.0%",
        "Put aside": "1,200", "Pages read from disk": "3", "Sentinel's slowest": "+20%",
    }  # fmt: skip
    text = write_report(run_folder).read_text()
    assert "While latency was measured" in text
    assert "latency of &lt;script&gt;alert(1)&lt;/script&gt;: disturbed." in text


def test_the_null_control_is_put_in_words(run_folder):
    assert "No null control" in write_report(run_folder).read_text()
    rows = [
        record("r", "alpha", system, f"{name}/search p50", value, method="m", interval=bounds)
        for system, low, high in (("quiet", 0.98, 1.03), ("loud", 1.01, 1.08))
        for name, value, bounds in (
            ("null_ratio", (low + high) / 2, (low, high)),
            ("smallest_effect", high - 1, None),
        )
    ]
    quiet, loud, effect = null_control.sentences(rows, "alpha")
    assert quiet == "quiet against itself, search p50: 1.005 times [0.980, 1.030]: no difference."
    assert loud.endswith("a difference where there is none.")
    assert effect.endswith("search p50 8.0%.")
    assert len(null_control.sentences(rows, "beta")) == 1
