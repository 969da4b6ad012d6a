"""Differences and costs at equal quality on the synthetic run, whose truth is known."""

from harness.records import record
from reports.evidence import against_best, at_equal_quality
from reports.html import write_report
from reports.load import load_run

HOSTILE = "<script>alert(1)</script>"


def test_set_differences_and_ties(run_folder):
    run = load_run(run_folder)
    found = against_best(run, "alpha")
    assert found["best"] == "sparse & co"
    assert [row[0] for row in found["rows"]] == ["dense_1", HOSTILE]
    assert [row[1].split(" ")[0] for row in found["rows"]] == ["-0.2000", "-0.3000"]
    assert all(row[5].startswith("not shown") for row in found["rows"])
    tie = against_best(run, "beta")["rows"][0]
    assert tie[1:3] == ("+0.0000 [+0.0000, +0.0000]", "1.0000")
    assert tie[5].startswith("yes")
    assert against_best(run, "alpha", "recall@100") is None


def test_the_margin_is_that_of_the_claim(run_folder):
    run = load_run(run_folder)
    run.facts["claims"] = [{"metric": "ndcg@10", "equivalent_within": 0.25}]
    rows = against_best(run, "alpha")["rows"]
    assert [row[5].split(" ")[0] for row in rows] == ["yes", "not"]


def test_cost_at_equal_quality(run_folder):
    run = load_run(run_folder)
    for system in run.systems:
        system["encoder_base"] = "sparse" if system["name"] == "sparse & co" else "dense"
    for row in run.of("alpha"):
        if row.metric == "index_bytes_per_document" and row.system == HOSTILE:
            run.cells()["alpha", HOSTILE, row.metric] = record("r", "alpha", HOSTILE, row.metric, 500, method="m")
    (found,) = [row for row in at_equal_quality(run, "alpha") if "index" in row["what"].lower()]
    assert found["what"].startswith("Index bytes per document of dense (2 systems) at the nDCG@10 of sparse & co")
    assert found["value"] == "out of reach"
    assert found["theirs"] == "290 B"
    assert at_equal_quality(run, "beta") == []  # one cost a family: nothing to interpolate


def test_the_page_shows_them(run_folder):
    text = write_report(run_folder).read_text()
    assert "Against the best on alpha" in text
    assert "two one-sided tests" in text
    assert text.count("two one-sided tests") == 2
