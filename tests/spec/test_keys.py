"""Every key of a spec: what it may hold, where it ends, and what is said of anything else."""

import tomllib

import pytest
from small_specs import HEAD, TABLES, line, load, refused, toml

from harness.pipeline.plan.registries import REGISTRIES

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
OTHERS = {"pin", "also", "only", "quality", "load_servers", "invalid_models", "power", "price"}


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


@pytest.mark.parametrize("key", [row[0] for row in MEASURE] + sorted(OTHERS))
def test_a_mistyped_key_of_the_measurement_names_the_nearest(tmp_path, key):
    wrong = f"{key}x"
    text = f"{HEAD}{TABLES}[measure]\n{wrong} = 1\n"
    error = refused(tmp_path, text)
    assert (error.key, error.what, error.line) == (f"measure.{wrong}", "unknown key", line(text, wrong))
    assert "allowed: " in error.remedy
    if len(key) > 1:
        assert f"did you mean {key!r}?" in error.remedy


@pytest.mark.parametrize("value", [[1], [1, 2, 1024], [2]])
def test_numbers_of_servers_are_taken(tmp_path, value):
    assert load(tmp_path, f"{HEAD}{TABLES}[measure]\nload_servers = {value}\n").head.measure.load_servers == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[]", "at least 1 item"),
        ("[0]", "greater than or equal to 1"),
        ("[1025]", "less than or equal to 1024"),
        ("[1, 1]", "appears twice"),
        ("2", "valid list"),
        ("['many']", "valid integer"),
    ],
)
def test_other_numbers_of_servers_are_refused(tmp_path, value, words):
    error = refused(tmp_path, f"{HEAD}{TABLES}[measure]\nload_servers = {value}\n")
    assert error.key.startswith("measure.load_servers")
    assert words in error.what


def test_every_key_of_the_measurement_is_covered_here():
    from harness.spec.models import MeasureSpec

    assert {row[0] for row in MEASURE} | OTHERS == set(MeasureSpec.model_fields)


@pytest.mark.parametrize("value", [True, False])
def test_pinning_is_switched(tmp_path, value):
    assert load(tmp_path, f"{HEAD}{TABLES}[measure]\npin = {toml(value)}\n").head.measure.pin is value


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("also", ["cold", "warm"], "measure.also[1]"),
        ("also", "cold", "measure.also"),
        ("also", [1], "measure.also[0]"),
        ("only", ["memory", "memories"], "measure.only[1]"),
        ("only", "memory", "measure.only"),
        ("quality", ["AP", "APP"], "measure.quality[1]"),
        ("quality", "AP", "measure.quality"),
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
    assert (error.key, error.what) == (f"measure.price.{missing}", "this key is missing")
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
    assert (error.key, error.what) == (f"{axis}.{name}", "the key 'type' is missing")
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
