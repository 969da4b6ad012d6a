"""The page in a real browser: phone to wide screen, light, dark and print, and as axe-core sees it."""

import shutil
import subprocess
from importlib.resources import files

import pytest
from in_browser import needs_browser, opened, violations
from suite_runs import write_suite_run

from reports.pages.run_page import write_report


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (390, "light"), (1280, "light"), (1920, "dark")])
def test_page(run_folder, width, scheme):
    with opened(write_report(run_folder), width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        measure = "figures => figures.map(f => f.getBoundingClientRect()).map(box => [box.width, box.height])"
        boxes = page.locator("figure > svg").evaluate_all(measure)
        assert len(boxes) == 22
        assert all(wide > 200 and high > 50 for wide, high in boxes)
        table = page.locator("table.sortable").first
        cells = table.locator("tbody tr th")
        before = cells.all_inner_texts()
        table.locator("thead button").nth(1).click()
        assert cells.all_inner_texts() != before
        assert table.locator("th[aria-sort]").count() == 1
        shapes = page.locator("[data-choice-of=grid]:not([hidden])")
        assert shapes.count() == 1
        page.locator(".controls[data-for=grid] select").first.select_option("768")
        assert shapes.count() == 1
        assert "768 dimensions" in shapes.first.inner_text()
        assert violations(page) == []
        page.emulate_media(media="print")
        assert not any(controls.is_visible() for controls in page.locator(".controls").all())
        assert page.locator("nav").is_hidden()
        page.set_viewport_size({"width": 720, "height": 1000})  # A4 within its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 720


@pytest.mark.browser
@needs_browser
def test_page_of_a_suite(tmp_path):
    path = write_report(write_suite_run(tmp_path, failed={("p2", "good"): "no memory"}))
    with opened(path, width=390) as page:
        assert page.get_by_role("heading", name="p1", exact=True).is_hidden()
        page.get_by_text("The 2 parts of Forum", exact=True).click()
        assert page.get_by_role("heading", name="p1", exact=True).is_visible()
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert violations(page) == []


@pytest.mark.browser
@needs_browser
@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext is missing")
def test_the_head_of_a_table_is_printed_with_its_first_rows(tmp_path):
    """Tables that begin near the foot of a page, each a little lower than the one before."""
    rows = "".join(f"<tr><th scope='row'>row{{0}}x{place}</th></tr>" for place in range(4))
    table = (
        "<div style='break-before:page; height:{1}px'></div><h3>title{0}</h3><div class='scroll'><table>"
        f"<caption>caption{{0}}</caption><thead><tr><th>head{{0}}</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    tables = "".join(table.format(place, down) for place, down in enumerate(range(840, 960, 12)))
    path = tmp_path / "page.html"
    style = files("reports").joinpath("templates/page.css").read_text()
    path.write_text(f"<!doctype html><title>t</title><style>{style}</style><main>{tables}</main>")
    with opened(path) as page:
        page.pdf(path=tmp_path / "page.pdf")
    text = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True).stdout
    sheets = list(enumerate(text.split("\f")))
    pages = {word: number for number, sheet in sheets[::-1] for word in sheet.split()}  # a head is repeated further on
    for place in range(10):
        parts = [*(f"{part}{place}" for part in ("title", "caption", "head")), f"row{place}x0", f"row{place}x1"]
        assert len({pages[part] for part in parts}) == 1, place
