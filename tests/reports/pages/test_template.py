"""The one template environment: what it escapes, what it holds inside, and how a page is written."""

import base64
import gc
import hashlib
import re
from html.parser import HTMLParser

import jinja2
import pytest

from harness.runs.read import load_run
from reports.pages.run_page import page
from reports.pages.template import breakable, render, without_garbage_collection, write_page

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Outline(HTMLParser):
    """Open tags, ids, links and texts of a page; SVG's self-closed tags count as closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.labelled, self.wrong, self.tables = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" and "href" in found else []
        self.labelled += found.get("aria-labelledby", "").split()
        if tag == "tr":
            self.tables[-1].append(0)
        if tag == "table":
            self.tables.append([])
        if tag in ("td", "th"):
            self.tables[-1][-1] += int(found.get("colspan") or 1)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture
def text(run_folder):
    return page(load_run(run_folder))


def test_every_tag_is_closed_in_its_place(text):
    outline = Outline(text)
    assert outline.wrong == []
    assert outline.open == []


def test_ids_are_unique_and_every_link_and_label_leads_to_one(text):
    outline = Outline(text)
    assert len(outline.ids) == len(set(outline.ids))
    inside = [link[1:] for link in outline.links if link.startswith("#")]
    assert inside
    assert set(inside) <= set(outline.ids)
    assert outline.labelled
    assert set(outline.labelled) <= set(outline.ids)


def test_no_link_leads_out_of_the_run_folder(text):
    outside = [link for link in Outline(text).links if not link.startswith("#")]
    assert outside
    assert all(re.fullmatch(r"[\w./-]+", link) and ".." not in link for link in outside)


def test_the_only_script_is_the_page_s_own_and_its_hash_is_allowed(text):
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in text


def test_a_hostile_title_is_escaped_wherever_it_stands(text):
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("dense[factory=RaBitQ,Refine(SQ8)]", ["dense[", "factory=", "RaBitQ,", "Refine(SQ8)]"]),
        ("a[x=1]-ip", ["a[x=1]-ip"]),
        ("SPLADE-tiny, queries by lookup", ["SPLADE-tiny, queries by lookup"]),
        ("<b>,&(", ["&lt;b&gt;,&amp;("]),
        ("", [""]),
        ("a[b, c=d] (dominated)", ["a[b, c=d] (dominated)"]),
        ("a[terms=64, weights=float32]", ["a[terms=64, weights=", "float32]"]),
    ],
)
def test_a_name_breaks_after_commas_signs_and_brackets_and_is_escaped(name, parts):
    assert breakable(name) == "<wbr>".join(parts)
    environment = jinja2.Environment(autoescape=True)
    environment.filters["breakable"] = breakable
    assert environment.from_string("{{ name | breakable }}").render(name=name) == "<wbr>".join(parts)


def test_a_value_that_a_template_needs_cannot_be_forgotten():
    with pytest.raises(jinja2.UndefinedError):
        render("report.html")


def test_a_page_is_written_whole_and_lone_surrogates_do_no_harm(tmp_path):
    written = write_page("a \ud800 b", tmp_path / "page.html")
    assert written == (tmp_path / "page.html").resolve()
    assert written.read_text(encoding="utf-8") == "a ? b"


@pytest.mark.parametrize("before", [True, False])
def test_garbage_collection_is_as_before_even_after_an_error(before):
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(KeyError), without_garbage_collection():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()
