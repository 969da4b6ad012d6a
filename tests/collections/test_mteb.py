"""Tasks of mteb, without a network."""

import pytest

from harness.collections.mteb_task import MtebParams, MtebTask
from harness.errors import UserError

mteb = pytest.importorskip("mteb")


@pytest.fixture
def mock(monkeypatch):
    from mteb.mocks import MockRetrievalTask

    monkeypatch.setattr(mteb, "get_task", lambda name, eval_splits: MockRetrievalTask())


def test_a_task_is_read(mock):
    collection = MtebTask(MtebParams(task="MockRetrievalTask"))
    documents, queries = list(collection.documents()), list(collection.queries())
    judgements = list(collection.judgements())
    assert len(documents) == len(queries) == 2
    assert {j.document_id for j in judgements} <= {d.id for d in documents}
    assert {j.query_id for j in judgements} <= {q.id for q in queries}
    assert "MockRetrievalTask" in collection.description()["task"]


def test_unknown_split(mock):
    with pytest.raises(UserError, match="subsets and splits"):
        list(MtebTask(MtebParams(task="MockRetrievalTask", split="nope")).documents())


def test_unknown_and_aggregate_tasks():
    with pytest.raises(UserError, match="did you mean 'SciFact'"):
        list(MtebTask(MtebParams(task="SciFcat")).documents())
    with pytest.raises(UserError, match="aggregate of 12 tasks"):
        list(MtebTask(MtebParams(task="CQADupstackRetrieval")).documents())
    with pytest.raises(UserError, match="not a retrieval task"):
        list(MtebTask(MtebParams(task="Banking77Classification")).documents())


def test_offline_is_one_clear_error(monkeypatch):
    from mteb.mocks import MockRetrievalTask

    def no_network(self, **_):
        raise ConnectionError("no route")

    monkeypatch.setattr(MockRetrievalTask, "load_data", no_network)
    monkeypatch.setattr(mteb, "get_task", lambda name, eval_splits: MockRetrievalTask())
    with pytest.raises(UserError, match=r"task: the dataset .* Hub is not reached(.|\n)*HF_HOME"):
        list(MtebTask(MtebParams(task="X")).documents())
