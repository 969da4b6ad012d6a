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


@pytest.mark.parametrize(("split", "refused"), [("dev", True), ("train", False), ("test", False)])
def test_a_split_without_judgements_is_refused(monkeypatch, split, refused):
    """mteb itself takes the judgements of `test` for those of `dev` where the data set has no other."""
    import datasets
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader
    from mteb.mocks import MockRetrievalTask
    from mteb.mocks.mock_tasks.retrieval import base_retrieval_datasplit

    class OnTheHub(MockRetrievalTask):
        load_data = AbsTaskRetrieval.load_data

    monkeypatch.setattr(mteb, "get_task", lambda name, eval_splits: OnTheHub().filter_eval_splits(eval_splits))
    monkeypatch.setattr(RetrievalDatasetLoader, "__init__", lambda self, **_: None)
    monkeypatch.setattr(RetrievalDatasetLoader, "load", lambda self, **_: base_retrieval_datasplit())
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda path, revision: ["corpus", "queries", "qrels"])
    monkeypatch.setattr(
        datasets, "get_dataset_split_names", lambda path, config, revision: {"qrels": ["test", "train"]}[config]
    )
    collection = MtebTask(MtebParams(task="OnTheHub", split=split))
    if refused:
        with pytest.raises(UserError, match=r"of the split 'dev'\n.*one of test, train"):
            list(collection.queries())
    else:
        assert len(list(collection.queries())) == 2


def test_tasks_that_cannot_be_ranked_alike_are_refused(monkeypatch):
    from mteb_tasks import task_of

    part = {"corpus": [], "queries": [], "relevant_docs": {}}
    for attributes, message in (({"modalities": ["image", "text"]}, "task of image"),
                                ({"skip_first_result": True}, "leaves out the first result")):  # fmt: skip
        kind = task_of({"default": {"test": part}}, **attributes)
        monkeypatch.setattr(mteb, "get_task", lambda name, eval_splits, kind=kind: kind())
        with pytest.raises(UserError, match=message):
            list(MtebTask(MtebParams(task="MadeUp")).queries())
