"""Latency at a recall and recall in a latency: by hand, with the ends of intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swept_runs import POINTS, swept_run

from harness.stats.curves import drawn_curve
from harness.stats.matching import cost_at_gain, ends_of, gain_at_cost
from reports.formatting import number
from reports.pages.run_page import page
from reports.sections.at_recall import NEVER, round_latencies, section

QUERIES = 40


def with_samples(run, *, seed=1, timed=QUERIES, scored=QUERIES):
    """Give each setting values by query whose means are its records', the same hard queries in all settings."""
    rng = np.random.default_rng(seed)
    hard, slow = rng.normal(0, 1, QUERIES), np.exp(rng.normal(0, 0.3, QUERIES))
    hard, slow = hard - hard[:scored].mean(), slow / slow[:timed].mean()
    names = [f"q{number}" for number in range(QUERIES)]
    for system, (recall, latency) in POINTS.items():
        key = "alpha", system
        share = recall + 0.1 * (1 - recall) * hard
        run.quality[*key, "recall_vs_exact@100"] = dict(zip(names[:scored], share[:scored].tolist(), strict=True))
        run.quality[*key, "flops_encode_query"] = dict.fromkeys(names, 1.0)
        of_process = np.array([0.97, 1.0, 1.03])[:, None, None]
        seconds = latency * of_process * slow[None, :timed, None] * np.ones((1, 1, 2))
        run.latency[key] = {"encode": seconds, "search": seconds, "total": 2 * seconds}
    return run


def table(run):
    shown = section(run, "alpha")
    return {row.name: dict(zip(shown.heads, row.cells, strict=True)) for row in shown.rows}


@pytest.fixture
def run(tmp_path):
    return swept_run(tmp_path)


def test_without_values_of_each_query_the_values_stand_alone(run):
    swept, flat = section(run, "alpha").rows
    assert (swept.name, swept.settings, flat.settings) == ("IVF", "4 settings", "")
    assert [text for text, _ in swept.cells[:3]] == ["0.200 ms", "0.400 ms", NEVER]
    assert [text for text, _ in flat.cells[:3]] == ["2.00 ms"] * 3
    assert {ends for row in (swept, flat) for _, ends in row.cells} == {""}


def test_brackets_are_those_of_curves_over_drawn_queries(run):
    """By hand from the run's own values: draws of the same queries for recall and times, read off each curve."""
    names = [name for name in POINTS if name != "flat"]
    rows = table(with_samples(run))["IVF"]
    gains = np.stack([list(run.quality["alpha", name, "recall_vs_exact@100"].values()) for name in names])
    every, times = np.arange(QUERIES), [run.latency["alpha", name]["search"] for name in names]
    costs, drawn = drawn_curve(gains, every, times, every, QUERIES)
    reached = [cost_at_gain(c, g, 0.90) for c, g in zip(costs, drawn, strict=True)]
    low, high = (number(end, "seconds") for end in ends_of(np.asarray(reached), 0.95))
    assert rows["Latency at 0.90"] == ("0.200 ms", f"[{low}, {high}]")
    bought = [gain_at_cost(c, g, 5e-4) for c, g in zip(costs, drawn, strict=True)]
    low, high = (number(end, "fraction") for end in ends_of(np.asarray(bought), 0.95))
    assert rows["Recall in 0.500 ms"] == ("0.950", f"[{low}, {high}]")
    assert low < "0.950" < high
    assert table(run)["IVF"] == rows


def test_what_is_reached_under_some_queries_alone_has_an_open_end(run):
    rows = table(with_samples(run))
    assert rows["IVF"]["Latency at 0.95"][0] == "0.400 ms"
    assert rows["IVF"]["Latency at 0.95"][1].endswith(f", {NEVER}]")
    assert rows["IVF"]["Latency at 0.99"] == (NEVER, "")
    assert rows["flat"]["Recall in 1.00 ms"] == (NEVER, "")
    low, high = (float(end.removesuffix(" ms")) for end in rows["flat"]["Latency at 0.99"][1][1:-1].split(", "))
    assert low < 2.0 < high


def test_brackets_have_the_confidence_of_the_spec(run):
    wide = table(with_samples(run))["IVF"]["Recall in 0.200 ms"][1]
    run.facts["measure"]["confidence"] = 0.8
    narrow = table(run)["IVF"]["Recall in 0.200 ms"][1]
    assert wide[1:6] < narrow[1:6] <= narrow[8:13] < wide[8:13]
    assert "In brackets the 80 % interval by bootstrap" in page(run)


@pytest.mark.parametrize("lack", ["recall", "times", "order", "one setting", "queries"])
def test_what_a_bracket_needs_is_there_or_there_is_none(run, lack):
    with_samples(run, timed=9 if lack == "queries" else QUERIES)
    name = "IVF (nprobe=2)"
    if lack == "recall":
        del run.quality["alpha", name, "recall_vs_exact@100"]
    elif lack == "times":
        del run.latency["alpha", name]
    elif lack == "order":
        for system in POINTS:
            del run.quality["alpha", system, "flops_encode_query"]
    elif lack == "one setting":
        run.latency["alpha", name] = {"search": run.latency["alpha", name]["search"][:, :20]}
    assert {ends for _, ends in table(run)["IVF"].values()} == {""}


def test_fewer_queries_may_be_timed_or_scored_than_there_are(run):
    with_samples(run, timed=25, scored=30)
    assert table(run)["IVF"]["Latency at 0.90"][1]


@given(st.lists(st.floats(1e-7, 100), min_size=1, max_size=6))
def test_latencies_of_the_heads_are_round_and_within_the_measured_ones(seconds):
    steps = round_latencies(seconds)
    assert len(steps) <= 3
    assert steps == sorted(set(steps))
    for value in steps:
        assert min(seconds) * (1 - 1e-9) <= value <= max(seconds) * (1 + 1e-9)
        assert f"{value:.0e}"[0] in "125"
        assert value == pytest.approx(float(f"{value:.0e}"))


def test_the_quickest_setting_may_be_enough(tmp_path):
    run = swept_run(tmp_path)
    run.facts["systems"] = [system for system in run.systems if system["name"] != "IVF (nprobe=1)"]
    row = section(run, "alpha").rows[0]
    assert row.cells[0][0] == "at most 0.200 ms"
    assert row.cells[1][0] == "0.400 ms"


def test_the_page_has_figure_and_table_where_there_is_a_sweep(tmp_path):
    run = swept_run(tmp_path)
    text = page(run)
    assert "Recall against queries a second" in text
    assert "1 / mean search latency" in text
    assert "Latency at 0.95" in text
    for system in run.systems:
        system["curve"] = ""
    assert "1 / mean search latency" not in page(run)


def test_disturbed_timing_is_named(tmp_path):
    run = swept_run(tmp_path)
    run.disturbed["alpha", "IVF (nprobe=2)"] = "steal"
    assert [row.note for row in section(run, "alpha").rows] == ["timing disturbed: IVF (nprobe=2)", ""]
