"""Distributions by their ranks: what numpy says of all values written out."""

import numpy as np
import pytest
from drawn import Drawing
from hypothesis import given
from hypothesis import strategies as st

from harness.records import record
from harness.runs.read import load_run
from reports.figures.latency_share import LatencyShare
from reports.figures.latency_spread import FIRSTS, LatencySpread
from reports.figures.spread import Spread
from reports.figures.terms import term_ridges

COUNTS = st.dictionaries(st.integers(1, 500), st.integers(1, 40), min_size=1, max_size=30)


@given(COUNTS, st.floats(0, 1))
def test_quantiles(counts, q):
    values = np.asarray(sorted(counts), np.float64)
    vectors = np.asarray([counts[int(value)] for value in values])
    written = np.repeat(values, vectors)
    assert Spread(values, np.cumsum(vectors)).quantile(q) == pytest.approx(np.quantile(written, q), abs=1e-9)
    assert Spread(written).quantile(q) == pytest.approx(np.quantile(written, q), abs=1e-9)
    assert len(Spread(values, np.cumsum(vectors))) == len(written)


@given(COUNTS, st.integers(0, 400), st.integers(2, 200), st.integers(2, 60))
def test_histograms(counts, low, wide, bins):
    values = np.asarray(sorted(counts), np.float64)
    vectors = np.asarray([counts[int(value)] for value in values])
    written, edges = np.repeat(values, vectors), np.linspace(low, low + wide, bins)
    wanted = np.histogram(written, bins=edges)[0]
    assert Spread(values, np.cumsum(vectors)).histogram(edges).tolist() == wanted.tolist()
    assert Spread(written).histogram(edges).tolist() == wanted.tolist()


def test_the_table_of_a_curve_has_the_quantiles_in_milliseconds(run_folder):
    run = load_run(run_folder)
    panel = LatencyShare.panel(run, "alpha", "search")
    systems = [name for name in run.names("alpha") if ("alpha", name) in run.latency]
    drawing = Drawing(panel)
    assert [row[0] for row in panel.table().rows] == [key.text for key in drawing.drawn.keys] == systems
    for place, system in enumerate(systems):
        every = np.sort(run.latency["alpha", system]["search"].ravel() * 1e3)
        for milliseconds, share in drawing.line(f"curve-{place}"):
            assert milliseconds in every
            assert (every <= milliseconds).mean() == pytest.approx(share, abs=1.5 / len(every) + 1e-9)
    for system, *texts in panel.table().rows:
        values = np.quantile(run.latency["alpha", system]["search"] * 1e3, (0.1, 0.25, 0.5, 0.75, 0.9))
        assert [float(text) for text in texts] == pytest.approx(values, abs=6e-4)


def test_first_queries_are_marked_on_the_lines_of_encoding_and_search_alone(run_folder):
    run = load_run(run_folder)
    warm, cold = FIRSTS
    run.records.append(record("r", "alpha", "dense_1", warm, 0.02, method="m"))
    run.records.append(record("r", "alpha", "dense_1", cold, 0.5, method="m"))
    run.records.append(record("r", "alpha", "sparse & co", cold, 0.25, method="m"))
    panel = LatencySpread.panel(run, "alpha", "total")
    drawing = Drawing(panel)
    assert panel.table().head[-2:] == tuple(FIRSTS.values())
    assert [key.text for key in drawing.drawn.keys] == list(FIRSTS.values())
    rows = {row[0]: row[-2:] for row in panel.table().rows}
    assert rows["dense_1"] == ("20", "500")
    assert rows["sparse & co"] == ("–", "250")
    assert drawing.drawn.tips["singles-0"] == ["dense_1, first query of a fresh process, files cached: 20"]
    (warm_at,) = drawing.points("singles-0")
    assert warm_at == (20.0, run.names("alpha").index("dense_1") + 0.4)
    assert [x for x, _ in drawing.points("singles-1")] == [250.0, 500.0]
    assert Drawing(LatencySpread.panel(run, "alpha", "search")).drawn.keys == []


def test_a_ridge_has_the_quantiles_and_the_count_of_its_values(run_folder):
    run = load_run(run_folder)
    panel = LatencySpread.panel(run, "beta", "search")
    (medians,) = Drawing(panel).artists("medians")
    for place, (system, low, middle, high, count) in enumerate(panel.table().rows):
        values = run.latency["beta", system]["search"].ravel() * 1e3
        assert [float(low), float(middle), float(high)] == pytest.approx(
            np.quantile(values, (0.05, 0.5, 0.95)), rel=1e-3
        )
        assert count == f"{values.size:,}"
        assert medians.get_segments()[place][0][0] == pytest.approx(np.median(values))


def test_nothing_to_draw_gives_no_figure(run_folder):
    run = load_run(run_folder)
    run.latency.clear()
    assert LatencyShare.panel(run, "alpha", "total") is None
    assert LatencySpread.panel(run, "alpha", "total") is None
    assert term_ridges({}, "x") is None
    empty = np.asarray([], np.int64)
    assert term_ridges({"s": (empty, empty)}, "x") is None


def test_terms_of_one_number_alone_are_drawn():
    panel = term_ridges({"s": (np.asarray([64]), np.asarray([1000]))}, "x")
    assert panel.table().rows == [("s", "64", "64", "64", "1,000")]
    (area,) = [path.vertices for path in Drawing(panel).artists("areas")[0].get_paths()]
    assert area[:, 1].max() == pytest.approx(0.4)
    assert area[:, 1].min() == pytest.approx(0.4 - 0.8)
    assert area[area[:, 1].argmin(), 0] == pytest.approx(64, rel=0.05)
