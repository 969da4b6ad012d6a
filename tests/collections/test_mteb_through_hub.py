"""Tasks of mteb from a hub on loopback, at the paths, configs, splits and revisions that mteb names."""

import json
import os
from pathlib import Path

import pytest
from extensions import install
from hashed_encoder import ENTRY_POINTS
from hub_process import SUPPORT, compared, python, suite
from loopback_hub import running
from mteb_repositories import OWN_QUERIES, serve
from mteb_tasks import WIDTH
from small_specs import FLAT, ONCE, system, write_spec

from harness.collections._suites import SUITES

pytest.importorskip("mteb")

SUITE = "MTEB(eng, v1)"

EVERY = os.environ.get("LACONIC_HUB") == "all"
ALL = [part for parts in SUITES[SUITE].values() for part in parts]
TASKS = ALL if EVERY else ["ArguAna", "MSMARCO", "DBPedia", "CQADupstackAndroidRetrieval"]
"""`nox -s hub` compares all of the suite, and writes the table of docs/models.md."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
COLUMNS = ["task", "data", "split", "queries", "same identifiers", "largest difference of a query"]
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
        serve(hub, suite(SUITE))
        yield hub, folder, compared(hub, folder / "home", folder / "cold", TASKS)


def test_scores_are_those_of_mteb_query_by_query(served):
    _, _, found = served
    assert set(found) == set(TASKS)
    for name, facts in found.items():
        assert facts["largest"] <= 1e-6, (name, facts)
        assert facts["queries"] == 13
        assert (facts["same identifiers"] > 0) == (name in OWN_QUERIES)


def table(found):
    """The table of docs/models.md: a row for each task of the suite, CQADupstack's twelve in one."""
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    known = {name: (path, split) for name, path, _, split in suite(SUITE)}
    for task, parts in SUITES[SUITE].items():
        paths = ", ".join(known[part][0] for part in parts) if len(parts) == 1 else f"its {len(parts)} parts"
        counts = [sum(found[part][name] for part in parts) for name in ("queries", "same identifiers")]
        largest = max(found[part]["largest"] for part in parts)
        rows.append([task, paths, known[parts[0]][1], *map(str, counts), f"{largest:.1g}"])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_document_has_the_table(served):
    """`nox -s hub` writes it; any other run looks whether the rows of its own tasks still hold."""
    _, _, found = served
    text = DOCUMENT.read_text(encoding="utf-8")
    begin = text.index(f"| {' | '.join(COLUMNS)} |")
    end = text.index("\n\n", begin) + 1
    if EVERY:
        DOCUMENT.write_text(text[:begin] + table(found) + text[end:], encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text[begin:end].splitlines()[2:]]
    assert [row[0] for row in rows] == list(SUITES[SUITE])
    assert max(float(row[-1]) for row in rows) <= 1e-6
    for row in rows:
        if row[0] in found:
            assert row[3:] == [str(found[row[0]][name]) for name in COLUMNS[3:5]] + [f"{found[row[0]]['largest']:.1g}"]


@pytest.mark.skipif(not EVERY, reason="nox -s hub runs a spec with the whole suite")
def test_a_spec_with_the_suite_gives_the_values_of_mteb(served):
    hub, folder, found = served
    site = folder / "site"
    install(site, "hashed_encoder", (SUPPORT / "hashed_encoder.py").read_text(), ENTRY_POINTS)
    spec = write_spec(
        folder, collections={"suite": {"type": "mteb", "suite": SUITE}}, indexes=FLAT,
        encoders={"hashed": {"type": "hashed", "dimensions": WIDTH}}, systems=[system("hashed", "hashed", "flat")],
        measure={**ONCE, "only": ["quality"], "invalid_models": "report"},
    )  # fmt: skip
    command = [
        "-c",
        "from harness.start import main; main()",
        "run",
        spec,
        "--store",
        folder / "store",
        "--out",
        folder / "run",
    ]
    python(hub, folder / "home", *command, PYTHONPATH=os.pathsep.join([str(site), str(SUPPORT)]))
    run = json.loads((folder / "run/run.json").read_text())
    assert {row["status"] for row in run["systems"]} == {"ok"} and len(run["systems"]) == len(ALL)
    values = {}
    for line in (folder / "run/per_query.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["metric"] == "ndcg@10":
            values.setdefault(row["collection"], {})[row["query"]] = row["value"]
    assert len(values) == len(ALL)
    for collection, by_query in values.items():
        (task,) = [name for name in ALL if name in run["collections"][collection]["description"]["task"].split()]
        assert by_query == {query: pytest.approx(value, abs=1e-6) for query, value in found[task]["ndcg@10"].items()}


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
