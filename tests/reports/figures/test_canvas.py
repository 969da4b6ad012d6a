"""What every figure does at the widths of papers and of the page: nothing covers a text, and none leaves the canvas."""

import itertools
from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from panels import PANELS, components, ridges, row, trade_off

from harness.errors import UserError
from reports.figures.base import Sheet
from reports.figures.canvas import compose, inches, panel_figure, sheet_figure
from reports.figures.style import house_style
from reports.figures.trade_off import Point

SHEETS = {
    **{name: [panel] for name, panel in PANELS.items()},
    "trade-offs": [
        trade_off(8, cost) for cost in ("latency_total/p50", "latency_total/p99", "flops_query", "index_bytes")
    ],
    "ridges": [ridges(), ridges(4)],
    "bars": [components(), components(unit="seconds")],
}


def boxes(figure):
    """(text, its box) of every text that is seen, in points."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]


@pytest.mark.parametrize("width", [3.3, 6.9])
@pytest.mark.parametrize("name", SHEETS)
def test_no_text_covers_another_or_leaves_the_canvas(name, width):
    figure = sheet_figure(Sheet("kind", SHEETS[name]), width)
    seen = boxes(figure)
    assert len(seen) >= 4
    for (one, box), (other, beside) in itertools.combinations(seen, 2):
        wide = min(box.x1, beside.x1) - max(box.x0, beside.x0)
        high = min(box.y1, beside.y1) - max(box.y0, beside.y0)
        assert wide <= 0.5 or high <= 0.5, f"{one!r} and {other!r}"
    for text, box in seen:
        assert box.x0 >= -0.5, text
        assert box.y0 >= -0.5, text
        assert box.x1 <= figure.bbox.x1 + 0.5, text
        assert box.y1 <= figure.bbox.y1 + 0.5, text
    assert figure.get_size_inches()[0] == pytest.approx(width)


def test_series_differ_also_without_colours():
    """In grey, markers, dashes and hatches tell them apart."""
    with house_style():
        lines = compose([PANELS["latency-share"]], 3.3).figure.axes[0].get_lines()
        bars = compose([PANELS["components"]], 3.3).figure.axes[0].collections
    assert len({str(line._dash_pattern) for line in lines[:4]}) == 4
    assert len({bar.get_hatch() for bar in bars}) == 3


def test_panels_of_one_sheet_share_a_legend_and_have_letters():
    figure = sheet_figure(Sheet("trade-off", SHEETS["trade-offs"]), "text")
    assert len(figure.axes) == 4
    assert [ax.get_title("left") for ax in figure.axes] == ["(a)", "(b)", "(c)", "(d)"]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 8


@pytest.mark.parametrize(("width", "columns"), [(3.3, 2), (6.9, 3)])
def test_a_legend_of_thirty_systems_has_shorter_names_in_several_columns(width, columns):
    (legend,) = sheet_figure(Sheet("trade-off", [PANELS["trade-off of many"]]), width).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert legend._ncols == columns
    assert len(set(texts)) == 30 and texts[0].startswith("dense-encoder-0 64")


def test_names_that_differ_only_at_their_ends_stay_whole():
    points = [Point(n, f"{'the same long name ' * 2}{n:02}", row("s", "index_bytes", n + 1), row("s", "ndcg@10", 0.5))
              for n in range(30)]  # fmt: skip
    panel = replace(PANELS["trade-off"], points=points)
    (legend,) = sheet_figure(Sheet("trade-off", [panel]), 3.3).legends
    assert [text.get_text() for text in legend.get_texts()] == [point.system for point in points]


def test_a_figure_goes_into_axes_of_the_caller():
    figure = Figure(figsize=(8, 3))
    first, second = figure.subplots(1, 2)
    assert panel_figure(PANELS["trade-off"], second) is figure
    assert not first.has_data()
    assert second.get_ylabel() == "nDCG@10"
    panel_figure(PANELS["latency-share"], first)
    assert len(first.get_legend().get_texts()) == 6


@pytest.mark.parametrize(("width", "expected"), [("column", 3.3), ("text", 6.9), ("4.5", 4.5), (5, 5.0)])
def test_widths(width, expected):
    assert inches(width) == expected


@pytest.mark.parametrize("width", ["wide", "1", "0", "-3", "nan", "99", ""])
def test_what_is_no_width_is_refused(width):
    with pytest.raises(UserError, match="--width"):
        inches(width)


def test_a_style_is_laid_over_the_projects_own(tmp_path):
    style = tmp_path / "own.mplstyle"
    style.write_text("axes.prop_cycle: cycler('color', ['112233'])\nfont.size: 9\n")
    line = sheet_figure(Sheet("k", [PANELS["differences"]]), "column", str(style)).axes[0].get_lines()[-1]
    assert line.get_color() == "#112233"
    with house_style(style):
        from matplotlib import rcParams

        assert (rcParams["font.size"], rcParams["pdf.fonttype"]) == (9, 42)


@pytest.mark.parametrize("text", ["font.size: large and green\n", "text.usetex: True\n", None])
def test_a_style_that_cannot_be_used_is_named(tmp_path, text):
    style = tmp_path / "own.mplstyle"
    if text is not None:
        style.write_text(text)
    with pytest.raises(UserError, match=r"own\.mplstyle"), house_style(style):
        pass
