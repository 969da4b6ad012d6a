"""Rows of an mteb task that are not what they should be: named, never read as another text."""

import pytest
from mteb_tasks import task_of

from harness.collections.mteb_task import MtebParams, MtebTask
from harness.errors import UserError

mteb = pytest.importorskip("mteb")

CORPUS = {"id": "d1", "title": "", "text": "cats purr"}
QUERY = {"id": "q1", "text": "cats"}


@pytest.fixture
def collection(monkeypatch):
    def of(corpus=CORPUS, query=QUERY, grade=1, ranked=None):
        part = {"corpus": [corpus], "queries": [query], "relevant_docs": {"q1": {"d1": grade}}, "top_ranked": ranked}
        kind = task_of({"default": {"test": part}})
        monkeypatch.setattr(mteb, "get_task", lambda name, eval_splits: kind())
        return MtebTask(MtebParams(task="MadeUp"))

    return of


@pytest.mark.parametrize("name", [None, True, 1.5, ["d1"], ""])
def test_what_is_no_identifier_is_named(collection, name):
    with pytest.raises(UserError, match=r"MadeUp: row 1 of the corpus: 'id' (holds|is empty)"):
        list(collection(corpus={**CORPUS, "id": name}).documents())
    with pytest.raises(UserError, match=r"MadeUp: row 1 of the queries: 'id' (holds|is empty)"):
        list(collection(query={**QUERY, "id": name}).queries())


def test_a_whole_number_is_its_digits_and_no_title_is_empty(collection):
    document = {"id": 7, "title": None, "text": "dogs bark"}
    assert [tuple(each) for each in collection(corpus=document).documents()] == [("7", "", "dogs bark")]
    assert [query.id for query in collection(query={"id": 7, "text": "dogs"}).queries()] == ["7"]


@pytest.mark.parametrize(("key", "value"), [("title", ["a", "b"]), ("title", 7), ("text", None), ("text", 5)])
def test_what_is_no_text_is_never_printed_into_one(collection, key, value):
    with pytest.raises(UserError, match=f"row 1 of the corpus: '{key}' holds"):
        list(collection(corpus={**CORPUS, key: value}).documents())


@pytest.mark.parametrize("grade", [0.5, None, "1", True, float("nan"), float("inf")])
def test_a_grade_is_never_cut(collection, grade):
    with pytest.raises(UserError, match=f"query 'q1' and document 'd1' is {grade!r}, no whole number"):
        list(collection(grade=grade).judgements())


@pytest.mark.parametrize(("grade", "read"), [(1, 1), (2.0, 2), (-1, -1), (0, 0)])
def test_a_whole_grade_is_read(collection, grade, read):
    assert [tuple(each) for each in collection(grade=grade).judgements()] == [("q1", "d1", read)]


@pytest.mark.parametrize("text", [None, 5, {"a": "b"}, [{"role": "user", "content": None}], [5]])
def test_a_query_without_a_text_is_never_the_query_none(collection, text):
    with pytest.raises(UserError, match=r"the query 'q1' (holds|is a conversation)"):
        list(collection(query={**QUERY, "text": text}).queries())
