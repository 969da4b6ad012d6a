"""A retrieval task of mteb by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, TypedDict

from pydantic import Field, model_validator

from harness.collections import CollectionBase, Document, EvaluationRules, HubData, Judgement, Query, Sizes, register
from harness.collections._fields import Fields, fields_of
from harness.collections._hub_data import fetching
from harness.collections._mteb_text import query_text
from harness.collections._passages import PassagesParams
from harness.collections._suites import tasks_of
from harness.errors import UserError, allowed
from harness.spec.params import Params
from harness.versions import installed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.spec.toml import TomlTable


class _Split(TypedDict):
    """The data of a split, as mteb holds them."""

    corpus: Iterable[Mapping[str, object]]
    queries: Iterable[Mapping[str, object]]
    relevant_docs: Mapping[str, Mapping[str, object]]
    top_ranked: Mapping[str, Sequence[str]] | None


class _TextStatistics(TypedDict):
    total_text_length: int
    average_text_length: float


class _SplitStatistics(TypedDict):
    documents_text_statistics: _TextStatistics
    queries_text_statistics: _TextStatistics


class _Metadata(Protocol):
    """What this module reads of mteb's TaskMetadata."""

    name: str
    eval_splits: Sequence[str]
    main_score: str
    modalities: Sequence[str]
    dataset: Mapping[str, str]
    license: str | None
    descriptive_stats: Mapping[str, _SplitStatistics] | None
    hf_subsets_to_langscripts: Mapping[str, Sequence[str]]


class _Task(Protocol):
    """What this module uses of mteb's AbsTaskRetrieval."""

    metadata: _Metadata
    dataset: Mapping[str, Mapping[str, _Split]]
    ignore_identical_ids: bool
    skip_first_result: bool

    def load_data(self) -> None:
        """Fetch the data, or take them from the cache."""
        ...

    def filter_languages(self, languages: None, *, hf_subsets: Sequence[str]) -> _Task:
        """Leave out all other subsets."""
        ...

    def convert_v1_dataset_format_to_v2(self, num_proc: int | None) -> None:
        """Bring what older tasks load into `dataset`."""
        ...


class MtebParams(Params):
    """Parameters of a task of mteb."""

    task: str | None = Field(default=None, min_length=1)
    """Its name in mteb, such as "SciFact" or "NFCorpus"; CQADupstackRetrieval is a suite of its twelve parts."""
    suite: Literal["MTEB(eng, v1)", "MTEB(eng, v2)", "BEIR", "NanoBEIR"] | None = None
    """Instead of a task: all retrieval tasks of this benchmark, each a collection of its own."""
    split: str | None = None
    """Its split; the task's own evaluation split where it is left out ("dev" for MSMARCO). No other is fetched."""
    subset: str | None = None
    """Language or part, for tasks that have several; no other is fetched. Several are a matrix."""
    passages: PassagesParams | None = None
    """Passages of documents are searched, and a document scores as its best one: ``{ words = 200, stride = 100 }``."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.task is None) == (self.suite is None):
            raise ValueError("name either a task or a suite")
        return self


@register("mteb")
class MtebTask(CollectionBase):
    """A retrieval task of mteb; its data comes from the Hugging Face Hub or the local cache of it."""

    Params: ClassVar[type[Params]] = MtebParams
    libraries: ClassVar[tuple[str, ...]] = ("datasets", "mteb")

    def __init__(self, params: MtebParams) -> None:
        self.params = params
        self._task: _Task | None = None

    @classmethod
    def expanded(cls, settings: TomlTable, matrix: TomlTable) -> tuple[TomlTable, TomlTable]:
        """A suite, or a task of several, as a matrix of its tasks; all else is left as it is, to be refused."""
        tasks = tasks_of(settings.get("suite"), settings.get("task"))
        if not tasks or "task" in matrix:
            return settings, matrix
        rest = {name: value for name, value in settings.items() if name not in {"suite", "task"}}
        return rest, {"task": [part for parts in tasks.values() for part in parts], **matrix}

    @classmethod
    def mteb_task(cls, params: MtebParams) -> str | None:
        """Its name."""
        return params.task

    @classmethod
    def suite_task(cls, settings: TomlTable, params: MtebParams) -> tuple[str, str] | None:
        """The suite of the table and the task of it; the parts of CQADupstack are one task where the suite says so.

        A task of several is a suite of that name.
        """
        suite, task = settings.get("suite"), settings.get("task")
        tasks = [name for name, parts in tasks_of(suite, task).items() if params.task in parts]
        return (str(suite or task), tasks[0]) if tasks else None

    def fingerprint(self) -> str:
        """The task's name and the version of mteb, which pins the revision of the data; nothing is imported."""
        if (version := installed("mteb")) == "none":
            raise UserError("mteb is not installed", remedy='python -m pip install "laconic-bench[mteb]"')
        return f"{self.params.task}/{self.params.split}/{self.params.subset} of mteb {version}"

    def documents(self) -> Iterator[Document]:
        """All documents in the data set's order.

        Raises:
            UserError: A row has no identifier, or its title or text is no text.
        """
        for number, row in enumerate(self._data()["corpus"], start=1):
            yield Document(*self._checked(row, "corpus", number))

    def queries(self) -> Iterator[Query]:
        """All queries of the split, with instruction, and as text where they are conversations.

        Where the task is one of re-ranking, a query without candidates has none: nothing is ranked for it.

        Raises:
            UserError: A row has no identifier or no text.
        """
        data = self._data()
        ranked = data.get("top_ranked")
        for number, row in enumerate(data["queries"], start=1):
            fields = self._checked({"id": row.get("id"), "text": query_text(row)}, "queries", number)
            candidates = None if ranked is None else tuple(str(name) for name in ranked.get(fields.id) or ())
            yield Query(fields.id, fields.text, candidates)

    def judgements(self) -> Iterator[Judgement]:
        """All judgements of the split's queries, also those of documents that are not in the corpus, as mteb counts.

        Raises:
            UserError: A grade is no whole number.
        """
        data = self._data()
        queries = {str(row["id"]) for row in data["queries"]}
        for query, documents in data["relevant_docs"].items():
            if str(query) in queries:
                for document, grade in documents.items():
                    if not isinstance(grade, int | float) or isinstance(grade, bool) or grade % 1:
                        raise self._wrong(
                            f"the grade of query {query!r} and document {document!r} is {grade!r}, no whole number"
                        )
                    yield Judgement(str(query), str(document), int(grade))

    def rules(self) -> EvaluationRules:
        """As mteb evaluates the task."""
        cut = self.params.passages
        passages = None if cut is None else cut.rule()
        return EvaluationRules(self._loaded().ignore_identical_ids, "identifier", "zero", passages)

    def sizes(self) -> Sizes | None:
        """What mteb's own statistics of the task say, without its data; None where they do not say it.

        They say nothing of some splits, of subsets, and of passages.
        """
        task = _named(self.params)
        statistics = (task.metadata.descriptive_stats or {}).get(self.params.split or task.metadata.eval_splits[0])
        if statistics is None or self.params.passages is not None or _subset(task, self.params) != "default":
            return None
        documents, queries = statistics["documents_text_statistics"], statistics["queries_text_statistics"]
        # Some tasks' statistics do not give the numbers themselves.
        return Sizes(
            round(documents["total_text_length"] / documents["average_text_length"]),
            round(queries["total_text_length"] / queries["average_text_length"]),
            documents["average_text_length"],
            queries["average_text_length"],
        )

    def hub_data(self) -> list[HubData]:
        """The task's data set, at the revision that mteb pins."""
        metadata = _named(self.params).metadata
        data = metadata.dataset
        return [HubData(data["path"], data.get("revision"), licence=metadata.license or "")]

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        metadata, subset = self._loaded().metadata, _subset(self._loaded(), self.params)
        return {
            "task": f"{metadata.name} of mteb {installed('mteb')}, split {self._split()}",
            "main score": metadata.main_score,
            "split": self._split(),
            "subset": subset,
            "languages": ", ".join(metadata.hf_subsets_to_langscripts.get(subset, ())),
            "data": f"{metadata.dataset.get('path')} at revision {metadata.dataset.get('revision')}",
            "licence": str(metadata.license),
        }

    def _checked(self, row: Mapping[str, object], part: str, number: int) -> Fields:
        fields = fields_of(row, name="id")
        if isinstance(fields, str):
            raise self._wrong(f"row {number} of the {part}: {fields}")
        return fields

    def _wrong(self, what: str) -> UserError:
        return UserError(f"{self.params.task}: {what}", key="task", remedy="name another task, or mend its data set")

    def _split(self) -> str:
        return self.params.split or str(self._loaded().metadata.eval_splits[0])

    def _data(self) -> _Split:
        task = self._loaded()
        try:
            return task.dataset[_subset(task, self.params)][self._split()]
        except KeyError as error:
            known = {subset: sorted(splits) for subset, splits in task.dataset.items()}
            raise UserError(
                f"the task {self.params.task!r} has no {error}", key="split", remedy=f"subsets and splits: {known}"
            ) from None

    def _loaded(self) -> _Task:
        if self._task is None:
            self._task = _load(self.params)
        return self._task


def _named(params: MtebParams) -> _Task:
    """The task, without its data; told which split and which subset will be asked for."""
    name = params.task or ""
    try:
        import mteb
        from mteb.abstasks.retrieval import AbsTaskRetrieval
    except ImportError:
        raise UserError("mteb is not installed", remedy='python -m pip install "laconic-bench[mteb]"') from None
    splits = None if params.split is None else [params.split]
    try:
        task = mteb.get_task(name, eval_splits=splits)
    except KeyError:
        names = [known.metadata.name for known in mteb.get_tasks(task_types=["Retrieval"])]
        raise UserError(f"mteb has no task {name!r}", key="task", remedy=_nearest(name, names)) from None
    if getattr(task, "is_aggregate", False):
        parts = [part.metadata.name for part in task.metadata.tasks]
        raise UserError(
            f"{name!r} is an aggregate of {len(parts)} tasks",
            key="task",
            remedy=f"name them: {', '.join(parts)}; CQADupstackRetrieval may also be the one task of a collection of a "
            "spec, which is then the suite of its parts",
        )
    if not isinstance(task, AbsTaskRetrieval):
        raise UserError(f"{name!r} is not a retrieval task", key="task", remedy="name a task of type Retrieval")
    retrieval: _Task = task
    if other := sorted(set(retrieval.metadata.modalities) - {"text"}):
        raise UserError(f"{name!r} is a task of {' and '.join(other)}", key="task", remedy="name a task of text alone")
    if retrieval.skip_first_result:
        raise UserError(
            f"{name!r} leaves out the first result of every query, whatever it is",
            key="task",
            remedy="name another task: such results cannot be compared between engines",
        )
    return retrieval.filter_languages(None, hf_subsets=[_subset(retrieval, params)])


def _subset(task: _Task, params: MtebParams) -> str:
    """The part that is asked for; the only one where none is named."""
    known = list(task.metadata.hf_subsets_to_langscripts)
    if params.subset is None and len(known) == 1:
        return known[0]
    if params.subset not in known:
        what = "has several subsets" if params.subset is None else f"has no subset {params.subset!r}"
        raise UserError(f"{params.task!r} {what}", key="subset", remedy=f"one of {', '.join(known)}")
    return params.subset


def _load(params: MtebParams) -> _Task:
    task = _named(params)
    data = task.metadata.dataset
    with fetching(data["path"], data.get("revision"), "task"):
        task.load_data()
        task.convert_v1_dataset_format_to_v2(num_proc=None)
    _check_split(task, params)
    return task


def _check_split(task: _Task, params: MtebParams) -> None:
    """Refuse a split without judgements: mteb takes those of another split where the data set has only that one.

    Raises:
        UserError: The judgements of the task have no such split.
    """
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    usual = type(task).load_data is AbsTaskRetrieval.load_data  # other tasks read their data in ways of their own
    if params.split is None or params.split in task.metadata.eval_splits or not usual:
        return
    from datasets import get_dataset_config_names, get_dataset_split_names

    path, revision = task.metadata.dataset["path"], task.metadata.dataset["revision"]
    subset = _subset(task, params)
    with fetching(path, revision, "task"):
        usual_name = "default" if "default" in get_dataset_config_names(path, revision) else "qrels"
        judgements = usual_name if subset == "default" else f"{subset}-qrels"
        known = get_dataset_split_names(path, judgements, revision=revision)
    if params.split not in known:
        raise UserError(
            f"the task {params.task!r} has no judgements of the split {params.split!r}",
            key="split",
            remedy=f"one of {', '.join(map(str, known))}",
        )


def _nearest(name: str, names: list[str]) -> str:
    text = allowed(name, names)
    return text.partition("; ")[2] or f"see the list of mteb's {len(names)} retrieval tasks"
