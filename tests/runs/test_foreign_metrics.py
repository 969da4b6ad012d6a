"""A run whose metrics come from a package that is not installed here: it opens, and every reader of it works."""

import json

import numpy as np
import pytest
from runs import write_run

from harness.claims.judge_run import verdicts
from harness.errors import UserError
from harness.metrics import METRICS
from harness.nightly.compare_runs import compare_runs
from harness.records import Record
from harness.runs import frames
from harness.runs.merge import load_runs
from harness.runs.metrics import is_foreign, metric_of
from harness.runs.read import load_run
from harness.spec.nightly import ThresholdSpec
from reports.exports.export import export
from reports.exports.paper_tables import table
from reports.pages.run_page import write_report, write_several
from reports.ranking import best, ranked, superiors
from reports.sections.all_collections import overview

QUERIES = [f"q{number}" for number in range(40)]
SIZES = {"a": 100.0, "b": 300.0}
ABOUT = {
    "documents": 10, "queries": 40, "queries_left_out": 0, "judgements": 40, "revision": "d1", "description": {},
    "warnings": [],
}  # fmt: skip


def claim(metric, **relation):
    return {"name": f"claim on {metric}", "metric": metric, "system": "a", "baseline": "b", **relation}


@pytest.fixture
def folders(tmp_path):
    """Two runs: system a is 0.2 better in the foreign metric judged@10, and uses fewer widgets."""
    made = []
    for name, day in (("first", 1), ("second", 2)):
        varied = {query: 0.7 + (0.01 if number % 2 else -0.01) for number, query in enumerate(QUERIES)}
        quality = {"a": varied, "b": dict.fromkeys(QUERIES, 0.5)}
        values = {(system, "index_bytes"): size for system, size in SIZES.items()}
        folder = write_run(
            tmp_path / name, day=day, name=name, quality=quality, values=values, collections={"alpha": ABOUT},
            claims=[
                claim("judged@10", difference_at_least=0.05),
                claim("judged@10", difference_at_least=0.3) | {"name": "too much"},
                claim("widgets", ratio_at_most=0.5),
            ],
        )  # fmt: skip
        rows = [
            Record("r", "alpha", s, metric, value, unit, direction, "counted by another package", "measured", 40, *ends)
            for s, judged, widgets in (("a", 0.7, 4.0), ("b", 0.5, 9.0))
            for metric, value, unit, direction, ends in (
                ("judged@10", judged, "fraction", "higher", (judged - 0.01, judged + 0.01)),
                ("widgets/small", widgets, "count", "lower", (None, None)),
                ("widgets", widgets, "count", "lower", (None, None)),
                ("mood", widgets, "humour", "neither", (None, None)),
            )
        ]
        with (folder / "records.jsonl").open("a") as file:
            file.writelines(json.dumps(row.__dict__) + "\n" for row in rows)
        path = folder / "per_query.jsonl"
        path.write_text(path.read_text() + path.read_text().replace("ndcg@10", "judged@10"))
        made.append(folder)
    return made


@pytest.fixture
def run(folders):
    return load_run(folders[0])


def test_the_records_say_what_an_unknown_metric_means(run):
    assert set(run.foreign) == {"judged@10", "widgets", "mood"}
    judged = run.metric("judged@10")
    assert (judged.label, judged.unit, judged.direction) == ("judged@10", "fraction", "higher")
    assert not judged.exact
    assert not judged.decides
    assert run.metric("widgets/small").name == "widgets"
    assert run.metric("ndcg@10") is METRICS["ndcg@10"]
    assert not is_foreign("latency_total/p50")
    with pytest.raises(UserError, match="there is no metric 'jugded@10'"):
        run.metric("jugded@10")


def test_an_installed_definition_wins_over_the_record():
    row = Record("r", "c", "s", "index_bytes/ids", 1.0, "count", "higher", "m", "measured", 1)
    assert metric_of(row) is METRICS["index_bytes"]


def test_the_report_shows_and_defines_them_and_every_link_has_its_end(folders):
    text = write_report(folders[0]).read_text()
    assert text.count('id="metric-judged@10"') == 1
    assert "No installed package defines this metric." in text
    anchors = {part.split('"')[0] for part in text.split('href="#')[1:]}
    ids = {part.split('"')[0] for part in text.split(' id="')[1:]}
    assert {name for name in anchors if name.startswith("metric-")} <= ids
    assert "Other metrics" in text


@pytest.fixture
def over_two(folders):
    """The first run with all of its collection alpha a second time as beta."""
    folder = folders[0]
    for name in ("records.jsonl", "per_query.jsonl"):
        text = (folder / name).read_text()
        (folder / name).write_text(text + text.replace('"alpha"', '"beta"'))
    facts = json.loads((folder / "run.json").read_text())
    facts["collections"]["beta"] = facts["collections"]["alpha"]
    facts["systems"] += [system | {"collection": "beta"} for system in facts["systems"]]
    facts["claims"] = []
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


def test_the_report_of_several_collections_shows_them_with_each_collection(folders, over_two):
    alone, run = write_report(folders[1]).read_text(), load_run(over_two)
    assert list(run.collections()) == ["alpha", "beta"]
    assert best(run, "beta", "judged@10") is None
    page = overview(run)
    assert page.count == 2
    assert [name for name, *_ in page.means.columns] == ["ndcg@10"]
    assert [(row.system["name"], row.cells[0].text) for row in page.means.rows] == [("a", "0.700"), ("b", "0.500")]
    text = write_report(over_two).read_text()
    assert text.count('id="metric-judged@10"') == 1
    assert text.count(">Other metrics<") == 2 * alone.count(">Other metrics<") > 0
    anchors = {part.split('"')[0] for part in text.split('href="#')[1:]}
    assert anchors <= {part.split('"')[0] for part in text.split(' id="')[1:]}


def test_no_system_is_marked_best_by_a_metric_that_nobody_here_defines(run):
    assert ranked(run, "alpha", "judged@10") == ["a", "b"]
    assert ranked(run, "alpha", "widgets") == ["a", "b"]
    assert ranked(run, "alpha", "mood") == []
    assert best(run, "alpha", "judged@10") is None
    assert best(run, "alpha", "ndcg@10") == "a"
    assert superiors(run, "alpha", "judged@10") == {"a": ["b"], "b": []}


def test_claims_rest_on_queries_and_stay_open_where_nothing_says_that_a_value_is_exact(run):
    supported, contradicted, open_ = verdicts(run)
    assert (supported.word, contradicted.word, open_.word) == ("supported", "contradicted", "inconclusive")
    assert supported.value == pytest.approx(0.2)
    assert "No installed package defines this metric" in open_.sentence
    assert open_.value == pytest.approx(4 / 9)


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_paper_tables_show_them_by_the_unit_of_their_records(run, form):
    text = table(run, ("judged@10", "widgets", "mood"), form)
    assert "0.700" in text
    assert "judged@10" in text
    best_cells = {
        "markdown": ("**0.700**", "**4**"),
        "latex": (r"\bfseries 0.700", r"\bfseries 4"),
        "csv": (",4,", ",9"),
    }
    assert all(cell in text for cell in best_cells[form])
    with pytest.raises(UserError, match="there is no metric 'gadgets'"):
        table(run, ("gadgets",), form)


def test_exports_and_frames_hold_them(run):
    rows = json.loads(export(run, "json"))
    assert [row["value"] for row in rows if row["metric"] == "widgets/small"] == [4.0, 9.0]
    assert {row["unit"] for row in rows if row["metric"] == "mood"} == {"humour"}
    frame = frames.per_query(run)
    assert frame[frame["metric"] == "judged@10"].groupby("system")["value"].mean().round(6).to_dict() == {
        "a": 0.7, "b": 0.5,
    }  # fmt: skip
    assert "SUPPORTED: claim on judged@10" in export(run, "text")


def test_runs_side_by_side_keep_them(folders, tmp_path):
    merged = load_runs(folders)
    names = ["a (first)", "a (second)", "b (first)", "b (second)"]
    assert sorted(merged.names("alpha")) == names
    assert sorted(row.system for row in merged.records_with("alpha", "judged@10")) == names
    assert "judged@10" in write_several(folders, tmp_path / "both.html").read_text()


def test_values_that_may_depend_on_the_machine_are_left_out_beside_another_machine(folders):
    path = folders[1] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "m2"}))
    merged = load_runs(folders)
    by_run = {
        metric: sum(row.system.endswith("(second)") for row in merged.records_with("alpha", metric))
        for metric in ("judged@10", "widgets", "index_bytes")
    }
    assert by_run == {"judged@10": 2, "widgets": 0, "index_bytes": 2}


def test_two_runs_are_compared_by_them_where_a_threshold_asks_for_it(folders):
    path = folders[1] / "per_query.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if (line["metric"], line["system"]) == ("judged@10", "a"):
            line["value"] = float(np.round(line["value"] - 0.1, 6))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folders[1] / "records.jsonl"
    path.write_text(path.read_text().replace('"judged@10", "value": 0.7', '"judged@10", "value": 0.6'))
    by_key = {(c.key[1], c.key[2]): c for c in compare_runs(*folders)}
    assert ("a", "judged@10") not in by_key
    changes = compare_runs(*folders, {"judged@10": ThresholdSpec(absolute=0.01), "widgets": ThresholdSpec()})
    by_key = {(c.key[1], c.key[2]): c for c in changes}
    assert by_key["a", "judged@10"].word == "regressed"
    assert by_key["b", "judged@10"].word == "no change"
    assert by_key["a", "judged@10"].sentence.startswith(
        "judged@10 of a on alpha: regressed, 0.700 to 0.600 (-14.29%), 40 queries moved"
    )
    assert by_key["a", "widgets"].word == "within noise"
