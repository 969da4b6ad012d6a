"""Fusions in a spec: what they mean, and what is refused."""

import pytest
from small_specs import BM25, CLAIM, HEAD, load, refused, system, tables_text, toml

from harness.errors import UserError

DENSE = {"random": {"type": "synthetic-dense"}}
INDEXES = {
    "i": {"type": "inverted", "matrix": {"weights": ["u8", "u4"]}}, "plain": {"type": "inverted"},
    "ivf": {"type": "faiss", "factory": "IVF2,Flat", "sweep": {"nprobe": [1, 2]}},
}  # fmt: skip
SYSTEMS = [
    system("lexical", "bm25", "plain"), system("codecs", "bm25", "i"), system("dense", "random", "ivf"),
    system("here", "bm25", "plain", collections=["c"]), system("there", "bm25", "plain", collections=["d"]),
]  # fmt: skip
TABLES = tables_text(
    collections={name: {"type": "synthetic", "documents": 10} for name in "cd"}, encoders=BM25 | DENSE, indexes=INDEXES,
    systems=SYSTEMS,
)  # fmt: skip
PAIR = {"name": "both", "systems": ["lexical", "dense (nprobe=2)"]}


def text(*fusions, **more):
    tables = [("fusions", fusion) for fusion in fusions] + [("claims", claim) for claim in more.get("claims", ())]
    lines = [f"[[{axis}]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
             for axis, table in tables]  # fmt: skip
    return HEAD + TABLES + "".join(lines)


def test_a_fusion_of_expanded_systems_has_the_defaults_of_its_method(tmp_path):
    spec = load(tmp_path, text(PAIR, {**PAIR, "name": "added", "method": "sum"}))
    ranks, added = spec.fusions
    assert (ranks.systems, ranks.method, ranks.rank_constant, ranks.depth) == (tuple(PAIR["systems"]), "rrf", 60, None)
    assert (ranks.weights, ranks.collections) == ((1.0, 1.0), ("c", "d"))
    assert (added.method, added.normalisation) == ("sum", "min-max")


def test_a_fusion_runs_where_all_its_systems_do(tmp_path):
    here = {"name": "x", "systems": ["lexical", "here"]}
    assert load(tmp_path, text(here)).fusions[0].collections == ("c",)
    assert load(tmp_path, text({**PAIR, "collections": ["d"]})).fusions[0].collections == ("d",)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "reciprocal rank fusion (k = 60) of lexical and dense (nprobe=2)"),
        ({"rank_constant": 0, "depth": 1000},
         "reciprocal rank fusion (k = 0) of lexical and dense (nprobe=2), the first 1,000 documents of each"),
        ({"method": "sum", "weights": [0.3, 0.7]},
         "sum of the min-max normalised scores of 0.3 x lexical and 0.7 x dense (nprobe=2)"),
        ({"method": "sum", "normalisation": "none", "systems": ["lexical", "here", "dense (nprobe=1)"]},
         "sum of the scores of lexical, here and dense (nprobe=1)"),
    ],
)  # fmt: skip
def test_a_fusion_in_words(tmp_path, more, words):
    assert load(tmp_path, text({**PAIR, **more})).fusions[0].text == words


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"systems": ["lexical", "dens (nprobe=2)"]}, "fusions[0].systems[1]", "did you mean 'dense (nprobe=2)'"),
        ({"systems": ["lexical", "codecs"]}, "fusions[0].systems[1]", "did you mean 'codecs[weights=u"),
        ({"systems": ["lexical", "lexical"]}, "fusions[0].systems[1]", "name it once"),
        ({"systems": ["lexical"]}, "fusions[0].systems", "at least 2"),
        ({"systems": ["here", "there"]}, "fusions[0].systems", "no collection has all"),
        ({"systems": ["lexical", "here"], "collections": ["d"]}, "fusions[0].collections[0]", "allowed: c"),
        ({"name": "lexical"}, "fusions[0].name", "another name"),
        ({"method": "rff"}, "fusions[0].method", "'rrf'"),
        ({"method": "sum", "rank_constant": 10}, "fusions[0]", 'method = "rrf"'),
        ({"normalisation": "min-max"}, "fusions[0]", 'method = "sum"'),
        ({"weights": [1.0]}, "fusions[0]", "one weight a system"),
        ({"weights": [1.0, 0.0]}, "fusions[0].weights[1]", "greater than 0"),
        ({"weights": [1.0, -2.0]}, "fusions[0].weights[1]", "greater than 0"),
        ({"depth": 0}, "fusions[0].depth", "greater than or equal to 1"),
        ({"rank_constant": -1}, "fusions[0].rank_constant", "greater than or equal to 0"),
        ({"k": 60}, "fusions[0].k", "unknown key"),
    ],
)  # fmt: skip
def test_mistakes_in_a_fusion(tmp_path, change, key, words):
    error = refused(tmp_path, text({**PAIR, **change}))
    assert error.key == key
    assert words in f"{error.what} {error.remedy}"
    assert error.line is not None


def test_a_fusion_is_no_part_of_another_one(tmp_path):
    error = refused(tmp_path, text(PAIR, {"name": "more", "systems": ["both", "here"]}))
    assert (error.key, error.what) == ("fusions[1].systems[0]", "'both' is a fusion itself")
    assert refused(tmp_path, text(PAIR, PAIR)).key == "fusions[1].name"


def test_claims_name_fusions_on_either_side(tmp_path):
    sides = ({"system": "both", "baseline": "lexical"}, {"system": "lexical", "baseline": "both"})
    claims = [{**CLAIM, **pair, "name": str(place)} for place, pair in enumerate(sides)]
    assert [claim.system for claim in load(tmp_path, text(PAIR, claims=claims)).head.claims] == ["both", "lexical"]


@pytest.mark.parametrize("key", ["system", "baseline"])
def test_no_claim_rests_on_times_that_were_added(tmp_path, key):
    claim = {**CLAIM, "system": "lexical", "baseline": "lexical", "metric": "latency_total/p50", key: "both"}
    error = refused(tmp_path, text(PAIR, claims=[claim]))
    assert error.key == f"claims[0].{key}"
    assert "it is estimated" in error.what


def test_a_part_of_a_spec_has_what_its_fusions_need(tmp_path):
    spec = load(tmp_path, text(PAIR, {"name": "other", "systems": ["here", "lexical"]}))
    part = spec.only(["both"])
    assert [system.name for system in part.systems] == ["lexical", "dense (nprobe=2)"]
    assert [fusion.name for fusion in part.fusions] == ["both"]
    alone = spec.only(["lexical", "here"])
    assert ([system.name for system in alone.systems], alone.fusions) == (["lexical", "here"], ())
    assert spec.only([]) is spec


def test_a_name_of_the_file_stands_for_all_its_settings(tmp_path):
    spec = load(tmp_path, text(PAIR, {"name": "other", "systems": ["here", "lexical"]}))
    for name, names in (
        ("dense", ["dense (nprobe=1)", "dense (nprobe=2)"]),
        ("codecs", ["codecs[weights=u8]", "codecs[weights=u4]"]),
        ("lexical", ["lexical"]),
    ):
        assert [system.name for system in spec.only([name]).systems] == names
    with pytest.raises(UserError, match="no such system"):
        spec.only(["den"])
