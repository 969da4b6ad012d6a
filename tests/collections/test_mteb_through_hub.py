"""Tasks of mteb from a hub on loopback, at the paths, configs, splits and revisions that mteb names."""

import json

import pytest
from hub_process import compared, python, suite
from loopback_hub import running
from mteb_repositories import OWN_QUERIES, serve

pytest.importorskip("mteb")

TASKS = ["ArguAna", "MSMARCO", "DBPedia", "CQADupstackAndroidRetrieval"]
"""Of the suite; `nox -s hub` compares all."""
REFUSALS = {
    "SciFact": ({"path": "scifact", "status": 404, "error": "RepoNotFound"}, "the Hub has no dataset 'mteb/scifact'"),
    "NFCorpus": ({"path": "nfcorpus", "status": 500}, "error of its own"),
    "SCIDOCS": ({"path": "scidocs/resolve", "status": 403, "error": "GatedRepo"}, "accepted the licence"),
    "FiQA2018": ({"path": "fiqa.*corpus", "cut_after": 20, "method": "GET"}, "the connection broke"),
    "TRECCOVID": ({"path": "nowhere"}, "00000-of-00001.parquet differs; it was removed from the cache"),
}
READ = """
import json, sys
import quick_hub
from harness.collections.mteb_task import MtebParams, MtebTask
from harness.errors import UserError
for task in sys.argv[1:]:
    try:
        print(json.dumps(["", len(list(MtebTask(MtebParams(task=task)).documents()))]))
    except UserError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A hub with the repositories of the suite, and what a process found on the tasks that came from there."""
    folder = tmp_path_factory.mktemp("tasks")
    with running(page=3) as hub:
        serve(hub, suite("MTEB(eng, v1)"))
        yield hub, folder, compared(hub, folder / "home", folder / "cold", TASKS)


def test_scores_are_those_of_mteb_query_by_query(served):
    _, _, found = served
    assert set(found) == set(TASKS)
    for name, facts in found.items():
        assert facts["largest"] <= 1e-6, (name, facts)
        assert facts["queries"] == 13
        assert (facts["same identifiers"] > 0) == (name in OWN_QUERIES)


def test_a_warm_cache_needs_no_hub(served):
    hub, folder, cold = served
    hub.mend()
    warm = compared(hub, folder / "home", folder / "warm", TASKS[:1], offline=True)
    assert warm == {TASKS[0]: cold[TASKS[0]]}
    assert hub.asked == []


def test_without_network_and_cache_one_message_says_so(served):
    hub, folder, _ = served
    (line,) = python(hub, folder / "empty", "-c", READ, "SciFact", offline=True).stdout.splitlines()
    kind, text = json.loads(line)
    assert kind == "UnavailableError"
    assert "task: the dataset 'mteb/scifact'" in text and "HF_HUB_OFFLINE forbids" in text and "HF_HOME" in text


def test_each_refusal_has_its_message_and_is_gone_with_its_cause(served):
    hub, folder, _ = served
    hub.mend()
    for fault, _ in REFUSALS.values():
        hub.fail(**fault)
    hub.damaged.update(path for path in hub.repositories["datasets", "mteb/trec-covid"].files() if "corpus" in path)
    home = folder / "refused"
    refused = [json.loads(line) for line in python(hub, home, "-c", READ, *REFUSALS).stdout.splitlines()]
    for (kind, text), (task, (_, message)) in zip(refused, REFUSALS.items(), strict=True):
        assert kind == "UnavailableError" and message in text, (task, text)
        assert text.startswith("task: ") and "\n  remedy: " in text
    hub.mend()
    mended = [json.loads(line) for line in python(hub, home, "-c", READ, *REFUSALS).stdout.splitlines()]
    assert mended == [["", 60]] * len(REFUSALS)
