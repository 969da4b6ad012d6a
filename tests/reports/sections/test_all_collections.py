"""All collections in one table: means of those systems that have every collection, with joined intervals and marks."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import write_run
from scipy import stats
from suite_runs import write_suite_run

from harness.records import record
from harness.runs.read import load_run
from reports.sections.all_collections import overview, overviews
from reports.sections.takeaways import HIGHLIGHTS
from reports.spans import ALL, means, spans

COLLECTIONS = ("c1", "c2", "c3")


def run_of(tmp_path, rows, quality=None, statuses=None):
    """A run with these records; `quality` is {(collection, system): values of nDCG@10}."""
    folder = write_run(tmp_path / "run")
    run = load_run(folder)
    run.records[:] = rows
    names = list(dict.fromkeys((row.collection, row.system) for row in rows))
    names += [name for name in statuses or {} if name not in names]
    run.facts["systems"] = [
        {"collection": c, "name": s, "encoder": "e", **(statuses or {}).get((c, s), {"status": "ok", "reason": ""})}
        for c, s in names
    ]
    for (collection, system), values in (quality or {}).items():
        run.quality[collection, system, "ndcg@10"] = {f"q{i}": float(v) for i, v in enumerate(values)}
    return run


def row(collection, system, metric, value, **more):
    return record("r", collection, system, metric, value, method="m", **more)


def means_of(run, systems, metric):
    (span,) = spans(run)
    return means(run, span, systems, metric)


def cell_of(found, system, metric):
    place = [name for name, _, _ in found.means.columns].index(metric)
    (line,) = [line for line in found.means.rows if line.system["name"] == system]
    return line.cells[place]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.2, 0.8), st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.integers(1, 500)),
        min_size=2, max_size=5,
    )
)  # fmt: skip
def test_means_and_intervals_are_those_of_independent_collections(tmp_path_factory, parts):
    rows = [
        row(f"c{place}", "s", "ndcg@10", value, n=n, interval=(value - low, value + high))
        for place, (value, low, high, n) in enumerate(parts)
    ]
    found = means_of(run_of(tmp_path_factory.mktemp("run"), rows), ["s"], "ndcg@10")["s"]
    count = len(parts)
    assert found.collection == ALL
    assert found.value == pytest.approx(np.mean([value for value, *_ in parts]))
    assert found.n == sum(n for *_, n in parts)
    # Half-widths of independent estimates add as squares, each side by itself.
    assert found.value - found.ci_low == pytest.approx(math.sqrt(sum(low**2 for _, low, _, _ in parts)) / count)
    assert found.ci_high - found.value == pytest.approx(math.sqrt(sum(high**2 for _, _, high, _ in parts)) / count)


def test_the_interval_covers_the_true_mean_as_often_as_it_says(tmp_path):
    """Normal estimates on three collections, 95 % intervals each: the mean's interval covers 95 % as well."""
    rng, truth, sizes, covered = np.random.default_rng(3), (0.3, 0.5, 0.7), (0.01, 0.02, 0.04), 0
    half = stats.norm.ppf(0.975)
    for _ in range(400):
        rows = []
        for name, value, size in zip(COLLECTIONS, truth, sizes, strict=True):
            at = rng.normal(value, size)
            rows.append(row(name, "s", "ndcg@10", at, interval=(at - half * size, at + half * size)))
        run = run_of(tmp_path, rows)
        found = means_of(run, ["s"], "ndcg@10")["s"]
        covered += found.ci_low <= np.mean(truth) <= found.ci_high
    low, high = stats.binom.interval(0.9999, 400, 0.95)
    assert low <= covered <= high


def test_a_system_without_one_collection_has_no_mean_and_says_why(tmp_path):
    rows = [row(c, s, "ndcg@10", 0.5) for c in COLLECTIONS for s in ("whole", "part") if (c, s) != ("c3", "part")]
    failed = {("c3", "part"): {"status": "timeout", "reason": "it took an hour"}}
    found = overview(run_of(tmp_path, rows, statuses=failed))
    assert cell_of(found, "whole", "ndcg@10").text == "0.500"
    assert cell_of(found, "part", "ndcg@10").text == "–"
    (part,) = [line.system for line in found.means.rows if line.system["name"] == "part"]
    assert part == {"name": "part", "status": "timeout", "reason": "on c3: it took an hour"}
    by_name = dict(found.by_collection.rows)
    assert [text for text, _, _ in by_name["part"]] == ["0.500", "0.500", "–", "–"]
    assert found.count == 3


def test_a_mean_has_an_interval_only_where_every_collection_has_one(tmp_path):
    rows = [
        row("c1", "s", "ndcg@10", 0.4, interval=(0.3, 0.5)), row("c2", "s", "ndcg@10", 0.6),
        row("c1", "t", "ndcg@10", 0.4, interval=(0.3, 0.5)), row("c2", "t", "ndcg@10", 0.6, interval=(0.5, 0.7)),
    ]  # fmt: skip
    found = means_of(run_of(tmp_path, rows), ["s", "t"], "ndcg@10")
    assert (found["s"].ci_low, found["s"].ci_high) == (None, None)
    assert found["t"].ci_low == pytest.approx(0.5 - 0.1 * 2**0.5 / 2)


def test_sources_that_differ_make_an_estimate(tmp_path):
    rows = [
        row("c1", "s", "flops_search", 10.0, source="measured"),
        row("c2", "s", "flops_search", 30.0, source="analytic"),
    ]
    run = run_of(tmp_path, rows)
    assert means_of(run, ["s"], "flops_search")["s"].source == "estimated"
    assert cell_of(overview(run), "s", "flops_search").label == "estimated"
    same = run_of(tmp_path, [row(c, "s", "flops_search", 10.0, source="analytic") for c in COLLECTIONS])
    assert means_of(same, ["s"], "flops_search")["s"].source == "analytic"


@pytest.mark.parametrize(("gap", "marked"), [(0.1, True), (0.0, False)])
def test_quality_is_marked_by_a_test_over_the_queries_of_all_collections(tmp_path, gap, marked):
    rng = np.random.default_rng(5)
    quality, rows = {}, []
    for collection in COLLECTIONS:
        base = rng.uniform(0.2, 0.6, 50)
        noise = rng.normal(0, 0.02, 50)
        quality[collection, "good"], quality[collection, "other"] = base + gap + noise, base
        for system in ("good", "other"):
            rows.append(row(collection, system, "ndcg@10", quality[collection, system].mean()))
    found = overview(run_of(tmp_path, rows, quality))
    assert cell_of(found, "good", "ndcg@10").best == marked
    assert not cell_of(found, "other", "ndcg@10").best


def test_each_collection_weighs_the_same_whatever_its_number_of_queries(tmp_path):
    """One large collection that a system wins does not outweigh two small ones that it loses by more."""
    rng = np.random.default_rng(9)
    quality, rows = {}, []
    for collection, count, gap in (("c1", 2000, 0.05), ("c2", 60, -0.2), ("c3", 60, -0.2)):
        base = rng.uniform(0.3, 0.5, count)
        quality[collection, "a"], quality[collection, "b"] = base + gap + rng.normal(0, 0.01, count), base
        rows += [row(collection, s, "ndcg@10", quality[collection, s].mean()) for s in ("a", "b")]
    found = overview(run_of(tmp_path, rows, quality))
    assert cell_of(found, "b", "ndcg@10").best
    per_collection = {system: [best for _, _, best in cells] for system, cells in found.by_collection.rows}
    assert per_collection == {"a": [True, False, False, False], "b": [False, True, True, False]}


def test_counts_are_marked_by_their_value_alone_and_ties_are_not(tmp_path):
    rows = [
        row(c, s, "index_bytes_per_document", size)
        for c in COLLECTIONS
        for s, size in (("small", 10.0), ("large", 11.0))
    ]
    found = overview(run_of(tmp_path, rows))
    assert cell_of(found, "small", "index_bytes_per_document").best
    tied = overview(run_of(tmp_path, [row(c, s, "index_bytes_per_document", 1.0) for c in COLLECTIONS for s in "ab"]))
    assert not any(line.cells[0].best for line in tied.means.rows)


def test_times_of_one_process_are_never_marked(tmp_path):
    rows = [
        row(c, s, "latency_total/p50", t, interval=(t * 0.99, t * 1.01))
        for c in COLLECTIONS
        for s, t in (("quick", 1e-3), ("slow", 9e-3))
    ]
    run = run_of(tmp_path, rows)
    assert not cell_of(overview(run), "quick", "latency_total").best
    for c in COLLECTIONS:
        for s in ("quick", "slow"):
            run.latency[c, s] = {"total": np.ones((2, 3, 1))}
    assert cell_of(overview(run), "quick", "latency_total").best
    run.latency["c2", "slow"] = {"total": np.ones((1, 3, 1))}
    assert not cell_of(overview(run), "quick", "latency_total").best


def test_the_figure_needs_two_systems_with_quality_and_size(tmp_path):
    rows = [
        row(c, s, m, v)
        for c in COLLECTIONS
        for s in "ab"
        for m, v in (("ndcg@10", 0.5), ("index_bytes_per_document", 9.0))
    ]
    (figure,) = overview(run_of(tmp_path, rows)).figures
    assert [line[0] for line in figure.table().rows] == ["a", "b"]
    less = [r for r in rows if (r.system, r.metric) != ("b", "index_bytes_per_document")]
    assert overview(run_of(tmp_path, less)).figures == []


def test_p99_replaces_p95_where_it_could_be_had_everywhere(tmp_path):
    both = [row(c, "s", f"latency_total/{q}", 1e-3) for c in COLLECTIONS for q in ("p95", "p99")]
    headings = [text for _, text, _ in overview(run_of(tmp_path, both)).means.columns]
    assert headings == ["Query latency p99"]
    some = [r for r in both if (r.collection, r.metric) != ("c2", "latency_total/p99")]
    headings = [text for _, text, _ in overview(run_of(tmp_path, some)).means.columns]
    assert headings == ["Query latency p95"]


def test_without_quality_there_is_no_table_by_collection(tmp_path):
    found = overview(run_of(tmp_path, [row(c, "s", "index_bytes_per_document", 1.0) for c in COLLECTIONS]))
    assert found.by_collection is None
    assert found.takeaways == []


def test_takeaways_are_those_of_themeans(run_folder):
    run = load_run(run_folder)
    found = overview(run)
    headings = [heading for heading, _ in found.takeaways]
    assert headings == [*(heading for _, heading, _ in HIGHLIGHTS), "Dominated"]
    assert json.dumps(found.takeaways).count("sparse & co") >= 2


def test_a_suite_is_shown_by_task_with_its_parts_apart(tmp_path):
    (found,) = overviews(load_run(write_suite_run(tmp_path)))
    assert (found.title, found.what, found.count) == ("S", "3 tasks", 3)
    assert found.by_collection.heads == ["First", "Second", "Forum", "Mean"]
    rows = {name: [text for text, _, _ in cells] for name, cells in found.by_collection.rows}
    assert rows == {"good": ["0.800", "0.600", "0.300", "0.567"], "other": ["0.700", "0.500", "0.200", "0.467"]}
    assert cell_of(found, "good", "ndcg@10").text == "0.567"
    assert cell_of(found, "good", "ndcg@10").best
    assert cell_of(found, "good", "index_bytes_per_document").value == f"{13_000 / 1200:.6g}"
    (parts,) = found.parts
    assert (parts.title, parts.heads) == ("on the 2 parts of Forum", ["p1", "p2", "Mean"])
    assert [text for text, _, _ in dict(parts.rows)["good"]] == ["0.400", "0.200", "0.300"]
    assert [best for _, _, best in dict(parts.rows)["good"]] == [True, True, True]
    assert found.takeaways[0] == ("Best ranking", "good: nDCG@10 0.567, beyond chance. Then other, 0.467.")
    assert found.notes == []


def test_collections_outside_of_a_suite_have_means_of_their_own(tmp_path):
    suites = {"S": {"First": ["c1"], "Forum": ["p1", "p2"]}}
    first, rest = overviews(load_run(write_suite_run(tmp_path, suites=suites)))
    assert first.title == "S"
    assert (rest.title, rest.what) == ("the other collections", "2 collections")
    assert rest.by_collection.heads == ["c2", "beside", "Mean"]


def test_a_suite_of_which_a_system_has_a_part_has_no_mean(tmp_path):
    (found,) = overviews(load_run(write_suite_run(tmp_path, failed={("p2", "good"): "no memory"})))
    assert cell_of(found, "good", "ndcg@10").text == "–"
    assert [text for text, _, _ in dict(found.by_collection.rows)["good"]] == ["0.800", "0.600", "–", "–"]
    (note,) = found.notes
    assert "Missing: Forum: p2 (failed: no memory)" in note
    assert "over the 2 of 3 tasks that are there: 0.7000" in note
    assert not any("good" in text for heading, text in found.takeaways if heading == "Best ranking")
