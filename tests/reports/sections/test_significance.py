"""Differences and costs at equal quality on the synthetic run, whose truth is known."""

import numpy as np
import pytest

from harness.records import record
from harness.runs.read import load_run
from reports.pages.run_page import write_report
from reports.sections.significance import against_best, at_equal_quality

HOSTILE = "<script>alert(1)</script>"


def test_set_differences_and_ties(run_folder):
    run = load_run(run_folder)
    found = against_best(run, "alpha")
    assert found.best == "sparse & co"
    assert [row[0] for row in found.rows] == ["dense_1", HOSTILE]
    assert [row[1].split(" ")[0] for row in found.rows] == ["-0.2000", "-0.3000"]
    assert all(row[5].startswith("not shown") for row in found.rows)
    tie = against_best(run, "beta").rows[0]
    assert tie[1:3] == ("+0.0000 [-0.0596, +0.0596]", "1.0000")  # 60 equal queries: 1 - 0.025 ** (1 / 60)
    assert tie[5].startswith("not shown")
    assert against_best(run, "alpha", "recall@100") is None


def test_the_margin_is_that_of_the_claim(run_folder):
    run = load_run(run_folder)
    run.facts["claims"] = [{"metric": "ndcg@10", "equivalent_within": 0.25}]
    rows = against_best(run, "alpha").rows
    assert [row[5].split(" ")[0] for row in rows] == ["yes", "not"]


def test_cost_at_equal_quality(run_folder):
    run = load_run(run_folder)
    for system in run.systems:
        system["encoder_base"] = "sparse" if system["name"] == "sparse & co" else "dense"
    for row in run.records_of("alpha"):
        if row.metric == "index_bytes_per_document" and row.system == HOSTILE:
            run.cells()["alpha", HOSTILE, row.metric] = record("r", "alpha", HOSTILE, row.metric, 500, method="m")
    (found,) = [row for row in at_equal_quality(run, "alpha") if "index" in row.what.lower()]
    assert found.what.startswith("Index bytes per document of dense (2 systems) at the nDCG@10 of sparse & co")
    assert found.value == "out of reach"
    assert found.theirs == "290 B"
    assert at_equal_quality(run, "beta") == []  # one cost a family: nothing to interpolate


def test_latency_at_equal_recall_carries_the_chance_in_the_times(run_folder):
    """Recall differs by a constant, so the interval is that of the times alone: about 2 and 3 ms, half way between."""
    run = load_run(run_folder)
    for system in run.systems:
        system["encoder_base"] = "sparse" if system["name"] == "sparse & co" else "dense"
    for name, more in (("sparse & co", 0.05), ("dense_1", 0.0), (HOSTILE, 0.1)):
        values = run.quality["alpha", "dense_1", "ndcg@10"]
        run.quality["alpha", name, "recall@100"] = {query: value + more for query, value in values.items()}
        row = record("r", "alpha", name, "recall@100", sum(values.values()) / len(values) + more, method="m")
        run.cells()["alpha", name, "recall@100"] = row
        run.records_of("alpha").append(row)
    run.facts["claims"] = [{"baseline": "sparse & co", "metric": "recall@100"}]
    (found,) = [row for row in at_equal_quality(run, "alpha") if row.what.startswith("Query latency p50 of dense")]
    middle = float(found.value.removesuffix(" ms"))
    low, high = (float(end.removesuffix(" ms")) for end in found.interval.strip("[]").split(", "))
    assert middle == pytest.approx(6**0.5, rel=0.05)
    assert low < 0.99 * middle < 1.01 * middle < high
    times = [np.quantile(run.latency["alpha", name]["total"], 0.5) for name in ("sparse & co", "dense_1", HOSTILE)]
    assert float(found.ratio.removesuffix("×")) == pytest.approx((times[1] * times[2]) ** 0.5 / times[0], rel=0.03)
    assert found.ratio_interval != f"[{found.ratio}, {found.ratio}]"
    assert found.note == "timing disturbed: dense_1"
    run.latency.pop(("alpha", HOSTILE))
    assert not [row for row in at_equal_quality(run, "alpha") if "latency" in row.what]


def test_the_page_shows_them(run_folder):
    text = write_report(run_folder).read_text()
    assert "Against the best on alpha" in text
    assert "two one-sided tests" in text
    assert text.count("two one-sided tests") == 2
