"""Recall against queries a second: which systems are on the picture, and where."""

import json
from dataclasses import replace

import pytest
from drawn import Drawing
from swept_runs import swept_run

from reports.figures.recall_speed import RecallSpeeds, engines


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return swept_run(tmp_path_factory.mktemp("run"))


def test_a_sweep_is_one_engine_and_every_other_system_is_one_too(run):
    shown = engines(run, "alpha")
    assert [(engine.name, engine.swept, len(engine.settings)) for engine in shown] == [
        ("IVF", True, 4), ("flat", False, 1),
    ]  # fmt: skip
    assert [setting.recall.metric for setting in shown[0].settings] == ["recall_vs_exact@100"] * 4


def test_a_run_without_a_sweep_has_no_picture(run):
    for system in run.systems:
        kept, system["curve"] = system["curve"], ""
        assert (engines(run, "alpha") == []) is all(not other["curve"] for other in run.systems)
        system["curve"] = kept
    assert engines(run, "another collection") == []


def test_the_recall_is_that_of_the_timed_depth(tmp_path):
    run = swept_run(tmp_path, k=20)
    assert {setting.recall.metric for engine in engines(run, "alpha") for setting in engine.settings} == {
        "recall_vs_exact@10"
    }
    assert engines(swept_run(tmp_path / "few", k=5), "alpha") == []


def test_the_table_has_the_numbers_of_the_drawing(run):
    panel = RecallSpeeds.panel(run, "alpha", "")
    rows = {row[0]: row[1:] for row in panel.table().rows}
    assert rows["IVF (nprobe=1)"] == ("0.700 [0.680, 0.720]", "10,000", "0.100 ms [0.090 ms, 0.110 ms]", "")
    assert rows["IVF (nprobe=4)"][-1] == "dominated"  # slower than nprobe=8, and no better
    assert rows["flat"] == ("1.000", "500", "2.00 ms [1.80 ms, 2.20 ms]", "")
    assert [key.text for key in Drawing(panel).drawn.keys] == ["IVF", "flat"]


def test_an_interval_that_says_nothing_is_named_so_in_the_table(tmp_path):
    panel = RecallSpeeds.panel(swept_run(tmp_path), "alpha", "")
    (setting,) = panel.engines[1].settings
    wide = replace(setting.latency, ci_low=1e-14, ci_high=3e5)
    engine = replace(panel.engines[1], settings=[replace(setting, latency=wide)])
    rows = replace(panel, engines=[panel.engines[0], engine]).table().rows
    assert rows[-1][3] == "2.00 ms [too wide to say]"


def test_the_line_joins_what_is_not_dominated(run):
    drawing = Drawing(RecallSpeeds.panel(run, "alpha", ""))
    assert drawing.ax.get_ylabel() == "thousand queries a second"
    front = [(0.7, 10.0), (0.9, 5.0), (0.95, 2.5)]
    assert drawing.line("curve-0") == [pytest.approx(at) for at in front]
    assert drawing.artists("curve-1") == []  # one setting makes no line
    assert drawing.points() == [pytest.approx(at) for at in [*front, (0.9, 1.25), (1.0, 0.5)]]
    assert drawing.hollow() == [False, False, False, True, False]
    assert "IVF (nprobe=8): 0.950, 2,500 queries a second" in drawing.drawn.tips["points"]
    speeds = [segment for segment in drawing.segments() if segment[0][0] == segment[1][0] == 1.0]
    assert speeds == [[(1.0, pytest.approx(0.5 / 1.1)), (1.0, pytest.approx(0.5 / 0.9))]]


def test_runs_of_before_say_nothing_of_sweeps(tmp_path):
    run = swept_run(tmp_path)
    for system in run.systems:
        del system["curve"]
    assert engines(run, "alpha") == []
    assert "curve" not in json.dumps(run.facts)


def test_a_wide_interval_does_not_take_the_axis(tmp_path):
    run = swept_run(tmp_path)
    narrow = Drawing(RecallSpeeds.panel(run, "alpha", "")).ax.get_ylim()
    wide = [
        replace(row, ci_low=row.value / 1e5, ci_high=row.value * 1e5) if row.metric == "latency_search/mean" else row
        for row in run.records
    ]
    low, high = Drawing(RecallSpeeds.panel(replace(run, records=wide, known={}), "alpha", "")).ax.get_ylim()
    assert narrow[0] > low > 0.5 / 5
    assert narrow[1] < high < 10 * 5
