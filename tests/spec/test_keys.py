"""Every key of a spec: what it may hold, where it ends, and what is said of anything else."""

import tomllib

import pytest

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec

HEAD = 'name = "x"\n'
TABLES = """[collections.c]
type = "synthetic"
documents = 10
[encoders.e]
type = "bm25"
[indexes.i]
type = "inverted"
[[systems]]
name = "s"
encoder = "e"
index = "i"
"""
CLAIM = {"name": "n", "metric": "index_bytes", "system": "s", "baseline": "s", "ratio_at_most": 1.5}


def toml(value):
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def load(tmp_path, text, overrides=()):
    file = tmp_path / "x.toml"
    file.write_text(text)
    return load_spec(file, REGISTRIES, overrides)


def refused(tmp_path, text, overrides=()):
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, overrides)
    assert caught.value.file == tmp_path / "x.toml"
    assert caught.value.remedy
    return caught.value


def line(text, beginning):
    """The number of the first line that begins so."""
    return next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith(beginning))


MEASURE = [
    # key, smallest and largest allowed, just outside of each (None where there is no bound)
    ("k", 1, 10_000, 0, 10_001),
    ("depth", 10, 10_000, 9, 10_001),
    ("threads", 1, 1024, 0, 1025),
    ("work_threads", 1, 1024, 0, 1025),
    ("encode_shards", 1, 10_000, 0, 10_001),
    ("queries", 1, 10**9, 0, None),
    ("repeats", 1, 1000, 0, 1001),
    ("processes", 1, 100, 0, 101),
    ("warmup", 0, 10**6, -1, None),
    ("attempts", 1, 20, 0, 21),
    ("timeout", 0.001, 1e9, 0, None),
    ("memory_limit", 1 << 20, 1 << 50, (1 << 20) - 1, None),
    ("load_bound", 1e-6, 1e6, 0, None),
    ("load_queries", 500, 10**6, 499, None),
    ("batch", 1, 10**6, 0, None),
    ("confidence", 0.501, 0.999, 0.5, 1.0),
]


@pytest.mark.parametrize(("key", "least", "most", "below", "above"), MEASURE)
def test_a_number_of_the_measurement_is_taken_up_to_its_bounds(tmp_path, key, least, most, below, above):
    for value in (least, most):
        spec = load(tmp_path, f"{HEAD}{TABLES}[measure]\n{key} = {toml(value)}\n")
        assert getattr(spec.head.measure, key) == value
    for value in (below, above):
        if value is None:
            continue
        text = f"{HEAD}{TABLES}[measure]\n{key} = {toml(value)}\n"
        error = refused(tmp_path, text)
        assert error.key == f"measure.{key}"
        assert error.line == line(text, f"{key} =")
        assert f"found {value!r}" in error.what
        assert "should be" in error.what


@pytest.mark.parametrize("key", [row[0] for row in MEASURE])
@pytest.mark.parametrize("value", ["many", [1], {"a": 1}])
def test_a_number_of_the_measurement_is_no_text_list_or_table(tmp_path, key, value):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\n{key} = {toml(value)}\n")
    assert error.key.startswith(f"measure.{key}")
    assert type(value).__name__ in error.what


@pytest.mark.parametrize("key", [row[0] for row in MEASURE] + ["pin", "also", "invalid_models", "power", "price"])
def test_a_mistyped_key_of_the_measurement_names_the_nearest(tmp_path, key):
    wrong = f"{key}x"
    text = f"{HEAD}{TABLES}[measure]\n{wrong} = 1\n"
    error = refused(tmp_path, text)
    assert (error.key, error.what, error.line) == (f"measure.{wrong}", "unknown key", line(text, wrong))
    assert "allowed: " in error.remedy
    if len(key) > 1:
        assert f"did you mean {key!r}?" in error.remedy


def test_every_key_of_the_measurement_is_covered_here():
    from harness.spec.models import MeasureSpec

    others = {"pin", "also", "invalid_models", "power", "price"}
    assert {row[0] for row in MEASURE} | others == set(MeasureSpec.model_fields)


@pytest.mark.parametrize("value", [True, False])
def test_pinning_is_switched(tmp_path, value):
    assert load(tmp_path, f"{HEAD}{TABLES}[measure]\npin = {toml(value)}\n").head.measure.pin is value


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("also", ["cold", "warm"], "measure.also[1]"),
        ("also", "cold", "measure.also"),
        ("also", [1], "measure.also[0]"),
        ("invalid_models", "ignore", "measure.invalid_models"),
        ("pin", "perhaps", "measure.pin"),
    ],
)
def test_words_that_are_no_choice_are_refused(tmp_path, key, value, place):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\n{key} = {toml(value)}\n")
    assert error.key == place


@pytest.mark.parametrize("word", ["cold", "throughput", "load", "encoder-memory", "exact"])
def test_each_further_measurement_is_a_choice(tmp_path, word):
    assert load(tmp_path, f'{HEAD}{TABLES}[measure]\nalso = ["{word}"]\n').head.measure.also == [word]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "one of watts_per_core and processor_cores"),
        ({"watts_per_core": 5.0, "processor_cores": 4, "source": "s"}, "one of watts_per_core and processor_cores"),
        ({"watts_per_core": 5.0}, "belong together"),
        ({"processor_cores": 4, "source": "s"}, "belong together"),
        ({"watts_per_core": 0.0, "source": "s"}, "greater than 0"),
        ({"watts_per_core": 5.0, "source": ""}, "at least 1 character"),
        ({"processor_cores": 0}, "greater than or equal to 1"),
    ],
)
def test_power_has_one_source(tmp_path, table, words):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\npower = {toml(table)}\n")
    assert words in error.what
    assert error.key.startswith("measure.power")


@pytest.mark.parametrize("table", [{"watts_per_core": 5.0, "source": "s"}, {"processor_cores": 4, "processor": "p"}])
def test_power_is_given_or_looked_up(tmp_path, table):
    power = load(tmp_path, f"{HEAD}{TABLES}[measure]\npower = {toml(table)}\n").head.measure.power
    assert power.model_dump(exclude_none=True) == table


PRICE = {"per_hour": 1.5, "cores": 4, "source": "list"}


def test_a_price_is_in_dollars_where_nothing_else_is_said(tmp_path):
    price = load(tmp_path, f"{HEAD}{TABLES}[measure]\nprice = {toml(PRICE)}\n").head.measure.price
    assert price.model_dump() == {**PRICE, "currency": "USD"}


@pytest.mark.parametrize("missing", sorted(PRICE))
def test_a_price_needs_all_its_parts(tmp_path, missing):
    table = {key: value for key, value in PRICE.items() if key != missing}
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nprice = {toml(table)}\n")
    assert (error.key, error.what) == (f"measure.price.{missing}", "this key is needed and missing")
    assert error.remedy == "add it"


@pytest.mark.parametrize(
    ("key", "value"), [("per_hour", 0), ("cores", 0), ("currency", ""), ("currency", "x" * 11), ("source", "")]
)
def test_a_price_has_bounds(tmp_path, key, value):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nprice = {toml({**PRICE, key: value})}\n")
    assert error.key == f"measure.price.{key}"


@pytest.mark.parametrize("name", ["a", "A9", "0", "a.b-c_d", "x" * 64])
def test_names_that_a_folder_can_have(tmp_path, name):
    assert load(tmp_path, f'name = "{name}"\n{TABLES}').name == name


@pytest.mark.parametrize("name", ["", ".", "-a", "_a", "a/b", "a b", "ä", "x" * 65, "..", "a\\\\b"])
def test_names_that_a_folder_cannot_have(tmp_path, name):
    error = refused(tmp_path, f'name = "{name}"\n{TABLES}')
    assert (error.key, error.line) == ("name", 1)


@pytest.mark.parametrize(("seed", "good"), [(0, True), (2**32 - 1, True), (-1, False), (2**32, False)])
def test_the_seed_is_of_32_bits(tmp_path, seed, good):
    text = f"{HEAD}seed = {seed}\n{TABLES}"
    if good:
        assert load(tmp_path, text).head.seed == seed
    else:
        error = refused(tmp_path, text)
        assert (error.key, error.line) == ("seed", 2)


def test_a_title_ends_somewhere(tmp_path):
    assert load(tmp_path, f'{HEAD}title = "{"t" * 200}"\n{TABLES}').head.title == "t" * 200
    assert refused(tmp_path, f'{HEAD}title = "{"t" * 201}"\n{TABLES}').key == "title"


def test_what_is_left_out_has_the_documented_defaults(tmp_path):
    head = load(tmp_path, HEAD + TABLES).head
    assert (head.title, head.description, head.seed, head.claims) == ("", "", 1, [])
    found = head.measure
    assert (found.k, found.depth, found.threads, found.repeats, found.processes) == (100, 1000, 1, 3, 3)
    assert (found.confidence, found.pin, found.also, found.invalid_models) == (0.95, True, [], "refuse")
    assert (found.queries, found.memory_limit, found.power, found.price) == (None, None, None, None)
    assert (head.nightly.release, head.nightly.confirm, head.nightly.thresholds) == (None, True, {})


def test_a_loaded_spec_cannot_be_changed(tmp_path):
    spec = load(tmp_path, HEAD + TABLES)
    with pytest.raises(ValueError, match="frozen"):
        spec.head.measure.k = 5
    with pytest.raises(AttributeError):
        spec.systems = ()


@pytest.mark.parametrize("axis", ["collections", "encoders", "indexes"])
@pytest.mark.parametrize("content", ["", "= 5", '= "x"', "= []"])
def test_each_axis_needs_a_table(tmp_path, axis, content):
    kept = tomllib.loads(TABLES)
    kept.pop(axis)
    rows = [f"{axis} {content}"] if content else []
    for key in ("collections", "encoders", "indexes"):
        rows += [f"[{key}.{name}]\n" + "\n".join(f"{k} = {toml(v)}" for k, v in table.items())
                 for name, table in kept.get(key, {}).items()]  # fmt: skip
    rows.append('[[systems]]\nname = "s"\nencoder = "e"\nindex = "i"')
    error = refused(tmp_path, HEAD + "\n".join(rows))
    assert error.key == axis
    assert "at least one" in error.what


@pytest.mark.parametrize(("axis", "name"), [("collections", "d"), ("encoders", "f"), ("indexes", "j")])
def test_a_part_is_a_table_with_a_known_type(tmp_path, axis, name):
    text = f"{HEAD}{TABLES}[{axis}.{name}]\n"
    error = refused(tmp_path, text)
    assert (error.key, error.what) == (f"{axis}.{name}", "the key 'type' is needed and missing")
    assert error.line == line(text, f"[{axis}.{name}]")
    text += 'type = "nothing-like-it"\n'
    error = refused(tmp_path, text)
    assert error.key == f"{axis}.{name}.type"
    assert error.line == len(text.splitlines())
    for known in getattr(REGISTRIES, axis).names():
        assert known in error.remedy


@pytest.mark.parametrize("value", ["5", "true", "[]", "{}", "2020-01-01"])
def test_a_type_that_is_no_text_is_refused(tmp_path, value):
    error = refused(tmp_path, f"{HEAD}{TABLES}[encoders.f]\ntype = {value}\n")
    assert error.key == "encoders.f.type"


PARTS = [
    ("encoders", "bm25", "k1", "[encoders.f]\ntype = 'bm25'\n"),
    ("indexes", "inverted", "weights", "[indexes.j]\ntype = 'inverted'\n"),
    ("collections", "synthetic", "documents", "[collections.d]\ntype = 'synthetic'\ndocuments = 3\n"),
]


@pytest.mark.parametrize(("axis", "kind", "key", "table"), PARTS)
def test_a_mistyped_parameter_names_the_nearest_of_its_own_kind(tmp_path, axis, kind, key, table):
    text = f"{HEAD}{TABLES}{table}{key}_ = 1\n"
    error = refused(tmp_path, text)
    assert error.what == "unknown key"
    assert error.line == len(text.splitlines())
    assert f"did you mean {key!r}?" in error.remedy
    for allowed in (*getattr(REGISTRIES, axis).get(kind).Params.model_fields, "type", "matrix"):
        assert allowed in error.remedy
    assert ("pairs" in error.remedy) == (axis == "encoders")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("[indexes.j]\ntype = 'inverted'\nweights = 'u9'\n", "indexes.j.weights"),
        ("[indexes.j]\ntype = 'inverted'\nbuild_threads = 0\n", "indexes.j.build_threads"),
        ("[indexes.j]\ntype = 'faiss'\nfactory = ''\n", "indexes.j.factory"),
        ("[indexes.j]\ntype = 'faiss'\nfactory = 'Flat'\nnprobe = 0\n", "indexes.j.nprobe"),
        ("[indexes.j]\ntype = 'faiss'\n", "indexes.j.factory"),
        ("[collections.d]\ntype = 'synthetic'\ndocuments = 0\n", "collections.d.documents"),
        ("[collections.d]\ntype = 'synthetic'\ndocuments = 1000000001\n", "collections.d.documents"),
        ("[collections.d]\ntype = 'synthetic'\ndocuments = 1\nqueries = 100001\n", "collections.d.queries"),
        ("[collections.d]\ntype = 'beir'\npath = ''\n", "collections.d.path"),
        ("[collections.d]\ntype = 'beir'\npath = 'x'\nsplit = '../x'\n", "collections.d.split"),
        ("[collections.d]\ntype = 'beir'\npath = 'x'\ntolerate = -1\n", "collections.d.tolerate"),
        ("[collections.d]\ntype = 'beir'\n", "collections.d.path"),
    ],
)
def test_parameters_of_parts_have_bounds(tmp_path, table, key):
    error = refused(tmp_path, f"{HEAD}{TABLES}{table}")
    assert error.key == key
    assert error.line is not None


SYSTEMS = [
    ('encoder = "e"', "encoder = []", "systems[0].encoder", "at least one name"),
    ('encoder = "e"', 'encoder = ""', "systems[0].encoder", "at least one name"),
    ('encoder = "e"', "encoder = 5", "systems[0].encoder", "valid"),
    ('encoder = "e"', 'encoder = ["e", "g"]', "systems[0].encoder", "no encoder 'g'"),
    ('index = "i"', 'index = ["i", "ii"]', "systems[0].index", "no index 'ii'"),
    ('index = "i"', 'index = "i"\ncollections = ["c", "cc"]', "systems[0].collections", "no collections 'cc'"),
    ('index = "i"', "", "systems[0].index", "needed and missing"),
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
        ("matrix = { k1 = [1.0, 1.0] }", "stands twice"),
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


def claims(*tables):
    return "".join("[[claims]]\n" + "\n".join(f"{k} = {toml(v)}" for k, v in t.items()) + "\n" for t in tables)


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
        ({"metric": "energy_query"}, "claims[0].metric", "no claim can rest on energy_query"),
        ({"metric": "timer_overhead"}, "claims[0].metric", "no claim can rest on"),
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


def test_several_problems_are_counted(tmp_path):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nk = 0\ndepth = 0\nrepeats = 0\n")
    assert "(2 more problems in this spec)" in error.what
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nk = 0\ndepth = 0\n")
    assert "(1 more problem in this spec)" in error.what


def test_long_values_are_cut_in_the_message(tmp_path):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nk = '{'x' * 5000}'\n")
    assert len(error.what) < 300
    assert "..." in error.what
