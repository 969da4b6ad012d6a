"""Which collections of a spec are a suite, and which task each is."""

import pytest
from small_specs import HEAD, TABLES, line, load, load_small, refused, system

MTEB = {"type": "mteb", "suite": "MTEB(eng, v1)"}


def folders(*names):
    return "".join(f"[collections.{name}]\ntype = 'synthetic'\ndocuments = 10\n" for name in names)


def test_a_suite_of_mteb_is_its_tasks_and_the_twelve_are_one(tmp_path):
    spec = load_small(tmp_path, collections={"all": MTEB}, systems=[system(None)])
    (suite,) = spec.suites.values()
    assert suite.name == "MTEB(eng, v1)"
    assert len(suite.tasks) == 15
    assert [len(parts) for task, parts in suite.tasks.items() if task == "CQADupstackRetrieval"] == [12]
    assert suite.tasks["SciFact"] == ("all[task=SciFact]",)
    assert sorted(suite.collections) == sorted(spec.collections)
    weights = suite.weights()
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["all[task=SciFact]"] == pytest.approx(1 / 15)
    assert weights["all[task=CQADupstackTexRetrieval]"] == pytest.approx(1 / 180)


def test_parts_that_a_suite_takes_by_themselves_are_tasks(tmp_path):
    spec = load_small(tmp_path, collections={"all": {"type": "mteb", "suite": "MTEB(eng, v2)"}}, systems=[system(None)])
    assert len(spec.suites["MTEB(eng, v2)"].tasks) == 10


def test_a_suite_twice_and_a_matrix_beside_it_are_suites_of_their_own(tmp_path):
    two = {"a": {"type": "mteb", "suite": "NanoBEIR"}, "b": {"type": "mteb", "suite": "NanoBEIR", "split": "train"}}
    assert list(load_small(tmp_path, collections=two, systems=[system(None)]).suites) == [
        "NanoBEIR (a)",
        "NanoBEIR (b)",
    ]
    several = {"a": {"type": "mteb", "suite": "NanoBEIR", "matrix": {"split": ["train", "test"]}}}
    suites = load_small(tmp_path, collections=several, systems=[system(None)]).suites
    assert list(suites) == ["NanoBEIR (a, split=train)", "NanoBEIR (a, split=test)"]
    assert all(len(suite.tasks) == len(suite.collections) == 13 for suite in suites.values())


def test_collections_outside_a_suite_name_none(tmp_path):
    assert load_small(tmp_path).suites == {}
    one = {"one": {"type": "mteb", "task": "SciFact"}}
    assert load_small(tmp_path, collections=one, systems=[system(None)]).suites == {}


def test_a_suite_of_any_collections(tmp_path):
    text = HEAD + TABLES + folders("d", "e") + "[suites.mine]\ntasks = { first = 'c', forum = ['d', 'e'] }\n"
    (suite,) = load(tmp_path, text).suites.values()
    assert (suite.name, suite.tasks) == ("mine", {"first": ("c",), "forum": ("d", "e")})
    assert suite.weights() == {"c": 0.5, "d": 0.25, "e": 0.25}
    assert suite.only(["c", "d"]).tasks == {"first": ("c",)}


def test_a_matrix_of_collections_is_the_parts_of_a_task(tmp_path):
    matrix = "[collections.m]\ntype = 'synthetic'\nmatrix = { documents = [10, 20] }\n"
    text = HEAD + TABLES + matrix + "[suites.mine.tasks]\nfirst = 'c'\nsizes = 'm'\n"
    assert load(tmp_path, text).suites["mine"].tasks["sizes"] == ("m[documents=10]", "m[documents=20]")


@pytest.mark.parametrize(
    ("tasks", "words", "key"),
    [
        ("{ first = 'cc' }", "there is no collection 'cc' in this spec", "suites.mine.tasks.first"),
        ("{ first = [] }", "at least one collection is needed", "suites.mine.tasks.first"),
        ("{ first = 'c', second = ['c'] }", "the collection 'c' is in this suite twice", "suites.mine"),
        ("{}", "at least 1 item", "suites.mine.tasks"),
    ],
)
def test_what_is_no_suite(tmp_path, tasks, words, key):
    text = f"{HEAD}{TABLES}[suites.mine]\ntasks = {tasks}\n"
    error = refused(tmp_path, text)
    assert words in error.what
    assert error.key == key
    assert error.line >= line(text, "[suites")


def test_a_name_that_a_collection_took(tmp_path):
    both = TABLES + "[collections.all]\ntype = 'mteb'\nsuite = 'NanoBEIR'\n[suites.NanoBEIR]\ntasks = { first = 'c' }\n"
    assert "a collection names the suite 'NanoBEIR' too" in refused(tmp_path, HEAD + both).what
