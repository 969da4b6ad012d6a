"""Which queries win, and why, on the synthetic run."""

import json

from harness.runs.read import load_run
from reports.figures.differences import pairs
from reports.pages.run_page import write_report
from reports.sections.queries import compared

HOSTILE = "<script>alert(1)</script>"


def test_pairs_are_those_of_the_claims_then_the_best_two(run_folder):
    run = load_run(run_folder)
    assert pairs(run, "alpha") == [("sparse & co", "dense_1")]  # the best two are the same pair
    run.facts["claims"] = [{"system": "dense_1", "baseline": HOSTILE}, {"system": "broken", "baseline": "dense_1"}]
    assert pairs(run, "alpha") == [("dense_1", HOSTILE), ("sparse & co", "dense_1")]


def test_wins_and_losses_are_counted(run_folder):
    run = load_run(run_folder)
    found = compared(run, "alpha", "sparse & co", "dense_1")
    assert "better than dense_1 on 60 of 60 queries, worse on 0, the same on 0" in found.text
    assert found.explained == 1
    assert [row.gap for row in found.rows] == ["+0.200"]  # the one whose documents the run holds
    run.explained.clear()
    found = compared(run, "alpha", "sparse & co", "dense_1")
    assert [row.gap for row in found.rows] == ["+0.200"] * 5
    tie = compared(run, "beta", "sparse & co", "dense_1")
    assert "on 0 of 60 queries, worse on 0, the same on 60" in tie.text
    assert tie.rows == []


def test_text_and_matched_terms_are_shown_and_escaped(run_folder):
    run = load_run(run_folder)
    rows = compared(run, "alpha", "sparse & co", "dense_1").rows
    (explained,) = [row for row in rows if row.text == f"what is {HOSTILE}"]
    sparse, dense = explained.sides
    assert sparse.terms == [(HOSTILE, "1.50")]
    assert sparse.rank == "first relevant at 3"
    assert sparse.relevant
    assert (dense.terms, dense.rank) == ([], "")
    text = write_report(run_folder).read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 1.50" in text
    assert "<script>alert" not in text
    assert "Active terms of a document" in text


def test_numbers_of_active_terms_come_with_how_many_vectors_have_them(run_folder):
    terms, vectors = load_run(run_folder).active["alpha", "sparse & co"]["document"]
    assert (terms.tolist(), vectors.tolist()) == ([80, 90, 120], [3, 4, 1])


def test_of_a_fusion_the_ranks_in_its_systems_are_shown(run_folder):
    path = run_folder / "explain.jsonl"
    row = json.loads(path.read_text())
    row["top"][0] |= {"terms": [], "ranks": [["BM25", 3], [HOSTILE, None]]}
    path.write_text(json.dumps(row) + "\n")
    rows = compared(load_run(run_folder), "alpha", "sparse & co", "dense_1").rows
    (explained,) = [row for row in rows if row.text == f"what is {HOSTILE}"]
    assert explained.sides[0].ranks == [("BM25", "3"), (HOSTILE, "not listed")]
    assert explained.sides[1].ranks == []
    text = write_report(run_folder).read_text()
    assert "BM25: 3" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: not listed" in text
