"""Latency at a recall and recall in a latency: by hand, with the ends of intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swept_runs import swept_run

from reports.formatting import number
from reports.pages.run_page import page
from reports.sections.at_recall import NEVER, round_latencies, section


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return section(swept_run(tmp_path_factory.mktemp("plain"), intervals=False), "alpha")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    table = section(swept_run(tmp_path_factory.mktemp("rows")), "alpha")
    return {row.name: dict(zip(table.heads, row.cells, strict=True)) for row in table.rows}


def test_without_intervals_the_values_stand_alone(plain):
    swept, flat = plain.rows
    assert (swept.name, swept.settings, flat.settings) == ("IVF", "4 settings", "")
    assert [text for text, _ in swept.cells[:3]] == ["0.200 ms", "0.400 ms", NEVER]
    assert [text for text, _ in flat.cells[:3]] == ["2.00 ms"] * 3
    assert {ends for row in plain.rows for _, ends in row.cells} == {""}


def test_between_two_settings_the_latency_is_interpolated_on_its_logarithm(rows):
    # The favourable curve goes through (0.92, 0.18 ms) and (0.97, 0.36 ms), the other through (0.93, 0.44 ms).
    low = 0.18 * 2 ** ((0.95 - 0.92) / 0.05)
    assert rows["IVF"]["Latency at 0.95"] == ("0.400 ms", f"[{number(low / 1e3, 'seconds')}, {NEVER}]")
    high = 0.22 * 2 ** ((0.90 - 0.88) / 0.05)
    low = 0.09 * 2 ** ((0.90 - 0.72) / 0.2)
    ends = f"[{number(low / 1e3, 'seconds')}, {number(high / 1e3, 'seconds')}]"
    assert rows["IVF"]["Latency at 0.90"] == ("0.200 ms", ends)
    assert rows["IVF"]["Latency at 0.99"] == (NEVER, "")
    assert rows["flat"]["Latency at 0.99"] == ("2.00 ms", "[1.80 ms, 2.20 ms]")


def test_the_recall_in_a_latency(rows):
    heads = [head for head in rows["IVF"] if head.startswith("Recall")]
    assert heads == ["Recall in 0.200 ms", "Recall in 0.500 ms", "Recall in 1.00 ms"]
    assert rows["IVF"]["Recall in 0.500 ms"] == ("0.950", "[0.930, 0.970]")
    best = 0.92 + 0.05 * np.log2(0.2 / 0.18)
    worst = 0.68 + 0.2 * np.log2(0.2 / 0.11)
    assert rows["IVF"]["Recall in 0.200 ms"] == ("0.900", f"[{worst:.3f}, {best:.3f}]")
    assert rows["flat"]["Recall in 1.00 ms"] == (NEVER, "")


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
