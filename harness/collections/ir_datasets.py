"""A data set of ir_datasets by its identifier, from the library's own cache or from a folder in that layout."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pydantic import Field

from harness.collections import CollectionBase, Document, EvaluationRules, Judgement, Query, Sizes, register
from harness.collections._fields import Fields, fields_of
from harness.collections._passages import PassagesParams
from harness.collections.base import Ties, WithoutRelevant
from harness.errors import UnavailableError, UserError
from harness.spec.params import Params
from harness.spec.paths import expanded
from harness.versions import installed

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = "IR_DATASETS_HOME"
"""The library's variable for its cache; read when it is imported."""
_homes: dict[str, str | None] = {}
"""What the variable was set to: by the "user", and here, so that the imported "library" is bound to it."""


class _Row(Protocol):
    """A document or a query of the library: a named tuple that knows its main text."""

    def default_text(self) -> str:
        """The text that the library's authors rank by."""
        ...


class _Qrel(NamedTuple):
    """What is read of a judgement."""

    query_id: str
    doc_id: str
    relevance: int


class _Dataset(Protocol):
    """What is used of the library's data sets."""

    def has_docs(self) -> bool: ...
    def has_queries(self) -> bool: ...
    def has_qrels(self) -> bool: ...
    def docs_iter(self) -> Iterator[_Row]: ...
    def queries_iter(self) -> Iterator[_Row]: ...
    def qrels_iter(self) -> Iterator[_Qrel]: ...


class IrDatasetsParams(Params):
    """Parameters of a data set of ir_datasets."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+:-]*(/[A-Za-z0-9][A-Za-z0-9_.+:-]*)*$")
    """Its identifier, such as "msmarco-passage/dev/small"; it must have documents, queries and judgements."""
    folder: str | None = Field(default=None, min_length=1)
    """Where the library keeps its data; ``~`` and ``${VARIABLE}`` are expanded. Its own cache where it is left out:
    IR_DATASETS_HOME, else ~/.ir_datasets."""
    ignore_identical_ids: bool = False
    """A document with the identifier of the query is no result of it."""
    ties: Ties = "number"
    """Which of two documents with equal scores comes first: the one with the lower "number" in the corpus, or the one
    with the higher "identifier", as trec_eval orders them."""
    without_relevant: WithoutRelevant = "leave-out"
    """Whether a query whose judgements are all 0 is left out ("leave-out") or counts 0 ("zero")."""
    passages: PassagesParams | None = None
    """Passages of documents are searched, and a document scores as its best one: ``{ words = 200, stride = 100 }``."""


@register("ir-datasets")
class IrDatasets(CollectionBase):
    """A data set of ir_datasets, read row by row; what its folder lacks is downloaded by the library."""

    Params: ClassVar[type[Params]] = IrDatasetsParams
    libraries: ClassVar[tuple[str, ...]] = ("ir-datasets",)

    def __init__(self, params: IrDatasetsParams) -> None:
        self.params = params
        self._opened: _Dataset | None = None

    def fingerprint(self) -> str:
        """Identifier, folder and the version of ir_datasets, which names the files and their digests.

        Raises:
            UserError: The library is not installed, or there is no such folder.
        """
        if (version := installed("ir-datasets")) == "none":
            raise UserError("ir_datasets is not installed", remedy='python -m pip install "laconic-bench[ir-datasets]"')
        return f"{self.params.id} of ir_datasets {version} in {self._folder() or 'its cache'}"

    def documents(self) -> Iterator[Document]:
        """All documents in the data set's order; a title is split from the main text where that begins with it.

        Raises:
            UserError: A row has no identifier or its text is no text; or the data cannot be had.
        """
        with self._reading():
            for number, row in enumerate(self._dataset().docs_iter(), start=1):
                text, title = row.default_text(), getattr(row, "title", None) or ""
                if not isinstance(text, str) or not isinstance(title, str) or not text.startswith(title):
                    title = ""
                body = text.removeprefix(title).strip() if isinstance(text, str) else text
                yield Document(*self._checked(number, "document", getattr(row, "doc_id", None), title, body))

    def queries(self) -> Iterator[Query]:
        """All queries in the data set's order.

        Raises:
            UserError: A row has no identifier or its text is no text; or the data cannot be had.
        """
        with self._reading():
            for number, row in enumerate(self._dataset().queries_iter(), start=1):
                fields = self._checked(number, "query", getattr(row, "query_id", None), "", row.default_text())
                yield Query(fields.id, fields.text)

    def judgements(self) -> Iterator[Judgement]:
        """All judgements of the data set's queries, also those of documents that it has not, as trec_eval counts.

        Raises:
            UserError: A grade is no whole number; or the data cannot be had.
        """
        known = {query.id for query in self.queries()}
        with self._reading():
            for number, row in enumerate(self._dataset().qrels_iter(), start=1):
                if not isinstance(row.relevance, int):
                    raise self._wrong(f"judgement {number} has the grade {row.relevance!r}, which is no whole number")
                if row.query_id in known:
                    yield Judgement(row.query_id, row.doc_id, row.relevance)

    def rules(self) -> EvaluationRules:
        """As the parameters say."""
        chosen = self.params
        passages = None if chosen.passages is None else chosen.passages.rule()
        return EvaluationRules(chosen.ignore_identical_ids, chosen.ties, chosen.without_relevant, passages)

    def sizes(self) -> Sizes | None:
        """Not known: counting could download the data."""
        return None

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        return {"source": f"{self.params.id} of ir_datasets {installed('ir-datasets')}"}

    def _folder(self) -> str | None:
        if self.params.folder is None:
            return None
        folder = expanded(self.params.folder, "folder")
        if not folder.is_dir():
            raise UserError("there is no such folder", file=folder, key="folder", remedy="give ir_datasets' folder")
        return str(folder.resolve())

    def _dataset(self) -> _Dataset:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> _Dataset:
        """The data set, whose files are looked for in the folder.

        Raises:
            UserError: There is none of this identifier, or it lacks documents, queries or judgements.
        """
        _look_in(self._folder())
        import ir_datasets as library

        try:
            dataset: _Dataset = library.load(self.params.id)
        except KeyError:
            raise self._wrong(
                "ir_datasets has no such data set", remedy=_nearest(self.params.id, map(str, library.registry))
            ) from None
        parts = {"documents": dataset.has_docs, "queries": dataset.has_queries, "judgements": dataset.has_qrels}
        if missing := [name for name, there in parts.items() if not there()]:
            below = [str(name) for name in library.registry if str(name).startswith(f"{self.params.id}/")]
            remedy = f"name a part of it: {', '.join(below[:8])}" if below else "name another data set"
            raise self._wrong(f"the data set has no {' and no '.join(missing)}", remedy=remedy)
        return dataset

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what the library raises into one message."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # of the network, the disk, and damaged files of any format
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise UnavailableError(
                f"ir_datasets does not give {self.params.id}: {reason}",
                key="id",
                remedy=f"fetch it where there is network (ir_datasets export {self.params.id} docs) and name its "
                "folder with the key folder; files that owners send on request are put there by hand",
            ) from None

    def _checked(self, number: int, what: str, name: object, title: str, text: object) -> Fields:
        fields = fields_of({"id": name, "title": title, "text": text}, name="id")
        if isinstance(fields, str):
            raise self._wrong(f"{what} {number}: {fields}")
        return fields

    def _wrong(self, what: str, remedy: str = "name another data set, or mend its files") -> UserError:
        return UserError(f"{self.params.id}: {what}", key="id", remedy=remedy)


def _look_in(folder: str | None) -> None:
    """Let the library look for files in this folder; None for its own cache.

    Where files lie is decided when the library is imported, so another folder needs another import of it.
    """
    now = os.environ.get(HOME)
    if now != _homes.get("library"):
        _homes["user"] = now  # not set here: the user's own setting
    wanted = folder or _homes.get("user")
    if wanted != _homes.get("library", now):
        for name in [name for name in sys.modules if name.partition(".")[0] == "ir_datasets"]:
            del sys.modules[name]
    if wanted is None:
        os.environ.pop(HOME, None)
    else:
        os.environ[HOME] = wanted
    _homes["library"] = wanted


def _nearest(name: str, names: Iterator[str]) -> str:
    from difflib import get_close_matches

    known = list(names)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"one of the {len(known)} in ir_datasets' list"
