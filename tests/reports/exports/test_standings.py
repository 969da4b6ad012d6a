"""Where a mean over a suite stands among published means, all of them made up."""

import pytest
from commands import call
from suite_runs import MEANS, write_suite_run

from harness.runs.read import load_run
from reports.exports.published import beside
from reports.exports.standings import standings
from reports.pages.run_page import page

HEAD = "model,First,Second,Forum,mean\n"
NEAR = f"near,{100 * MEANS['good']:.4f},{100 * MEANS['good']:.4f},{100 * MEANS['good']:.4f},0\n"
ROWS = "top,90,90,90,1\n" + NEAR + "below,50,50,50,1\nhalf,99,99,,99\n"


def opened(folder, **more):
    return load_run(write_suite_run(folder / "run", **more))


def scores(folder, text=HEAD + ROWS):
    path = folder / "scores.csv"
    path.write_text(text)
    return path


def test_the_interval_is_a_range_of_ranks(tmp_path):
    good, other = standings(opened(tmp_path), scores(tmp_path))
    assert (good.first, good.last, good.count) == (2, 3, 4)  # below top, with or behind near, before below
    assert good.sentence.startswith(f"good: mean nDCG@10 {MEANS['good']:.4f} over S (95% interval over queries within ")
    assert "of 4, 2 to 3 within the interval, among 3 published means, which are taken as exact." in good.sentence
    assert (other.first, other.place, other.last) == (4, 4, 4)
    assert "rank 4 of 4, among 3 published means" in other.sentence


def test_the_confidence_is_not_rounded(tmp_path):
    run = opened(tmp_path)
    run.facts["measure"] = {**run.facts.get("measure", {}), "confidence": 0.999}
    assert "(99.9% interval over queries within tasks " in standings(run, scores(tmp_path))[0].sentence


def test_a_higher_interval_never_ranks_lower(tmp_path):
    for standing in standings(opened(tmp_path), scores(tmp_path)):
        assert standing.first <= standing.place <= standing.last


def test_the_own_row_is_no_rival(tmp_path):
    good, _ = standings(opened(tmp_path), scores(tmp_path, HEAD + "good,99,99,99,1\nbelow,50,50,50,1\n"))
    assert (good.place, good.count) == (1, 2)
    assert good.sentence.endswith("Its own published mean, 0.9900, is no rival here.")


def test_an_incomplete_suite_has_no_rank(tmp_path):
    good, other = standings(opened(tmp_path, failed={("c2", "good"): "no memory"}), scores(tmp_path))
    assert good.place is None
    assert good.sentence.startswith("No rank among published means: good has no mean over S. Missing: Second")
    assert other.place == 4


@pytest.mark.parametrize("text", ["model,First,Second\nx,1,2\n", "model,others\nx,1\n", HEAD + "half,99,99,,99\n"])
def test_files_without_all_tasks_rank_nothing(tmp_path, text):
    assert standings(opened(tmp_path), scores(tmp_path, text)) == []


def test_a_mean_without_an_interval_has_no_range(tmp_path):
    run = opened(tmp_path)
    run.quality.clear()
    good, _ = standings(run, scores(tmp_path))
    assert good.first == good.place == good.last
    assert "there is no interval of the mean, and so no range of ranks" in good.sentence


def test_the_command_prints_ranks_beside_scores_or_alone(tmp_path):
    folder = write_suite_run(tmp_path / "run")
    answer = call("published", folder, scores(tmp_path))
    assert answer.code == 0
    assert answer.out.splitlines()[0].startswith("good: mean nDCG@10")
    assert len(answer.out.splitlines()) == 2
    answer = call("published", folder, scores(tmp_path, HEAD + ROWS + "good,80,60,20,1\n"))
    assert answer.code == 1  # Forum differs by 0.1
    assert "| good | Forum | 0.3000 | 0.2000 | +0.1000 | fail |" in answer.out
    assert "good: mean nDCG@10" in answer.out
    rows, ranks = beside(load_run(folder), scores(tmp_path, "model,First\ngood,80\n"))
    assert ([row.task for row in rows], ranks) == (["First"], [])


def test_the_report_has_them_as_text(tmp_path):
    folder = write_suite_run(tmp_path / "run")
    assert "Among published means" not in page(load_run(folder))
    answer = call("report", folder, "--published", scores(tmp_path), "--out", tmp_path / "page.html")
    assert answer.code == 0
    text = (tmp_path / "page.html").read_text()
    assert "<h4>Among published means</h4>" in text
    assert "of 4, 2 to 3 within the interval" in text
