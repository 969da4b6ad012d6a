"""The page in a real browser: phone to wide screen, light, dark and print, and as axe-core sees it."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from suite_runs import write_suite_run

from reports.pages.run_page import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


SERIOUS = {"serious", "critical"}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (390, "light"), (1280, "light"), (1920, "dark")])
def test_page(run_folder, width, scheme):
    playwright = pytest.importorskip("playwright.sync_api")
    address = write_report(run_folder).as_uri()
    problems, requests = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(120_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
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
        page.locator(".controls select").first.select_option("768")
        assert shapes.count() == 1
        assert "768 dimensions" in shapes.first.inner_text()
        assert serious(page) == []
        page.emulate_media(media="print")
        assert page.locator(".controls").first.is_hidden()
        assert page.locator("nav").is_hidden()
        page.set_viewport_size({"width": 720, "height": 1000})  # A4 within its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 720
        browser.close()
    assert problems == []
    assert requests == [address]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_page_of_a_suite(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    address = write_report(write_suite_run(tmp_path, failed={("p2", "good"): "no memory"})).as_uri()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        assert page.get_by_role("heading", name="p1", exact=True).is_hidden()
        page.get_by_text("The 2 parts of Forum", exact=True).click()
        assert page.get_by_role("heading", name="p1", exact=True).is_visible()
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious(page) == []
        browser.close()


def serious(page):
    """What axe-core finds serious or critical; nothing where it is not installed."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        return []
    page.evaluate(Path(found.origin).with_name("axe.min.js").read_text())
    violations = page.evaluate("axe.run().then(result => result.violations)")
    return [
        (one["id"], [node["target"] for node in one["nodes"]][:3], one["nodes"][0]["failureSummary"])
        for one in violations
        if one["impact"] in SERIOUS
    ]
