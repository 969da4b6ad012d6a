"""Figures as SVG for the page: the same each time, text as text, colours by name, words for screen readers."""

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from panels import PANELS, differences, nights, trade_off, training

from reports.figures.base import Name
from reports.figures.beside import EACH, draw_beside, drawn_here
from reports.figures.digest import digest
from reports.figures.page_svg import COLOURS, drawings
from reports.figures.panel_json import panel_from_json, panel_to_json

HOSTILE = "a\x00<script>&\ud800 $x_1$ 汉字"


@pytest.fixture(scope="module")
def drawn():
    return dict(zip(PANELS, drawn_here(list(PANELS.values())), strict=True))


def test_the_structure_of_a_figure_is_the_same_each_time_and_in_another_process(drawn):
    again = drawn_here(list(PANELS.values())[::-1])[::-1]
    hashes = [sha256(text.encode()).hexdigest() for text in drawn.values()]
    assert [sha256(text.encode()).hexdigest() for text in again] == hashes


@pytest.mark.parametrize("name", PANELS)
def test_a_figure_has_words_its_text_and_the_pages_colours_alone(drawn, name):
    whole = Xml.fromstring(drawn[name])  # noqa: S314 - made here
    svg = whole.find("svg[@viewBox]")
    assert svg.find("title").text == PANELS[name].caption
    assert len(svg.find("desc").text) > 20
    assert svg.get("role") == ("group" if "nights" in name else "img")
    assert len(svg.findall("text")) > 3
    assert "date" not in drawn[name]
    assert not re.search(r"#[0-9a-f]{6}\b|font|metadata|xlink", drawn[name])
    assert set(re.findall(r"var\(--(\w+)\)", drawn[name])) <= set(COLOURS.values())
    shapes = {shape.get("id") for shape in whole.iter() if shape.get("id")}
    assert {use.get("href").removeprefix("#") for use in whole.iter("use")} <= shapes


def test_every_point_says_what_it_is(drawn):
    points = trade_off().points
    titles = [title.text for title in Xml.fromstring(drawn["trade-off"]).iter("title")]  # noqa: S314 - made here
    assert len(titles) == 1 + len(points)
    assert [text.partition(": ")[0] for text in titles[1:]] == [point.system for point in points]


def test_points_of_nights_lead_to_their_reports(drawn):
    links = list(Xml.fromstring(drawn["nights"]).iter("a"))  # noqa: S314 - made here
    assert len(links) == sum(bool(night.link) for night in nights().nights)
    assert {link.get("href") for link in links} == {"../n/report.html"}
    assert all(link[0].find("title").text.startswith("night ") for link in links)


def places(path):
    """(x, y) of each point of a path of lines."""
    start, rest = re.match(r"M([^a-z]*)(.*)", path).groups()
    x, y = map(float, start.split())
    passed = [(x, y)]
    for letter, text in re.findall(r"([hvl])([^a-z]*)", rest):
        numbers = [float(number) for number in re.findall(r"-?\d*\.?\d+", text)]
        across = numbers if letter == "h" else numbers[::2] if letter == "l" else [0] * len(numbers)
        down = numbers if letter == "v" else numbers[1::2] if letter == "l" else [0] * len(numbers)
        for right, below in zip(across, down, strict=True):
            x, y = x + right, y + below
            passed.append((x, y))
    return passed


def test_a_line_of_the_drawing_goes_where_its_numbers_are():
    """The rewriting keeps places to a tenth of a unit."""
    panel, steps = training(1), 900
    (whole,) = drawings([panel])
    (line,) = [
        places(path.get("d")) for path in whole.find("svg[@viewBox]").iter("path") if "s0" in path.get("style", "")
    ]
    wanted = panel.drawn_lines()[panel.encoders[0]]
    (left, top), (right, bottom) = line[0], line[-1]
    high, low = wanted[0][1], wanted[-1][1]
    for x, y in line:
        step = (x - left) / (right - left) * (steps - 1)
        (_, value) = min(wanted, key=lambda point: abs(point[0] - step))
        share = (y - top) / (bottom - top)
        assert share == pytest.approx((high - value) / (high - low), abs=0.03)


def test_names_from_others_stay_text():
    point = trade_off(2)
    hostile = [type(p)(p.place, HOSTILE + str(p.place), p.cost, p.gain) for p in point.points]
    panel = type(point)(caption=HOSTILE, collection="c", metric="m", points=hostile)
    (text,) = drawn_here([panel])
    assert "<script" not in text
    assert "\x00" not in text
    assert "$x_1$" in text


def test_processes_beside_each_other_draw_the_same(drawn):
    panels = list(PANELS.values()) * 2
    assert len(panels) > EACH
    assert draw_beside(panels) == list(drawn.values()) * 2


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_comes_whole_to_another_process(name):
    panel = PANELS[name]
    back = panel_from_json(json.loads(json.dumps(panel_to_json(panel))))
    assert type(back) is type(panel)
    assert digest(back) == digest(panel)
    assert back.table() == panel.table()


def test_every_kind_of_data_comes_whole_and_other_objects_are_refused():
    data = {
        "array": np.asarray([[0.1, np.inf]], np.float32), "number": np.float32(0.1), 3: None, "text": HOSTILE,
        "time": datetime(2026, 11, 29, tzinfo=UTC), "named": Name(1.0, 2.0, "a"),
    }  # fmt: skip
    back = panel_from_json(json.loads(json.dumps(panel_to_json(data))))
    assert back.keys() == data.keys()
    assert back["array"].dtype == np.float32 and (back["array"] == data["array"]).all()
    assert all(back[name] == data[name] for name in data if name != "array")
    assert type(back["named"]) is Name
    with pytest.raises(TypeError, match="cannot hold set"):
        panel_to_json({1.0})
    with pytest.raises(TypeError, match="Popen of subprocess holds no data"):
        panel_from_json({"class": ["subprocess", "Popen"], "parts": {"args": "true"}})


def test_a_digest_is_of_all_data():
    assert digest(trade_off()) == digest(trade_off())
    every = {digest(panel) for panel in PANELS.values()}
    assert len(every) == len(PANELS)
    changed = differences()
    gaps = [*changed.gaps[:-1], changed.gaps[-1] - 1e-12]
    assert digest(type(changed)(caption="Differences.", collection="c", first="a", second="b", gaps=gaps)) not in every
    with pytest.raises(TypeError, match="cannot hold set"):
        digest(type(changed)(caption="x", first="a", second="b", gaps={1.0}))
