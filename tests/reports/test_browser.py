"""The page in a real browser, at desktop and phone width."""

import shutil

import pytest

from reports.html import write_report

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


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page(run_folder, width, scheme):
    playwright = pytest.importorskip("playwright.sync_api")
    address = write_report(run_folder).as_uri()
    problems, requests = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        figures = page.locator("figure > svg")
        assert figures.count() == 17
        for place in range(figures.count()):
            box = figures.nth(place).bounding_box()
            assert box["width"] > 200
            assert box["height"] > 50
        cells = page.locator("table").first.locator("tbody tr th")
        before = cells.all_inner_texts()
        page.locator("table").first.locator("thead button").nth(1).click()
        assert cells.all_inner_texts() != before
        assert page.locator("table").first.locator("th[aria-sort]").count() == 1
        browser.close()
    assert problems == []
    assert requests == [address]
