"""The page of a run over a suite."""

import re

from suite_runs import write_suite_run

from harness.runs.read import load_run
from reports.pages.run_page import contents, page
from reports.sections import collection


def test_the_suite_stands_first_and_its_parts_are_folded(tmp_path):
    text = page(load_run(write_suite_run(tmp_path)))
    assert "<h3>S</h3>" in text
    assert "Means over 3 tasks, of the systems that have all." in text
    assert "nDCG@10 by task of S." in text
    assert "<summary>nDCG@10 on the 2 parts of Forum</summary>" in text
    assert "<summary>The 2 parts of Forum</summary>" in text
    assert text.count("<details") == text.count("</details>")
    assert text.count("<section") == text.count("</section>")
    folded = re.search(r"<summary>The 2 parts of Forum</summary>(.*?)</section>\s*</details>", text, re.DOTALL)
    assert [name for name in ("p1", "p2") if f"{name}</h2>" in folded[1]] == ["p1", "p2"]


def test_what_is_missing_is_said(tmp_path):
    text = page(load_run(write_suite_run(tmp_path, failed={("c2", "good"): "no <memory>"})))
    assert "<strong>Incomplete:</strong> good has no mean over S. Missing: Second (failed: no &lt;memory&gt;)." in text


def test_parts_stand_beside_each_other_wherever_they_were(tmp_path):
    run = load_run(write_suite_run(tmp_path, suites={"S": {"Forum": ["c1", "p2"], "Second": ["c2"]}}))
    names = ["c1", "p2", "c2", "p1", "beside"]
    groups = contents(run, [collection.part(run, name, place) for place, name in enumerate(names)])
    assert [(task, [part.name for part in group]) for task, group in groups] == [
        ("Forum", ["c1", "p2"]), ("", ["c2"]), ("", ["p1"]), ("", ["beside"]),
    ]  # fmt: skip
    text = page(run)
    assert text.index(">c1</h2>") < text.index(">p2</h2>") < text.index(">c2</h2>")


def test_a_run_without_a_suite_has_no_folded_collections(tmp_path):
    text = page(load_run(write_suite_run(tmp_path, suites={})))
    assert not re.search(r"The \d+ parts of|on the \d+ parts of", text)
    assert "Means over 5 collections" in text
