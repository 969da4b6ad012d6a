"""The page in a real browser: phone to wide screen, light, dark and print, and as axe-core sees it."""

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
