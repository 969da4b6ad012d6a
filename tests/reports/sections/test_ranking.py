"""Who is best and who beats whom, against tests computed here in another way."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from harness.runs.read import load_run
from reports.exports.paper_tables import table
from reports.sections.ranking import best, ranked, superiors

FIRST, SECOND, THIRD = "sparse & co", "dense_1", "<script>alert(1)</script>"


def scores(run, collection):
    values = {s: run.quality[collection, s, "ndcg@10"] for s in (FIRST, SECOND, THIRD)}
    queries = sorted(set.intersection(*(set(v) for v in values.values())))
    return {s: np.asarray([v[q] for q in queries]) for s, v in values.items()}


def holm(p_values):
    """Holm's step-down by its definition."""
    order = sorted(p_values, key=p_values.get)
    highest, corrected = 0.0, {}
    for place, key in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[key]))
        corrected[key] = highest
    return corrected


def expected_superiors(values):
    found = {system: set() for system in values}
    p_values = {}
    for one, other in itertools.combinations(values, 2):
        difference = values[one] - values[other]
        p_values[one, other] = (
            1.0
            if not difference.any()
            else stats.permutation_test(
                (difference,), np.mean, permutation_type="samples", n_resamples=4999, rng=3
            ).pvalue
        )
    for (one, other), p in holm(p_values).items():
        if p < 0.05:
            winner, loser = (one, other) if values[one].mean() > values[other].mean() else (other, one)
            found[winner].add(loser)
    return found


@pytest.mark.parametrize("collection", ["alpha", "beta"])
def test_superiors_are_those_of_scipys_permutation_test(run_folder, collection):
    run = load_run(run_folder)
    expected = expected_superiors(scores(run, collection))
    assert {s: set(beaten) for s, beaten in superiors(run, collection, "ndcg@10").items() if s in expected} == expected


@pytest.mark.parametrize("collection", ["alpha", "beta"])
def test_letters_of_the_paper_table_name_the_same_systems(run_folder, collection):
    run = load_run(run_folder)
    expected = expected_superiors(scores(run, collection))
    lines = [line.split(" | ") for line in table(run, ("ndcg@10",), "markdown").splitlines()]
    column = next(place for place, text in enumerate(lines[0]) if text.strip(" |") == collection)
    letters = {FIRST: "a", SECOND: "b", THIRD: "c"}
    for line in lines[2:5]:
        system = next(s for s, letter in letters.items() if line[0].strip("| ") == letter)
        _, _, beaten = line[column].strip(" |").partition("^")
        assert beaten.strip("^") == "".join(sorted(letters[other] for other in expected[system]))


def test_systems_are_ranked_by_the_direction_of_the_metric(run_folder):
    run = load_run(run_folder)
    assert ranked(run, "alpha", "ndcg@10") == [FIRST, SECOND, THIRD]
    assert ranked(run, "alpha", "index_bytes_per_document")[0] == FIRST
    assert ranked(run, "alpha", "dimensions") == []


def test_a_tie_has_no_best_system_and_a_clear_difference_has_one(run_folder):
    run = load_run(run_folder)
    assert best(run, "alpha", "ndcg@10") == FIRST
    assert best(run, "beta", "ndcg@10") is None


def test_an_exact_count_decides_by_its_value(run_folder):
    run = load_run(run_folder)
    assert best(run, "alpha", "index_bytes_per_document") == FIRST
    rows = [json.loads(line) for line in (run_folder / "records.jsonl").read_text().splitlines()]
    for row in rows:
        if row.get("metric") == "index_bytes_per_document":
            row["value"] = 290
    (run_folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert best(load_run(run_folder), "alpha", "index_bytes_per_document") is None


def test_a_disturbed_system_is_never_the_fastest_beyond_chance(run_folder):
    run = load_run(run_folder)
    assert ("alpha", SECOND) in run.disturbed
    assert best(run, "alpha", "latency_total/p50") is None
    rows = [json.loads(line) for line in (run_folder / "conditions.jsonl").read_text().splitlines()]
    for row in rows:
        row["disturbance"] = ""
    (run_folder / "conditions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    quiet = load_run(run_folder)
    assert not quiet.disturbed
    assert best(quiet, "alpha", "latency_total/p50") == FIRST
