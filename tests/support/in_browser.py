"""A page in a real browser: opened, watched for messages and requests, and as axe-core sees it."""

import importlib.util
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

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
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@contextmanager
def opened(path, *, fragment="", width=1280, scheme="light", script=True):
    """The page of a file; leaving fails where it wrote to the console, threw, or asked for anything but itself."""
    playwright = pytest.importorskip("playwright.sync_api")
    problems, requests, address = [], [], path.as_uri() + fragment
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        ).new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        yield page
        browser.close()
    assert problems == []
    assert {request.partition("#")[0] for request in requests} == {path.as_uri()}


def violations(page):
    """What axe-core finds, with every fold of the page open; nothing where it is not installed."""
    installed = importlib.util.find_spec("axe_playwright_python")
    if installed is None or installed.origin is None:
        return []
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    page.evaluate(Path(installed.origin).with_name("axe.min.js").read_text())
    rows = page.evaluate("axe.run().then(result => result.violations)")
    return [
        (row["id"], [node["target"] for node in row["nodes"]][:3], row["nodes"][0]["failureSummary"]) for row in rows
    ]


def reached(page, most=400):
    """The elements that Tab reaches one after the other, as "tag.class" with their text or label."""
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "() => { const e = document.activeElement; window.reached ??= new Map();"
            " if (e === document.body || window.reached.has(e)) return null;"
            " window.reached.set(e, true); return e.tagName.toLowerCase(); }"
        )
        if stop is None:
            break
        stops.append(stop)
    return stops
