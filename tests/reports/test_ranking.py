"""Who is best and who beats whom, against tests computed here in another way."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.records import record
from harness.runs.read import RunData, load_run
from reports.exports.paper_tables import table
from reports.ranking import best, pairs, ranked, superiors

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


def of_table(folder, table, direction="higher"):
    """A run whose systems have these values of nDCG@10, systems x queries."""
    rows, quality = [], {}
    for number, values in enumerate(table):
        name = f"s{number}"
        rows.append(record("r", "c", name, "ndcg@10", float(values.mean()), method="m"))
        quality["c", name, "ndcg@10"] = {str(query): float(value) for query, value in enumerate(values)}
    return replace(RunData.of_records(folder, rows, revision="r"), quality=quality)


def test_of_ten_equal_systems_the_best_differs_from_another_in_at_most_one_run_of_twenty(tmp_path):
    rng = np.random.default_rng(17)
    runs, differs, starred = 400, 0, 0
    for _ in range(runs):
        run = of_table(tmp_path, np.clip(rng.normal(0.5, 0.2, (10, 50)), 0, 1))
        first, *others = ranked(run, "c", "ndcg@10")
        compared = pairs(run, "c", "ndcg@10")
        differs += any(compared.beats(first, other) for other in others)
        starred += best(run, "c", "ndcg@10") is not None
    # What one simulation in a thousand may exceed by chance where 5 % is true. A correction for nine tests gives 14 %.
    assert starred <= differs <= stats.binom.ppf(0.999, runs, 0.05)


def test_a_system_that_is_better_than_all_is_the_best(tmp_path):
    rng = np.random.default_rng(18)
    base = rng.uniform(0.1, 0.6, 60)
    table = np.stack([base, base + 0.2 + rng.normal(0, 0.05, 60), base + rng.normal(0, 0.05, 60)])
    run = of_table(tmp_path, np.clip(table, 0, 1))
    assert best(run, "c", "ndcg@10") == "s1"
    assert superiors(run, "c", "ndcg@10") == {"s0": [], "s1": ["s0", "s2"], "s2": []}
    compared = pairs(run, "c", "ndcg@10")
    assert compared.p_value("s1", "s0") == compared.p_value("s0", "s1") < 0.001
    assert compared.gains[1, 0] == -compared.gains[0, 1] == pytest.approx(0.2, abs=0.05)


def test_two_systems_that_differ_in_a_few_queries_are_not_told_apart(tmp_path):
    base = np.linspace(0.1, 0.8, 60)
    better = base.copy()
    better[:9] += 0.2
    assert best(of_table(tmp_path, np.stack([base, better])), "c", "ndcg@10") is None
    better[:12] = base[:12] + 0.2
    assert best(of_table(tmp_path, np.stack([base, better])), "c", "ndcg@10") == "s1"


@pytest.mark.parametrize("collection", ["alpha", "beta"])
def test_letters_of_the_paper_table_name_the_same_systems(run_folder, collection):
    run = load_run(run_folder)
    expected = expected_superiors(scores(run, collection))
    lines = [line.split(" | ") for line in table(run, ("ndcg@10",), "markdown").splitlines()]
    column = next(place for place, text in enumerate(lines[0]) if text.strip(" |") == collection)
    letters = {FIRST: "a", SECOND: "b", THIRD: "c"}
    rows = [line for line in lines[2:] if line[0].strip("| ") in letters.values()]  # without the names of groups
    assert len(rows) == len(letters)
    for line in rows:
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
