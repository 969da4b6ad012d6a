"""Known-item search over the documentation strings of installed packages, read with `ast`; nothing is imported."""

from __future__ import annotations

import ast
import hashlib
import inspect
import random
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from pydantic import Field

from harness.collections import CollectionBase, Document, Judgement, Pair, Query, register
from harness.collections._passages import PassagesParams
from harness.collections._windows import windows
from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")


class PydocParams(Params):
    """Parameters of the docstring collection."""

    test_packages: tuple[str, ...] = Field(default=("scipy", "scikit-learn", "networkx"), min_length=1)
    """Distributions whose docstrings are searched."""
    train_packages: tuple[str, ...] = ("torch", "pandas", "transformers", "sympy", "numpy", "matplotlib")
    """Distributions whose docstrings are training pairs; none may be a test package."""
    documents: int | None = Field(default=None, ge=1)
    """Documents that are sampled; all where it is left out."""
    queries: int | None = Field(default=1000, ge=1)
    """Queries that are sampled among the documents' own."""
    seed: int = 1
    """Of the samples."""
    min_words: int = Field(default=20, ge=1)
    """Shortest body."""
    passages: PassagesParams | None = None
    """Documents are passages of bodies, such as ``{ words = 60, stride = 60 }``; whole bodies where it is left out."""


class Item(NamedTuple):
    """One docstring: where it stands, its first paragraph, and the rest."""

    id: str
    summary: str
    body: str


class Passage(NamedTuple):
    """A document: its identifier, its text, and the docstring that it is a part of."""

    id: str
    text: str
    item: Item


@register("pydoc")
class Pydoc(CollectionBase):
    """A docstring's body is the document, its first paragraph the query that must find it."""

    Params: ClassVar[type[Params]] = PydocParams
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: PydocParams) -> None:
        self.params = params
        if shared := set(params.test_packages) & set(params.train_packages):
            raise UserError(
                f"{', '.join(sorted(shared))}: used both for testing and for training",
                key="train_packages",
                remedy="remove it from one of the two lists",
            )
        self._items: list[Item] | None = None
        self._passages: list[Passage] | None = None

    def fingerprint(self) -> str:
        """Names, versions and recorded file digests of all packages."""
        digest = hashlib.sha256()
        for name in (*self.params.test_packages, *self.params.train_packages):
            package = _distribution(name)
            digest.update(f"{name} {package.version}\n".encode())
            digest.update((package.read_text("RECORD") or "").encode())
        return digest.hexdigest()

    def documents(self) -> Iterator[Document]:
        """The bodies or their passages, without a title: a qualified name would give the answer away."""
        for passage in self._sampled():
            yield Document(passage.id, "", passage.text)

    def queries(self) -> Iterator[Query]:
        """The first paragraphs of docstrings that have sampled documents."""
        for item in self._asked():
            yield Query(item.id, item.summary)

    def judgements(self) -> Iterator[Judgement]:
        """Each query's one known document, or all sampled passages of it."""
        parts: dict[str, list[str]] = {}
        for passage in self._sampled():
            parts.setdefault(passage.item.id, []).append(passage.id)
        for item in self._asked():
            for part in parts[item.id]:
                yield Judgement(item.id, part, 1)

    def pairs(self) -> Iterator[Pair]:
        """Docstrings of the training packages, none nearly equal to one that is searched."""
        searched = {key for item in self._all() for key in (_near(item.summary), _near(item.body))}
        for item in _unique(_items(self.params.train_packages, self.params.min_words), searched):
            yield Pair(item.summary, item.body)

    def description(self) -> dict[str, str]:
        """Facts for the report."""
        versions = ", ".join(f"{name} {_distribution(name).version}" for name in self.params.test_packages)
        cut = self.params.passages
        judged = "only that one is judged"
        if cut:
            judged = f"only its passages of {cut.words} words, one every {cut.stride}, are judged"
        return {
            "task": f"known-item search: a docstring's first paragraph must find the rest; {judged}",
            "source": f"documentation strings of {versions}, read as text",
            "sampling": f"{len(self._sampled())} of {len(self._cut())} documents, {len(self._asked())} queries, "
            f"seed {self.params.seed}",
            "near-duplicates": "dropped: equal first 200 letters of summary or body",
        }

    def _all(self) -> list[Item]:
        if self._items is None:
            self._items = list(_unique(_items(self.params.test_packages, self.params.min_words), set()))
        return self._items

    def _cut(self) -> list[Passage]:
        if self._passages is None:
            self._passages = [part for item in self._all() for part in _parts(item, self.params.passages)]
        return self._passages

    def _sampled(self) -> list[Passage]:
        return _sample(self._cut(), self.params.documents, self.params.seed)

    def _asked(self) -> list[Item]:
        items = list(dict.fromkeys(passage.item for passage in self._sampled()))
        return _sample(items, self.params.queries, self.params.seed + 1)


def _sample(items: list[T], size: int | None, seed: int) -> list[T]:
    if size is None or size >= len(items):
        return items
    chosen = sorted(random.Random(seed).sample(range(len(items)), size))  # noqa: S311 - a sample, not a secret
    return [items[place] for place in chosen]


def _parts(item: Item, cut: PassagesParams | None) -> Iterator[Passage]:
    """A docstring's documents: its whole body, or windows of words that cover it."""
    if cut is None:
        yield Passage(item.id, item.body, item)
        return
    for number, text in enumerate(windows(item.body, cut.words, cut.stride)):
        yield Passage(f"{item.id}#{number}", text, item)


def _unique(items: Iterator[Item], taken: set[str]) -> Iterator[Item]:
    """Items that are nearly equal to none before them, nor to what is `taken` already; that grows by theirs."""
    for item in items:
        keys = {_near(item.summary), _near(item.body)}
        if not keys & taken:
            taken |= keys
            yield item


def _near(text: str) -> str:
    """Equal for texts that differ in case, digits, punctuation or what follows their first 200 letters."""
    return re.sub(r"[^a-z]+", "", text.lower())[:200]


def _items(packages: Sequence[str], min_words: int) -> Iterator[Item]:
    for package in packages:
        for name, path in _modules(package):
            yield from _of_module(name, path, min_words)


def _modules(package: str) -> list[tuple[str, Path]]:
    """(dotted name, file) of a distribution's modules, tests left out, sorted."""
    modules = []
    for file in _distribution(package).files or ():
        parts = file.parts
        if (
            file.suffix != ".py"
            or parts[0] == ".."
            or any(re.fullmatch(r"tests?|testing|_?vendor(ed)?|externals?", p) for p in parts)
        ):
            continue
        modules.append((".".join((*parts[:-1], file.stem)).removesuffix(".__init__"), file.locate()))
    return sorted((name, path) for name, path in modules)  # type: ignore[misc]


def _of_module(name: str, path: Path, min_words: int) -> Iterator[Item]:
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source) if '"""' in source or "'''" in source else None
    except (OSError, ValueError, SyntaxError):
        return
    waiting: list[tuple[str, ast.AST]] = [(name, tree)] if tree else []
    while waiting:
        where, node = waiting.pop(0)
        text = (
            ast.get_docstring(node, clean=False)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            else None
        )
        summary, _, body = inspect.cleandoc(text or "").partition("\n\n")
        summary, body = " ".join(summary.split()), body.strip()
        if 5 <= len(summary.split()) <= 40 and len(body.split()) >= min_words:
            yield Item(where, summary, body)
        waiting += [
            (f"{where}.{child.name}", child)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and isinstance(node, (ast.Module, ast.ClassDef))
        ]


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise UserError(f"the package {name!r} is not installed", remedy=f"python -m pip install {name}") from None
