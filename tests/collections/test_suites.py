"""Suites by one line of a spec, held against mteb's own lists."""

import pytest
from small_specs import load_small, system

from harness.collections._suites import AGGREGATES, SUITES
from harness.errors import UserError


def load(folder, **keys):
    return load_small(folder, collections={"all": {"type": "mteb", **keys}}, systems=[system(None)])


@pytest.mark.parametrize("suite", SUITES)
def test_lists_are_mtebs(suite):
    mteb = pytest.importorskip("mteb")
    tasks = {}
    for task in mteb.get_benchmark(suite).tasks:
        if task.metadata.type == "Retrieval":
            parts = task.metadata.tasks if getattr(task, "is_aggregate", False) else [task]
            tasks[task.metadata.name] = sorted(part.metadata.name for part in parts)
    assert {task: sorted(parts) for task, parts in SUITES[suite].items()} == tasks


def test_one_line_is_a_collection_a_task(tmp_path):
    spec = load(tmp_path, suite="MTEB(eng, v1)")
    assert len(spec.collections) == 26  # 14 tasks, and the 12 parts of CQADupstack
    assert spec.collections["all[task=SciFact]"].params.task == "SciFact"
    assert spec.systems[0].collections == tuple(spec.collections)


def test_a_task_of_several_is_a_suite_of_its_parts(tmp_path):
    spec = load(tmp_path, task="CQADupstackRetrieval", split="test")
    assert [part.params.task for part in spec.collections.values()] == list(AGGREGATES["CQADupstackRetrieval"])
    assert {part.params.split for part in spec.collections.values()} == {"test"}
    ((name, suite),) = spec.suites.items()
    assert (name, list(suite.tasks)) == ("CQADupstackRetrieval", ["CQADupstackRetrieval"])
    assert list(suite.tasks["CQADupstackRetrieval"]) == list(spec.collections)


def test_tasks_of_several_are_those_of_mteb():
    mteb = pytest.importorskip("mteb")
    for name, parts in AGGREGATES.items():
        assert sorted(part.metadata.name for part in mteb.get_task(name).metadata.tasks) == sorted(parts)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"suite": "MTEB(eng, v3)"}, "MTEB"),
        ({"suite": "BEIR", "task": "SciFact"}, "either a task or a suite"),
        ({}, "either a task or a suite"),
        ({"suite": 5}, "BEIR"),
    ],
)
def test_what_is_no_suite(tmp_path, keys, words):
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        load(tmp_path, **keys)
