"""What a system is, as the history compares it from run to run."""

from harness.history.entry import definitions_of

SPEC = """
[encoders.e]
type = "bm25"
[indexes.i]
type = "inverted"
weights = "{weights}"
[[fusions]]
name = "both"
systems = ["a", "b"]
rank_constant = {constant}
[[fusions]]
name = "other"
systems = ["a", "c"]
"""
SYSTEMS = [
    {"name": "a", "encoder": "e", "index": "i"}, {"name": "b", "encoder": "x", "index": "y"},
    {"name": "c", "encoder": "x", "index": "z"}, {"name": "both", "fused": ["a", "b"]},
    {"name": "other", "fused": ["b", "c"]},
]  # fmt: skip


def definitions(weights="u8", constant=60):
    text = SPEC.format(weights=weights, constant=constant)
    return definitions_of({"spec_text": text, "overrides": [], "systems": SYSTEMS})


def changed(**more):
    before, after = definitions(), definitions(**more)
    return {name for name in before if before[name] != after[name]}


def test_a_fusion_is_another_one_where_its_table_or_a_system_of_it_is():
    assert changed() == set()
    assert changed(constant=10) == {"both"}
    assert changed(weights="u4") == {"a", "both"}
