"""Macros hold what the records hold, and a paper that differs from its run is problems so."""

import json
import re
from dataclasses import replace

import pytest
from suite_runs import MEANS, write_suite_run

from harness.records import record
from harness.runs.read import load_run
from reports.formatting import interval, number
from reports.paper.macros import macros
from reports.paper.numbers import NUMBERS, differences, numbers_file, read_numbers, used_macros


def by_key(run, name="first"):
    return {row.key: row for row in macros([(name, run)])}


def test_every_record_is_a_macro_with_the_text_of_the_page(run_folder):
    run = load_run(run_folder)
    rows = by_key(run)
    assert run.records
    for row in run.records:
        macro = rows["", row.metric, row.system, row.collection]
        assert macro.text.replace("~", " ") == number(row.value, row.unit)
        assert repr(row.value) in macro.note
        ends = rows.get(("", row.metric, row.system, row.collection, "Interval"))
        assert (ends.text.replace("~", " ") if ends else "") == interval(row)


def test_an_interval_that_says_nothing_is_named_so_and_its_ends_are_in_the_comment(run_folder):
    run = load_run(run_folder)
    run.records.append(record("r", "alpha", "late", "latency_total/p99", 0.004, method="m", interval=(1e-12, 6.5e7)))
    macro = by_key(run)["", "latency_total/p99", "late", "alpha", "Interval"]
    assert macro.text.replace("~", " ") == "[too wide to say]"
    assert macro.note == "1e-12 to 65000000.0, 95% interval"


def test_verdicts_are_macros(run_folder):
    rows = by_key(load_run(run_folder))
    claim = ("", "claim", "less memory", "alpha")
    assert rows[*claim, "Verdict"].text == "supported"
    assert rows[*claim, "Value"].text == rows[*claim, "Bound"].text == r"71.0\,\%"
    assert rows["", "claim", "a broken one", "alpha", "Verdict"].text == "not comparable"


def test_suites_and_tasks_of_several_parts_have_values(tmp_path):
    rows = by_key(load_run(write_suite_run(tmp_path)))
    assert rows["", "ndcg@10", "good", "S"].text == f"{MEANS['good']:.3f}"
    assert rows["", "ndcg@10", "good", "S", "Interval"].text.startswith("[0.")
    assert rows["", "ndcg@10", "good", "Forum"].text == "0.300"


def test_of_several_runs_all_but_the_first_are_named(run_folder, tmp_path):
    run, other = load_run(run_folder), load_run(write_suite_run(tmp_path / "suite"))
    names = {row.name for row in macros([("one", run), ("other", other)])}
    assert {row.name for row in macros([("one", run)])} <= names
    assert "lbOtherNdcgGoodS" in names and "lbNdcgGoodS" not in names


def test_a_repetition_must_give_again_what_is_counted(run_folder):
    rows = by_key(load_run(run_folder))
    system = ("dense_1", "alpha")
    assert rows["", "ndcg@10", *system].repeats and rows["", "index_bytes_per_document", *system].repeats
    assert not rows["", "latency_total/p50", *system].repeats and not rows["", "date"].repeats


def test_the_file_is_read_as_it_was_written(run_folder, tmp_path):
    text = (run_folder / "run.json").read_text()
    hostile = "}% \n\\input{x}{"
    (run_folder / "run.json").write_text(text.replace('"less memory"', json.dumps(hostile)))
    rows = macros([("a", load_run(run_folder))])
    assert any(hostile in row.key for row in rows)
    (tmp_path / NUMBERS).write_text(numbers_file(rows))
    assert read_numbers(tmp_path / NUMBERS) == {row.name: row.text for row in rows}
    counted = read_numbers(tmp_path / NUMBERS, repeatable=True)
    assert counted == {row.name: row.text for row in rows if row.repeats} and "lbDate" not in counted
    lines = (tmp_path / NUMBERS).read_text().splitlines()
    assert all(line.startswith(("%", r"\newcommand{\lb")) for line in lines if line)
    assert lines.count("% dense_1 on alpha") == 1


def test_differences_are_named_one_by_one(run_folder, tmp_path):
    run = load_run(run_folder)
    rows = macros([("a", run)])
    paper = {row.name: str(row.text) for row in rows}
    assert differences(paper, rows, {}) == []
    place = next(n for n, row in enumerate(run.records) if (row.metric, row.system) == ("ndcg@10", "dense_1"))
    run.records[place] = replace(run.records[place], value=0.123)
    (tmp_path / "main.tex").write_text(
        "% \\lbNothing\nx \\lbNdcgDenseOneAlpha{} \\lbNdcgDenseOneAlpa{} \\% \\lbGone{}\n"
    )
    used = used_macros(tmp_path)
    assert used == dict.fromkeys(["lbNdcgDenseOneAlpha", "lbNdcgDenseOneAlpa", "lbGone"], "main.tex:2")
    problems = differences(paper | {"lbGone": "1"}, macros([("a", run)]), used)
    assert problems == [
        rf"\lbNdcgDenseOneAlpha (main.tex:2): the paper has {paper['lbNdcgDenseOneAlpha']}, the run has 0.123",
        r"\lbNdcgDenseOneAlpa (main.tex:2): the text uses it, and no run has it; did you mean \lbNdcgDenseOneAlpha?",
        r"\lbGone (main.tex:2): the paper has 1, the run no longer has this number",
    ]
    fewer = {name: text for name, text in paper.items() if name != "lbDate"}
    assert differences(fewer, rows, {}) == [r"\lbDate: the run has 2026-01-01, the paper does not have this number"]


def test_a_line_of_a_paper_ends_at_a_line_feed_alone(tmp_path):
    (tmp_path / "main.tex").write_text("% left out \u2028 \\lbNothing\n\x0c\\lbUsed\r\n\\lbLast", encoding="utf-8")
    assert used_macros(tmp_path) == {"lbUsed": "main.tex:2", "lbLast": "main.tex:3"}


@pytest.mark.parametrize("text", ["0.5", r"50\,\% of {a}", r"\textbackslash{}\%"])
def test_the_pattern_of_a_line(text, tmp_path):
    (tmp_path / NUMBERS).write_text(rf"\newcommand{{\lbA}}{{{text}}}% 0.5, {{n}}% }}% ")
    assert read_numbers(tmp_path / NUMBERS) == {"lbA": text}
    assert re.fullmatch("[A-Za-z]+", "lbA")
