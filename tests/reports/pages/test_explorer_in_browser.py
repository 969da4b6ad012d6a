"""The explorer in a real browser: by mouse, by keyboard alone, by its address, and without a script."""

import json
from urllib.parse import parse_qs

import numpy as np
import pytest
from in_browser import needs_browser, opened, reached, violations

from harness.runs.read import load_run
from reports.pages.run_page import write_report, write_several
from reports.sections.explorer import explorer

pytestmark = [pytest.mark.browser, needs_browser]
POINTS = ".explore-panels .point"


def labels(page):
    return [point.get_attribute("aria-label") for point in page.locator(POINTS).all()]


def test_axes_systems_and_collections_are_chosen_and_the_address_holds_the_choice(run_folder):
    data, path = explorer(load_run(run_folder)), write_report(run_folder)
    with opened(path) as page:
        controls = page.locator(".explore-controls")
        assert page.locator(".explore-panels .panel").count() == 1  # the means
        assert len(labels(page)) == 2  # one system has no time on beta
        controls.get_by_label("Across").select_option(label="Index bytes per document")
        controls.get_by_label("beta", exact=True).check()
        controls.get_by_label("dense_1").uncheck()
        assert page.locator(".explore-panels h3").all_inner_texts() == [
            "over 2 collections: nDCG@10 against Index bytes per document",
            "beta: nDCG@10 against Index bytes per document",
        ]
        shown = labels(page)
        assert len(shown) == 4 and not any("dense_1" in text for text in shown)
        beta = data.places.index("beta")
        rows = page.locator(".explore-table tbody tr").all_text_contents()
        for place, metric in ((0, "ndcg@10"), (beta, "index_bytes_per_document")):
            at = next(str(n) for n, axis in enumerate(data.metrics) if axis["name"] == metric)
            text = data.values[str(place)]["0"][at][0]
            assert any(text in label for label in shown) and any(text in row for row in rows)
        chosen = parse_qs(page.evaluate("location.hash").partition("?")[2])
        assert chosen == {
            "x": ["index_bytes_per_document"], "y": ["ndcg@10"], "on": [data.places[0], "beta"], "without": ["dense_1"],
        }  # fmt: skip
        address = page.evaluate("location.hash")
    with opened(path, fragment=address, width=390, scheme="dark") as page:
        assert labels(page) == shown
        assert not page.locator(".explore-controls").get_by_label("dense_1").is_checked()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert violations(page) == []
        page.evaluate("location.hash = '#explore?x=no-such&on=nowhere'")
        page.wait_for_function("document.querySelectorAll('.explore-panels .panel').length === 1")
        page.evaluate("document.querySelector('.explore-controls button:nth-of-type(2)').click()")  # none of them
        assert labels(page) == []
        assert "No chosen system has both." in page.locator(".explore-panels").inner_text()


def test_marks_of_an_axis_stand_where_their_values_belong_beside_intervals_that_are_cut(run_folder):
    records = run_folder / "records.jsonl"
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    for row in rows:
        if (row["system"], row["metric"]) == ("dense_1", "latency_total/p50"):
            row |= {"value": 0.0065, "ci_low": 0.001, "ci_high": 0.3}  # drawn up to 19.5 ms
    records.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with opened(write_report(run_folder), fragment="#explore?x=latency_total%2Fp50&on=alpha") as page:
        texts = page.locator(".explore-panels .panel text").evaluate_all(
            "all => all.filter(e => e.classList.length === 0 && Number(e.textContent))"
            ".map(e => [Number(e.textContent), Number(e.getAttribute('x'))])"
        )
    values, places = np.array(texts).T
    assert values.max() == 20
    assert places == pytest.approx(np.polyval(np.polyfit(np.log(values[:-1]), places[:-1], 1), np.log(values)))


def test_the_keyboard_alone_reaches_every_control_and_every_point(run_folder):
    with opened(write_report(run_folder)) as page:
        count = page.evaluate(
            "[...document.querySelectorAll('a[href], button, select, input, summary, [tabindex=\"0\"]')]"
            ".filter(e => e.checkVisibility({ visibilityProperty: true })).length"
        )
        assert len(reached(page)) == count
        page.locator(f"{POINTS}[tabindex='0']").focus()
        first = page.evaluate("document.activeElement.getAttribute('aria-label')")
        tip = page.locator(".tip")
        assert tip.is_visible()
        assert all(part in first for part in tip.locator("span").all_inner_texts())
        page.keyboard.press("End")
        last = page.evaluate("document.activeElement.getAttribute('aria-label')")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == first != last
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        page.locator(POINTS).last.hover()
        assert last.startswith(tip.locator("strong").inner_text())
        page.locator(".explore-controls").get_by_label("Find systems").fill("dense")
        assert page.locator(".explore-controls fieldset").last.locator("label:visible").count() == 1


def test_without_a_script_figure_and_tables_are_there_and_no_empty_controls(run_folder):
    with opened(write_report(run_folder), script=False) as page:
        assert page.locator("#explore").is_hidden()
        assert page.locator("nav").get_by_text("Explore").is_hidden()
        assert page.locator("figure > svg").first.is_visible()
        assert page.locator("#systems table").first.is_visible()


def test_several_runs_are_explored_side_by_side(run_folder, tmp_path):
    facts = json.loads((run_folder / "run.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    for file in run_folder.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    (other / "run.json").write_text(json.dumps({**facts, "name": "later"}))
    with opened(write_several([run_folder, other], tmp_path / "both.html")) as page:
        texts = labels(page)
        assert any("(synthetic)" in text for text in texts) and any("(later)" in text for text in texts)
        verdicts = page.locator(".verdicts > li").all_inner_texts()
        assert len(verdicts) == 4  # two claims of each run
        assert ["later" in text for text in verdicts] == [False, False, True, True]
        assert violations(page) == []
