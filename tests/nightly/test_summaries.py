"""JUnit XML, Markdown, the feed and the page of one night."""

import json
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as Xml

import pytest
from hostile_night import HOSTILE, START, histories, hostile_night
from in_browser import needs_browser, opened, violations

from harness.nightly import summaries
from reports.pages.trend_page import write_trend
from reports.sections.night_changes import Series, news


def test_junit_counts_what_it_holds():
    suite = Xml.fromstring(summaries.junit(hostile_night()))  # noqa: S314
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    (failure,) = suite.iter("failure")
    assert HOSTILE in failure.get("message")
    assert "git log aaaaaaaaaa..bbbbbbbbbb" in failure.text
    assert "and 3 more queries" in failure.text
    assert suite.find("testcase/skipped").get("message") == "accepted: wanted & paid for"


def test_junit_holds_every_finding_of_a_key():
    night = hostile_night()
    finding = next(one for one in night.findings if not one.accepted)
    night.findings.append(replace(finding, kind="drift", sentence="a second sentence", queries=()))
    suite = Xml.fromstring(summaries.junit(night))  # noqa: S314
    (failure,) = suite.iter("failure")
    assert HOSTILE in failure.get("message")
    assert failure.get("message").endswith("; a second sentence")
    assert suite.get("failures") == "1"


def test_a_key_is_skipped_only_where_all_its_findings_were_accepted():
    night = hostile_night()
    finding = next(one for one in night.findings if one.accepted)
    night.findings.append(replace(finding, accepted="", sentence="this one was not"))
    suite = Xml.fromstring(summaries.junit(night))  # noqa: S314
    assert suite.get("skipped") == "0"
    assert "this one was not" in [failure.get("message") for failure in suite.iter("failure")]


def test_markdown_tells_all_and_lets_no_markup_through():
    text = summaries.markdown(hostile_night())
    assert text.startswith("# Nightly run: n: 1 regression\n")
    assert "\\<script\\>" in text
    assert "<script>" not in text
    assert "wanted & paid for" in text
    assert "oom: held too much" in text
    assert "- The \\<script\\>alert(1)\\</script\\> was slower." in text
    assert "  - something changed\n- 1 change within the noise\n" in text
    assert "## Since last week\n\n- nothing changed" in text


def test_a_title_that_says_nightly_is_the_heading():
    night = hostile_night()
    assert night.heading == "Nightly run: n"
    night.title = "Nightly: sparse against dense"
    assert night.heading == night.title


def test_the_feed_grows_and_survives_a_broken_one():
    night = hostile_night()
    first = json.loads(summaries.feed(night, ""))
    assert first["version"].startswith("https://jsonfeed.org/version/1")
    assert first["items"][0]["_regressions"][0]["metric"] == "ndcg@10"
    night.id = "other"
    both = json.loads(summaries.feed(night, json.dumps(first)))
    assert [item["id"] for item in both["items"]] == ["other", "id39"]
    assert [item["id"] for item in json.loads(summaries.feed(night, json.dumps(both)))["items"]] == ["other", "id39"]
    assert len(json.loads(summaries.feed(night, "{broken"))["items"]) == 1


def test_news_counts_exactly_and_waits_for_what_varies(tmp_path):
    series = histories(tmp_path)

    def lines(days):
        found = news("then", Series(series, series), START + timedelta(days=days))
        return [f"{name}: {text}" for name, texts in found.systems for text in texts]

    assert lines(38) == ["t on alpha: Index size: 1000 B to 1.01 KiB (+3.00%)"]
    assert lines(32) == lines(38)
    assert lines(20)[0].startswith(f"{HOSTILE} on alpha: Query latency p50: 1.0")
    assert any("not comparable" in text for text in lines(0))


def test_the_page_marks_the_step_and_escapes_names(tmp_path):
    series = histories(tmp_path)
    (tmp_path / "n39").mkdir()
    (tmp_path / "n39/report.html").write_text("x")
    page = tmp_path / "out/index.html"
    page.parent.mkdir()
    shown = {key: nights for key, nights in series.items() if not key[2].startswith("smallest")}
    write_trend(page, hostile_night(), Series(shown, series))
    text = page.read_text()
    assert "<script" not in text
    assert 'href="../n39/report.html"' in text
    assert "null control" in text
    assert "step +" in text
    assert "machine, data or definition changed" in text
    assert '<td class="news">+3.00%</td>' in text
    assert "<td>exact</td>" in text
    assert 'class="state regressed"' in text
    assert "30 earlier runs" in text
    assert "<h1>Nightly run: n</h1>" in text
    first = text.partition('id="h-all"')[0]
    assert first.index("1 regression") < first.index("What to look at") < first.index('class="curves"')
    assert first.index('<li class="accepted">') < first.index('<li class="quiet">')


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_page_in_a_browser(tmp_path, width, scheme):
    series = histories(tmp_path)
    (tmp_path / "n39").mkdir()
    (tmp_path / "n39/report.html").write_text("x")
    file = tmp_path / "index.html"
    shown = {key: nights for key, nights in series.items() if not key[2].startswith("smallest")}
    write_trend(file, hostile_night(), Series(shown, series))
    with opened(file, width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".state strong").inner_text() == "1 regression"
        assert page.get_by_text("1 change within the noise").is_visible()
        assert page.locator(".since").get_by_text("something changed").nth(1).is_hidden()
        assert page.locator(".curves svg").count() == 2
        assert violations(page) == []  # it opens what is folded
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("figure > svg").count() == 2
        assert page.locator("figure > svg").first.bounding_box()["width"] > 200
        first = page.locator("svg a use").first.bounding_box()
        assert first["width"] > 0
        assert first["height"] > 0
        assert page.locator("svg a[href]").count() == 4  # the one report that is kept, in both figures and both curves
        heights = "texts => texts.map(text => text.getBoundingClientRect().height).filter(Boolean)"
        assert min(page.locator("figure > svg").first.locator("text").evaluate_all(heights)) > 8
