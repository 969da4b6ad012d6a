"""What systems of a spec add to the pairs of an encoder before it is trained."""

from itertools import pairwise

import pytest
from small_specs import BM25, FLAT, INVERTED, beir, load_small, system
from tests_support import write_collection

from harness.errors import UserError
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages

DENSE = {"type": "synthetic-dense", "dimensions": 8}
SYSTEMS = [system(), system("dense", "dense", "flat"), system("learner", "learner", "flat")]


@pytest.fixture
def stages(tmp_path, llama_folder):
    collections = {"mine": beir(write_collection(tmp_path))}

    def planned(pairs):
        learner = {"type": "dense-twin", "backbone": str(llama_folder), "training": {"steps": 1}, "pairs": pairs}
        encoders = {**BM25, "dense": DENSE, "learner": learner}
        spec = load_small(
            tmp_path, collections=collections, encoders=encoders, indexes={**INVERTED, **FLAT}, systems=SYSTEMS
        )
        systems = system_stages(spec, "m", ["learner"])
        return in_order(systems, 1), systems[0].fit

    return planned


MINED = {"collection": "mine", "mine": ["lexical", "dense"], "teachers": ["dense", "lexical"], "negatives": 4}


def test_systems_mine_and_score_one_after_the_other(stages):
    ordered, fit = stages(MINED)
    kinds = [stage.kind for stage in ordered]
    chain = [stage for stage in ordered if stage.kind in ("pairs", "mine", "teach")]
    assert [stage.kind for stage in chain] == ["pairs", "mine", "mine", "teach", "teach"]
    assert all(after.inputs["pairs"] is before for before, after in pairwise(chain))
    assert fit.inputs["pairs"] is chain[-1]
    assert [stage.arguments.get("add") for stage in chain[1:3]] == [True, True]  # the pairs' own stay
    assert chain[1].arguments["count"] == 4 and chain[1].arguments["depth"] == 100
    # A model is made before it scores; BM25 is made of the pairs.
    assert ["model" in stage.inputs for stage in chain[1:]] == [False, True, True, False]
    assert kinds.index("fit") < kinds.index("mine") + 2
    needed = [stage.key for stage in ordered]
    for stage in ordered:
        assert all(needed.index(other.key) < needed.index(stage.key) for other in stage.inputs.values())


def test_the_name_of_a_collection_is_the_table_with_it_alone(stages):
    assert stages("mine")[1].key == stages({"collection": "mine"})[1].key
    keys = {stages({**MINED, **more})[1].key for more in ({}, {"spread": True}, {"share": 0.9}, {"teachers": []})}
    assert len(keys) == 4


def test_negatives_are_narrowed_once_all_teachers_scored_them(stages):
    ordered, fit = stages({**MINED, "hardest": 3})
    last = fit.inputs["pairs"]
    assert (last.kind, last.arguments) == ("hardest", {"count": 3})
    assert last.inputs["pairs"] is [stage for stage in ordered if stage.kind == "teach"][-1]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"collection": "mine", "mine": ["lexical"], "hardest": 3}, "hardest needs teachers"),
        ({**MINED, "mine": ["lexicla"]}, "no system 'lexicla'"),
        ({**MINED, "teachers": ["learner"]}, "learns from other systems itself"),
        ({**MINED, "collection": "yours"}, "no collection 'yours'"),
        ({"mine": ["lexical"]}, "collection"),
        ({**MINED, "negative": 3}, "negative"),
        (3, "a table is needed"),
    ],
)
def test_lessons_that_cannot_be_are_refused(stages, pairs, message):
    with pytest.raises(UserError, match=message):
        stages(pairs)
