"""The shipped experiment on the published claims: it plans without a network, and its claims can be judged."""

from pathlib import Path

import pytest
from commands import call

from harness.claims import Evidence, judge
from harness.experiment import plan_experiment
from harness.records import record

SPEC = Path(__file__).parents[1] / "experiments/headline.toml"
SUITE = "MTEB(eng, v1)"
OURS, THEIRS = "utahnlp/laconic-8b", "Qwen/Qwen3-Embedding-8B"


@pytest.fixture(scope="module")
def planned():
    pytest.importorskip("mteb")
    return plan_experiment(SPEC)


def test_it_is_the_suite_of_fifteen_tasks_for_every_system(planned):
    spec, systems, stages = planned
    suite = spec.suites[SUITE]
    assert (len(suite.tasks), len(suite.collections)) == (15, 26)
    names = [system.name for system in spec.systems]
    assert [sum(stages.system.name == name for stages in systems) for name in names] == [26] * len(names)
    kinds = {"prepare", "fit", "check", "encode", "compile", "build", "search", "quality"}
    assert {stage.kind for stage in stages} == kinds


def test_its_claims_are_the_published_ones(planned):
    claims = {claim.relation: claim for claim in planned[0].head.claims}
    assert (claims["at_least"].bound, claims["at_least"].metric) == (0.602, "ndcg@10")
    assert claims["reduction_at_least"].bound == 0.71
    assert claims["reduction_at_least"].codecs == ("u8", "float32")
    assert {(claim.system, claim.suite) for claim in claims.values()} == {(OURS, SUITE)}


@pytest.mark.parametrize(
    ("level", "size", "words"),
    [(0.65, 20.0, ["supported"] * 3), (0.55, 40.0, ["contradicted"] * 3), (0.602, 29.0, ["inconclusive", "supported"])],
)
def test_its_claims_are_judged(planned, level, size, words):
    spec, rows, quality, statuses, codecs = planned[0], {}, {}, {}, {}
    for one in spec.suites[SUITE].collections:
        for system, shift, held in ((OURS, 0.0, size), (THEIRS, 0.65 - level, 100.0)):
            every = 2 if system == OURS else 4  # the two differ, and not in the mean
            values = {f"q{i}": level + shift + 0.01 * (-1) ** (i // every) for i in range(48)}
            rows[one, system, "ndcg@10"] = record("r", one, system, "ndcg@10", level + shift, method="m")
            rows[one, system, "index_bytes"] = record("r", one, system, "index_bytes", held, method="m")
            quality[one, system, "ndcg@10"], statuses[one, system] = values, ("ok", "")
            codecs[one, system] = "u8" if system == OURS else "float32"
    found = Evidence(rows, statuses, quality, codecs=codecs, suites=spec.suites)
    verdicts = [verdict for claim in spec.head.claims for verdict in judge(claim, found)]
    assert [verdict.word for verdict in verdicts][: len(words)] == words
    assert {verdict.collection for verdict in verdicts} == {SUITE}


def test_costs_are_estimated_without_a_network():
    pytest.importorskip("mteb")
    answer = call("costs", SPEC, "--speed", "4e14", "--only", OURS)
    assert answer.code == 0
    assert "laconic-8b" in answer.out
    assert "dense-8b" not in answer.out
    assert "not known" not in answer.out
