"""Prefixes by task and side, against mteb's own choice of instructions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.encoders.dense_twin import DenseTwinParams
from harness.encoders.laconic import LaconicParams
from harness.encoders.sentence_transformer import DenseParams
from harness.encoders.weights.prompts import fitting, mteb_instruction, registered_prompts
from harness.errors import UserError

QWEN = "Instruct: {task}\nQuery:"


def dense(**params):
    return DenseParams(model="somewhere", **params)


def sides(params, collection, task=None):
    on = params.on(collection, task)
    return on.query_prefix, on.document_prefix


def test_a_prefix_holds_on_the_tasks_that_its_name_fits_and_the_first_name_counts():
    params = dense(
        query_prefix="q: ",
        document_prefix="d: ",
        prefixes={"Quora*": {"document": "q: "}, "quoraretrieval": {"document": "never"}, "mine": {"query": "m: "}},
    )
    assert sides(params, "suite", "QuoraRetrieval") == ("q: ", "q: ")
    assert sides(params, "suite", "SciFact") == ("q: ", "d: ")
    assert sides(params, "mine") == ("m: ", "d: ")
    assert sides(params, "") == ("q: ", "d: ")


def test_the_models_own_prompts_stay_where_a_spec_names_none():
    assert sides(dense(), "suite", "SciFact") == (None, None)
    assert sides(dense(prefixes={"*": {"query": ""}}), "suite", "SciFact") == ("", None)


@pytest.mark.filterwarnings("ignore:Prompt type")
@pytest.mark.parametrize("task", ["SciFact", "ArguAna", "QuoraRetrieval", "MSMARCO", "NanoSciFactRetrieval"])
def test_the_instruction_of_a_task_is_the_one_that_mteb_gives_its_models(task):
    mteb = pytest.importorskip("mteb")
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.types import PromptType

    class Told(AbsEncoder):
        prompts_dict = None

        def encode(self, inputs, **given):
            raise AssertionError

    metadata = mteb.get_task(task).metadata
    for role in ("query", "document"):
        expected = Told().get_instruction(metadata, PromptType(role))
        assert mteb_instruction(task, role) == expected
    query, document = sides(dense(query_prefix=QWEN), "suite", task)
    assert query == f"Instruct: {Told().get_instruction(metadata, PromptType.query)}\nQuery:"
    assert document is None


def test_an_instruction_of_the_spec_comes_before_that_of_mteb():
    params = dense(query_prefix=QWEN, instructions={"scifact": "Find evidence", "*": "Find anything"})
    assert sides(params, "suite", "SciFact")[0] == "Instruct: Find evidence\nQuery:"
    assert sides(params, "docs")[0] == "Instruct: Find anything\nQuery:"


def test_a_collection_without_an_instruction_is_refused_with_the_key_that_gives_it():
    with pytest.raises(UserError, match=r"instructions: the prefix has \{task\}.*'docs'") as error:
        dense(query_prefix=QWEN).on("docs", None)
    assert 'instructions = { "docs" = "..." }' in str(error.value.remedy)
    pytest.importorskip("mteb")
    with pytest.raises(UserError, match="mteb has no task 'NoSuchTask'"):
        dense(query_prefix=QWEN).on("suite", "NoSuchTask")


def test_texts_of_no_task_get_a_general_instruction():
    query, _ = sides(dense(query_prefix=QWEN), "")
    assert query.startswith("Instruct: ") and "{task}" not in query


@pytest.mark.parametrize("kind", [LaconicParams, DenseTwinParams])
def test_documents_that_are_like_queries_get_their_prefix_as_the_authors_of_laconic_do(kind):
    params = kind(backbone="somewhere")
    assert sides(params, "suite", "SciFact") == ("query: ", "passage: ")
    assert sides(params, "suite", "QuoraRetrieval") == ("query: ", "query: ")
    assert sides(params, "suite", "NanoQuoraRetrieval") == ("query: ", "query: ")
    assert sides(params, "suite", "CQADupstackTexRetrieval") == ("query: ", "query: ")
    assert sides(params, "quora") == ("query: ", "query: ")
    assert sides(kind(backbone="x", symmetric=()), "suite", "QuoraRetrieval") == ("query: ", "passage: ")
    named = kind(backbone="x", prefixes={"Quora*": {"document": "text: "}})
    assert sides(named, "suite", "QuoraRetrieval") == ("query: ", "text: ")


@given(st.text(st.characters(codec="utf-8", exclude_characters="*?[]"), min_size=1), st.text(), st.text(min_size=1))
def test_a_name_without_wildcards_fits_itself_alone(name, collection, task):
    fits = name.casefold() in {collection.casefold(), task.casefold()}
    assert fitting({name: 1}, collection, task) == (1 if fits else None)
    assert fitting({"*": 1}, "", None) is None


def test_the_prompts_of_mteb_s_registry_are_known():
    pytest.importorskip("mteb")
    assert "query: " in registered_prompts("intfloat/e5-small-v2")
    assert "Represent this sentence" in registered_prompts("BAAI/bge-small-en-v1.5")
    assert "instruction" in registered_prompts("Qwen/Qwen3-Embedding-0.6B")
    assert registered_prompts("sentence-transformers/all-MiniLM-L6-v2") is None
    assert registered_prompts("nobody/nothing") is None
