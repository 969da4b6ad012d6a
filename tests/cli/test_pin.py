"""The command that prints commits: of a finished run, those that it used."""

import json

from commands import call, refused
from suite_runs import write_suite_run

from harness.runs.read import load_run
from harness.runs.sources import Source, sources
from reports.pages.run_page import page

PINS = ["encoders.good.backbone.revision=" + "a" * 40, "encoders.good.backbone.tokenizer_revision=" + "b" * 40]


def finished(folder):
    """A run with a model of the Hub and a collection of mteb."""
    path = write_suite_run(folder, pins=PINS)
    run = load_run(path)
    for system in run.systems:
        if system["name"] == "good":
            system["facts"] = {"width": "9 terms", "commit of owner/model": "a" * 40, "commit of owner/base": "b" * 40}
    run.facts["collections"]["c1"]["description"] = {"data": f"mteb/c1 at revision {'d' * 40}"}
    run.facts["collections"]["c2"]["description"] = {"data": "a folder"}
    (path / "run.json").write_text(json.dumps(run.facts))
    return path


def test_a_finished_run_tells_the_commits_that_it_used(tmp_path):
    answer = call("pin", finished(tmp_path))
    assert answer.code == 0
    assert answer.out.splitlines() == [
        *(f"--set {setting}" for setting in PINS),
        f"# owner/model: {'a' * 40}", f"# owner/base: {'b' * 40}", f"# mteb/c1: {'d' * 40}",
    ]  # fmt: skip


def test_sources_say_what_used_them(tmp_path):
    found = sources(load_run(finished(tmp_path)))
    assert found == [
        Source("owner/model", "a" * 40, "good"), Source("owner/base", "b" * 40, "good"),
        Source("mteb/c1", "d" * 40, "c1"),
    ]  # fmt: skip


def test_the_report_lists_them(tmp_path):
    text = page(load_run(finished(tmp_path / "with")))
    assert "<h3>Models and data</h3>" in text
    for name, letter in (("owner/model", "a"), ("owner/base", "b"), ("mteb/c1", "d")):
        assert f'<th scope="row">{name}</th><td class="code">{letter * 40}</td>' in text
    assert "Models and data" not in page(load_run(write_suite_run(tmp_path / "without")))


def test_a_finished_run_cannot_be_changed(tmp_path):
    assert "--set changes a spec, and this is a finished run" in refused("pin", finished(tmp_path), "--set", "seed=1")
    assert "no finished run" in refused("pin", tmp_path / "..")


def test_a_run_that_took_nothing_from_the_hub_says_so(tmp_path):
    assert call("pin", write_suite_run(tmp_path)).out == "this run took no model and no data set from the Hub\n"
