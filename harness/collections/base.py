"""What is searched: documents, queries and judgements, streamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from harness.collections._windows import Passages, windows
from harness.training.examples import Pair as Pair  # noqa: TC001 - importers of it find it here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.spec.params import Params
    from harness.spec.toml import TomlTable


class Document(NamedTuple):
    """One document; what is encoded is `full_text`."""

    id: str
    title: str
    text: str

    @property
    def full_text(self) -> str:
        """Title and text joined as mteb and BEIR join them: ``(title + " " + text).strip()``."""
        return f"{self.title} {self.text}".strip()

    def passages(self, cut: Passages | None) -> Iterator[str]:
        """The texts that are encoded: its passages, each with the title before it.

        A document whose text has at most `words` words stays as it is, and so does every one where `cut` is None.
        """
        if cut is None or len(self.text.split()) <= cut.words:
            yield self.full_text
            return
        for text in windows(self.text, cut.words, cut.stride):
            yield self._replace(text=text).full_text


class Query(NamedTuple):
    """One query."""

    id: str
    text: str
    candidates: tuple[str, ...] | None = None
    """Identifiers of the documents that are ranked for it, of a task of re-ranking; None where all are searched. Either
    all queries of a collection have candidates, or none has."""


class Judgement(NamedTuple):
    """How relevant (0: not) a document is to a query."""

    query_id: str
    document_id: str
    relevance: int


Ties: TypeAlias = Literal["number", "identifier"]
"""Which of two documents with equal scores comes first: ``number``, the earlier one in the corpus; ``identifier``, the
one whose identifier has the higher UTF-8 bytes, as trec_eval and mteb order them."""
WithoutRelevant: TypeAlias = Literal["leave-out", "zero"]
"""How a query counts whose judgements are all 0: not at all, or as 0 in every metric, as in mteb."""


@dataclass(frozen=True)
class EvaluationRules:
    """What becomes of a system's results before they are evaluated; the same for every engine.

    Attributes:
        ignore_identical_ids: A document with the identifier of the query is no result of it. One more is searched.
        ties: Which of two documents with equal scores comes first.
        without_relevant: How a query counts whose judgements are all 0.
        passages: How documents are cut into passages, which are what is encoded and searched; None where documents are.
    """

    ignore_identical_ids: bool = False
    ties: Ties = "number"
    without_relevant: WithoutRelevant = "leave-out"
    passages: Passages | None = None


class HubData(NamedTuple):
    """A data set on the Hugging Face Hub.

    `files` are patterns of the files that are read of it, and `licence` is what is known of its licence; "" for none.
    `upper` says that not all of these files may be needed.
    """

    name: str
    revision: str | None
    files: tuple[str, ...] = ("*",)
    licence: str = ""
    upper: bool = False


class Sizes(NamedTuple):
    """How much text a collection has, known or counted before it is read for a run."""

    documents: int
    """Documents, or passages where these are what is encoded."""
    queries: int
    document_characters: float
    """Mean of a document or passage, title included."""
    query_characters: float
    """Mean of a query."""


@runtime_checkable
class Collection(Protocol):
    """A source of documents, queries and judgements. Nothing is held in memory whole: the three are iterators.

    A class registers itself with ``@collections.register("name")``, is made from its `Params`, and may be iterated more
    than once. What is wrong with the data raises `UserError` with file and line. `CollectionBase` has the defaults that
    are named here; a class that does not inherit from it writes every hook itself.
    """

    Params: ClassVar[type[Params]]
    """Its parameters in a spec. No default."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the content; they are part of the stage's key. No default: a collection read
    by plain Python writes ``()``."""

    def __init__(self, params: Any) -> None: ...

    def fingerprint(self) -> str:
        """What decides the content, cheaply: a digest of files, or names and versions. Part of the stage's key.

        Raises:
            UserError: The source is missing or cannot be had offline.
        """
        ...

    def documents(self) -> Iterator[Document]:
        """All documents, in a fixed order."""
        ...

    def queries(self) -> Iterator[Query]:
        """All queries of the split, in a fixed order."""
        ...

    def judgements(self) -> Iterator[Judgement]:
        """All judgements of the split."""
        ...

    def pairs(self) -> Iterator[Pair]:
        """Training pairs that share no document with the test side. Default: none."""
        ...

    def rules(self) -> EvaluationRules:
        """What becomes of results before they are evaluated. Default: nothing, see `EvaluationRules`."""
        ...

    def description(self) -> Mapping[str, str]:
        """Facts for the report: kind of task, source, licence, how it was sampled. Keys are short labels.

        Default: none.
        """
        ...

    def warnings(self) -> Sequence[str]:
        """What a reader must know of the data once they are read: lines skipped, judgements left out. Default: none."""
        ...

    def sizes(self) -> Sizes | None:
        """How much text there is, for an estimate made before a run; None where that is not known without fetching.

        Default: documents and queries are read and counted.
        """
        ...

    def hub_data(self) -> Sequence[HubData]:
        """The data sets of the Hugging Face Hub that it reads, for a plan that says what will be fetched.

        Nothing is fetched for it. Default: none.
        """
        ...

    @classmethod
    def expanded(cls, settings: TomlTable, matrix: TomlTable) -> tuple[TomlTable, TomlTable]:
        """A table of a spec and its matrix as they are meant; one that names several collections becomes a matrix.

        Default: both as they are.
        """
        ...

    @classmethod
    def suite_task(cls, settings: TomlTable, params: Any) -> tuple[str, str] | None:
        """The suite that a table of a spec names, and the task of that suite to which one of the collections belongs.

        Args:
            settings: The table as it is written.
            params: Of the collection.

        Returns:
            Names of suite and task; None where the table names no suite. Default: None.
        """
        ...

    @classmethod
    def mteb_task(cls, params: Any) -> str | None:
        """Name of the mteb task that it is; prompts of encoders may depend on it. Default: None, it is none."""
        ...

    @classmethod
    def has_texts(cls, params: Any) -> bool:
        """Whether documents and queries have texts; where not, vectors that were made elsewhere can be searched.

        Default: yes.
        """
        ...

    @classmethod
    def modules(cls, params: Any) -> tuple[str, ...]:
        """Modules whose code decides the content. Default: the module of the class."""
        ...

    @classmethod
    def libraries_with(cls, params: Any) -> tuple[str, ...]:
        """Distributions whose versions decide the content with these parameters. Default: `libraries`.

        A collection made of others adds those of the others.
        """
        ...


class CollectionBase:
    """The defaults of `Collection`: inherit from it, and write the rest."""

    libraries: ClassVar[tuple[str, ...]]

    def pairs(self) -> Iterator[Pair]:
        """None."""
        return iter(())

    def rules(self) -> EvaluationRules:
        """All as `EvaluationRules` has it."""
        return EvaluationRules()

    def description(self) -> Mapping[str, str]:
        """None."""
        return {}

    def warnings(self) -> Sequence[str]:
        """None."""
        return ()

    def sizes(self: Collection) -> Sizes | None:
        """Counted, by reading all documents and queries."""
        cut = self.rules().passages
        texts = (text for document in self.documents() for text in document.passages(cut))
        documents, document_characters = _counted(map(len, texts))
        queries, query_characters = _counted(len(query.text) for query in self.queries())
        return Sizes(documents, queries, document_characters, query_characters)

    def hub_data(self) -> Sequence[HubData]:
        """None."""
        return ()

    @classmethod
    def expanded(cls, settings: TomlTable, matrix: TomlTable) -> tuple[TomlTable, TomlTable]:
        """Both as they are."""
        return settings, matrix

    @classmethod
    def suite_task(cls, settings: TomlTable, params: Any) -> tuple[str, str] | None:
        """None."""
        return None

    @classmethod
    def mteb_task(cls, params: Any) -> str | None:
        """None."""
        return None

    @classmethod
    def has_texts(cls, params: Any) -> bool:
        """They have."""
        return True

    @classmethod
    def modules(cls, params: Any) -> tuple[str, ...]:
        """The module of the class."""
        return (cls.__module__,)

    @classmethod
    def libraries_with(cls, params: Any) -> tuple[str, ...]:
        """Those that the class declares."""
        return cls.libraries


class PairsOnly(CollectionBase):
    """The defaults of a collection of training pairs: nothing in it is searched."""

    def documents(self) -> Iterator[Document]:
        """None."""
        return iter(())

    def queries(self) -> Iterator[Query]:
        """None."""
        return iter(())

    def judgements(self) -> Iterator[Judgement]:
        """None."""
        return iter(())


def _counted(lengths: Iterator[int]) -> tuple[int, float]:
    """How many numbers there are, and their mean (0 where there are none)."""
    count = total = 0
    for length in lengths:
        count, total = count + 1, total + length
    return count, total / max(count, 1)
