"""Suites by one line of a spec, held against mteb's own lists."""

import pytest

from harness.collections._suites import SUITES
from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec

SPEC = """
name = "s"
[collections.all]
type = "mteb"
suite = "{suite}"
[encoders.bm25]
type = "bm25"
[indexes.inverted]
type = "inverted"
[[systems]]
encoder = "bm25"
index = "inverted"
"""


@pytest.mark.parametrize("suite", SUITES)
def test_lists_are_mtebs(suite):
    mteb = pytest.importorskip("mteb")
    tasks = []
    for task in mteb.get_benchmark(suite).tasks:
        if task.metadata.type == "Retrieval":
            parts = task.metadata.tasks if getattr(task, "is_aggregate", False) else [task]
            tasks += [part.metadata.name for part in parts]
    assert sorted(SUITES[suite]) == sorted(tasks)


def test_one_line_is_a_collection_a_task(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(SPEC.format(suite="MTEB(eng, v1)"))
    spec = load_spec(file, REGISTRIES)
    assert len(spec.collections) == 26  # 14 tasks, and the 12 parts of CQADupstack
    assert spec.collections["all[task=SciFact]"].params.task == "SciFact"
    assert spec.systems[0].collections == tuple(spec.collections)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('suite = "MTEB(eng, v3)"', "MTEB"),
        ('suite = "BEIR"\ntask = "SciFact"', "either a task or a suite"),
        ("", "either a task or a suite"),
        ("suite = 5", "BEIR"),
    ],
)
def test_what_is_no_suite(tmp_path, line, words):
    file = tmp_path / "s.toml"
    file.write_text(SPEC.replace('suite = "{suite}"', line))
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        load_spec(file, REGISTRIES)
