"""Drawings of a page: drawn once, stored by the hash of their data, and none taken that `page_svg` would not write."""

import json
import subprocess
import sys

import pytest
from panels import differences, trade_off

from reports.figures.digest import digest
from reports.pages import drawings
from reports.pages.drawings import SHAPES, Drawings
from reports.pages.run_page import write_report


@pytest.fixture
def drawn(monkeypatch):
    """The panels that were drawn, in order."""
    panels, original = [], drawings.draw_beside
    monkeypatch.setattr(drawings, "draw_beside", lambda missing: panels.extend(missing) or original(missing))
    return panels


def page_of(stored, *panels, between=""):
    figures = Drawings(stored)
    return figures.fill(SHAPES + between.join(figures(panel) for panel in panels))


def test_a_panel_is_drawn_once_and_again_where_its_data_changed(tmp_path, drawn):
    stored = tmp_path / "drawings.json"
    first = page_of(stored, trade_off(), differences())
    assert page_of(stored, trade_off(), differences()) == first
    assert drawn == [trade_off(), differences()]
    page_of(stored, trade_off(5), differences())
    assert drawn[2:] == [trade_off(5)]
    assert set(json.loads(stored.read_text())) == {digest(trade_off(5)), digest(differences())}  # others are gone


def test_a_panel_that_stands_twice_is_drawn_once(tmp_path, drawn):
    assert page_of(None, differences(), differences()).count('role="img"') == 2
    assert len(drawn) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '"x"', "[" * 100_000])
def test_a_damaged_file_is_written_anew(tmp_path, drawn, damage):
    stored = tmp_path / "drawings.json"
    stored.write_text(damage)
    page_of(stored, differences())
    assert len(drawn) == 1
    assert list(json.loads(stored.read_text())) == [digest(differences())]


@pytest.mark.parametrize(
    "text",
    [
        "<div><script>alert(1)</script></div>",
        '<div><svg onload="alert(1)"/></div>',
        '<div><svg><a href="https://example.org">x</a></svg></div>',
        '<div><use href="https://example.org/x.svg"/></div>',
        '<div><path style="fill:url(https://example.org)"/></div>',
        '<div><path style="x:y}body{display:none"/></div>',
        '<!DOCTYPE d [<!ENTITY e "x">]><div>&e;</div>',
        "<div><svg:script xmlns:svg='http://www.w3.org/2000/svg'/></div>",
        "<div>not whole",
        "<ul/>",
        5,
    ],
)
def test_a_stored_drawing_with_anything_else_is_not_taken(tmp_path, drawn, text):
    stored = tmp_path / "drawings.json"
    stored.write_text(json.dumps({digest(differences()): text}))
    page = page_of(stored, differences())
    assert len(drawn) == 1
    assert "example.org" not in page
    assert "alert" not in page


def test_a_folder_that_cannot_be_written_stores_nothing(tmp_path, drawn):
    assert 'role="img"' in page_of(tmp_path / "missing" / "drawings.json", differences())


def test_neighbours_share_a_legend_and_others_have_their_own():
    many = [trade_off(20), trade_off(20, "flops_query")]
    assert page_of(None, *many).count('<ul class="legend">') == 1
    assert page_of(None, *many, between='<div class="figures">').count('<ul class="legend">') == 2
    assert page_of(None, trade_off(20), trade_off(19)).count('<ul class="legend">') == 2


def test_shapes_and_styles_are_in_a_page_once():
    page = page_of(None, trade_off(), trade_off(5))
    assert "style=" not in page
    assert page.count("<defs>") == 1
    assert page.count('<path id="m') == len({part[:8] for part in page.split('<path id="m')[1:]})


def test_a_report_that_is_written_again_imports_no_matplotlib(run_folder):
    text = write_report(run_folder).read_text()
    code = (
        "import sys; from pathlib import Path; from reports.pages.run_page import write_report; "
        f"write_report(Path({str(run_folder)!r})); sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (run_folder / "report.html").read_text() == text
