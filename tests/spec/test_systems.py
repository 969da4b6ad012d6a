"""Systems, matrices, claims and thresholds of a spec: what they may hold, and what is said of anything else."""

import pytest
from small_specs import CLAIM, HEAD, TABLES, claims, load, refused

SYSTEMS = [
    ('encoder = "e"', "encoder = []", "systems[0].encoder", "at least one name"),
    ('encoder = "e"', 'encoder = ""', "systems[0].encoder", "at least one name"),
    ('encoder = "e"', "encoder = 5", "systems[0].encoder", "valid"),
    ('encoder = "e"', 'encoder = ["e", "g"]', "systems[0].encoder", "no encoder 'g'"),
    ('index = "i"', 'index = ["i", "ii"]', "systems[0].index", "no index 'ii'"),
    ('index = "i"', 'index = "i"\ncollections = ["c", "cc"]', "systems[0].collections", "no collections 'cc'"),
    ('index = "i"', "", "systems[0].index", "is missing"),
    ('name = "s"', 'name = ""', "systems[0].name", "at least 1"),
    ('name = "s"', 'nam = "s"', "systems[0].nam", "unknown key"),
]


@pytest.mark.parametrize(("old", "new", "key", "words"), SYSTEMS)
def test_a_system_names_what_the_spec_has(tmp_path, old, new, key, words):
    assert old in TABLES
    error = refused(tmp_path, HEAD + TABLES.replace(old, new, 1))
    assert error.key == key
    assert words in error.what
    assert error.line is not None


def test_a_system_without_a_name_is_called_after_its_parts(tmp_path):
    (system,) = load(tmp_path, HEAD + TABLES.replace('name = "s"\n', "")).systems
    assert (system.name, system.collections) == ("e + i", ("c",))


def test_lists_expand_to_the_product_with_the_parts_in_brackets(tmp_path):
    text = TABLES.replace('encoder = "e"', 'encoder = ["e", "f"]').replace('index = "i"', 'index = ["i", "j"]')
    text = f"[encoders.f]\ntype = 'bm25'\nk1 = 2.0\n[indexes.j]\ntype = 'scipy'\n{text}"
    systems = load(tmp_path, HEAD + text).systems
    assert [system.name for system in systems] == ["s[e, i]", "s[e, j]", "s[f, i]", "s[f, j]"]
    assert [(s.encoder.name, s.index.type) for s in systems] == [
        ("e", "inverted"), ("e", "scipy"), ("f", "inverted"), ("f", "scipy"),
    ]  # fmt: skip
    unnamed = load(tmp_path, HEAD + text.replace('name = "s"\n', "")).systems
    assert [system.name for system in unnamed] == ["e + i", "e + j", "f + i", "f + j"]


def test_a_variant_can_be_named_alone(tmp_path):
    text = TABLES.replace('type = "bm25"', 'type = "bm25"\nmatrix = { k1 = [0.5, 1.5] }')
    text = text.replace('encoder = "e"', 'encoder = "e[k1=1.5]"')
    (system,) = load(tmp_path, HEAD + text).systems
    assert system.name == "s"
    assert system.encoder.params.k1 == 1.5
    assert system.encoder.varied == (("k1", "1.5"),)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ("matrix = 5", "a matrix is a table"),
        ("matrix = { k1 = 5 }", "a list of values"),
        ("matrix = { k1 = [] }", "a list of values"),
        ("matrix = { k1 = [1.0, 1.0] }", "appears twice"),
        ("matrix = { k7 = [1.0] }", "unknown key"),
        ("matrix = { k1 = ['much'] }", "valid number"),
    ],
)
def test_mistakes_in_a_matrix(tmp_path, matrix, words):
    error = refused(tmp_path, HEAD + TABLES.replace('type = "bm25"', f'type = "bm25"\n{matrix}'))
    assert words in error.what
    assert error.key.startswith("encoders.e")


def test_a_matrix_of_collections_makes_collections(tmp_path):
    text = TABLES.replace("documents = 10", "matrix = { documents = [10, 20, 30] }")
    spec = load(tmp_path, HEAD + text)
    assert [part.params.documents for part in spec.collections.values()] == [10, 20, 30]
    assert spec.systems[0].collections == ("c[documents=10]", "c[documents=20]", "c[documents=30]")
    one = text.replace('index = "i"', 'index = "i"\ncollections = ["c[documents=20]"]')
    assert load(tmp_path, HEAD + one).systems[0].collections == ("c[documents=20]",)


def test_a_claim_of_each_relation(tmp_path):
    base = {key: value for key, value in CLAIM.items() if key != "ratio_at_most"}
    bounds = {
        "reduction_at_least": 0.5, "ratio_at_most": 2.0, "ratio_at_least": 0.1, "difference_at_most": -3.0,
        "difference_at_least": 0.0, "equivalent_within": 0.01,
    }  # fmt: skip
    tables = [{**base, "name": name, name: bound} for name, bound in bounds.items()]
    found = load(tmp_path, HEAD + TABLES + claims(*tables)).head.claims
    assert {claim.relation: claim.bound for claim in found} == bounds
    assert {claim.confidence for claim in found} == {0.95}


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"metric": "index_byte"}, "claims[0].metric", "no metric 'index_byte'"),
        ({"metric": "energy_query"}, "claims[0].metric", "a claim cannot use energy_query"),
        ({"metric": "timer_overhead"}, "claims[0].metric", "a claim cannot use"),
        ({"system": "t"}, "claims[0].system", "no system 't'"),
        ({"baseline": "t"}, "claims[0].baseline", "no system 't'"),
        ({"collection": "cc"}, "claims[0].collection", "no collection 'cc'"),
        ({"name": ""}, "claims[0].name", "at least 1"),
        ({"name": "n" * 201}, "claims[0].name", "at most 200"),
        ({"ratio_at_most": 0}, "claims[0].ratio_at_most", "greater than 0"),
        ({"ratio_at_least": 1.0}, "claims[0]", "exactly one of"),
        ({"confidence": 0.5}, "claims[0].confidence", "greater than 0.5"),
        ({"confidence": 1.0}, "claims[0].confidence", "less than 1"),
        ({"codecs": ["u8"]}, "claims[0].codecs[1]", "missing"),
        ({"codecs": ["u8", "u8", "u8"]}, "claims[0].codecs", "at most 2"),
        ({"reduction": 0.5}, "claims[0].reduction", "unknown key"),
    ],
)
def test_mistakes_in_a_claim(tmp_path, change, key, words):
    error = refused(tmp_path, HEAD + TABLES + claims({**CLAIM, **change}))
    assert error.key == key
    assert words in error.what
    assert error.line is not None


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.1, 1.1])
def test_a_reduction_lies_between_nothing_and_all(tmp_path, bound):
    table = {key: value for key, value in CLAIM.items() if key != "ratio_at_most"}
    error = refused(tmp_path, HEAD + TABLES + claims({**table, "reduction_at_least": bound}))
    assert error.key == "claims[0].reduction_at_least"


def test_two_claims_have_two_names(tmp_path):
    error = refused(tmp_path, HEAD + TABLES + claims(CLAIM, {**CLAIM, "ratio_at_most": 2.0}))
    assert (error.key, error.what) == ("claims[1]", "two claims have the name 'n'")


def test_a_component_of_a_metric_can_be_claimed(tmp_path):
    (claim,) = load(tmp_path, HEAD + TABLES + claims({**CLAIM, "metric": "latency_total/p95"})).head.claims
    assert claim.metric == "latency_total/p95"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("relative = -0.1", "relative"),
        ("relative = 10", "relative"),
        ("absolute = -1", "absolute"),
        ("sides = 'three'", "sides"),
        ("watch = 'x'", "watch"),
        ("relativ = 1", "relativ"),
    ],
)
def test_mistakes_in_a_threshold(tmp_path, table, key):
    error = refused(tmp_path, f"{HEAD}{TABLES}[nightly.thresholds.index_bytes]\n{table}\n")
    assert error.key == f"nightly.thresholds.index_bytes.{key}"


def test_thresholds_are_by_metric(tmp_path):
    text = f'{HEAD}{TABLES}[nightly.thresholds."latency_total/p50"]\nrelative = 0.1\nsides = "two"\n'
    found = load(tmp_path, text).head.nightly.thresholds["latency_total/p50"]
    assert (found.relative, found.absolute, found.sides, found.watch) == (0.1, 0.0, "two", True)
    error = refused(tmp_path, f"{HEAD}{TABLES}[nightly.thresholds.latency_totl]\nrelative = 0.1\n")
    assert "no metric 'latency_totl'" in error.what
    assert "did you mean 'latency_total'" in error.remedy


@pytest.mark.parametrize("release", ["", "abc"])
def test_a_release_is_a_revision(tmp_path, release):
    assert refused(tmp_path, f'{HEAD}{TABLES}[nightly]\nrelease = "{release}"\n').key == "nightly.release"


def test_long_values_are_cut_in_the_message(tmp_path):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nk = '{'x' * 5000}'\n")
    assert len(error.what) < 300
    assert "..." in error.what
