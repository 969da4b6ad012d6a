"""A first spec for a folder: collections and models that lie in it, with comments on what to change."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.spec.write_toml import to_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.spec.write_toml import Writable

Kind: TypeAlias = Literal["collection", "sparse", "dense"]
DEEPEST = 4
"""Levels of folders that are looked into."""
MOST_FOLDERS = 10_000
"""Folders that are looked into; a user who names a whole disk gets an answer too."""
LARGEST_JSON = 1 << 20
"""Bytes of a model's configuration; a larger file is none."""
WITHOUT_DATA: Mapping[str, Writable] = {
    "docstrings": {"type": "pydoc", "documents": 1000, "queries": 200, "train_packages": []}
}
NO_COLLECTION = (
    "No collection in BEIR's layout lies here (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv):",
    "docstrings of installed packages stand in.",
)
NO_MODEL = (
    'No model lies here. One of the Hub: type = "sentence-transformer", model = "OWNER/NAME",',
    'revision = "COMMIT", in a table [encoders.NAME], and a system that names it.',
)


@dataclass(frozen=True)
class Entry:
    """A collection or a model that lies in a folder.

    Attributes:
        kind: What it is; of a model, which vectors it gives.
        path: Its folder.
        table: Its table in a spec.
        words: What it was taken for, and why.
    """

    kind: Kind
    path: Path
    table: Mapping[str, Writable]
    words: str


def entries(folder: Path) -> list[Entry]:
    """The collections in BEIR's layout and the models that lie in a folder or below it, by path.

    A folder that links lead to twice is named once, and hidden folders are left out. Nothing of a model is opened but
    its configuration.
    """
    listed = []
    for place in _folders(folder):
        entry = _collection(place) or _model(place)
        if entry is not None:
            listed.append(entry)
    return listed


def starter(name: str, offered: Iterable[Entry]) -> str:
    """The text of a spec that measures what was found, BM25 beside it.

    Args:
        name: Of the experiment.
        offered: As `entries` gives it. Docstrings of installed packages stand in for a missing collection.
    """
    listed = list(offered)
    named = dict(zip(_names(entry.path for entry in listed), listed, strict=True))
    data, sparse, dense = (
        [key for key, entry in named.items() if entry.kind == kind] for kind in ("collection", "sparse", "dense")
    )
    models = [*sparse, *dense]
    indexes = {"inverted": {"type": "inverted"}} | ({"flat": {"type": "faiss-flat"}} if dense else {})
    systems = [{"name": "BM25", "encoder": "bm25", "index": "inverted"}]
    systems += [{"name": key, "encoder": key, "index": "inverted"} for key in sparse]
    systems += [{"name": key, "encoder": key, "index": "flat"} for key in dense]
    parts = [
        _comment(
            "Written by `laconic-bench init`. docs/specs.md describes the file;",
            "`laconic-bench list encoders NAME` lists the keys of a type.",
        ),
        to_toml({"name": name, "title": f"A first look at {name}", "seed": 1}),
        _comment(*([named[key].words for key in data] or NO_COLLECTION)),
        _tables("collections", {key: named[key].table for key in data} or WITHOUT_DATA),
        _comment("BM25 needs no model.", *([named[key].words for key in models] or NO_MODEL)),
        _tables("encoders", {"bm25": {"type": "bm25"}, **{key: named[key].table for key in models}}),
        _comment("Exact indexes. `laconic-bench list indexes` has approximate ones too."),
        _tables("indexes", indexes),
        to_toml({"systems": systems}),
        _comment("Two processes are the least that an interval of times needs; five are better."),
        to_toml({"measure": {"processes": 2, "repeats": 3}}),
    ]
    if sparse and dense:
        claims = _claims(sparse[0], dense[0])
        parts += [_comment("The claim of 71 % less memory, and what it is worth."), to_toml({"claims": claims})]
    return "\n".join(parts)


def _claims(system: str, baseline: str) -> Sequence[Mapping[str, Writable]]:
    sides = {"system": system, "baseline": baseline}
    return [
        {"name": "71 % less index memory", "metric": "index_bytes_per_document", **sides, "reduction_at_least": 0.71},
        {"name": "as good within 0.02 nDCG@10", "metric": "ndcg@10", **sides, "equivalent_within": 0.02},
    ]


def _tables(axis: str, tables: Mapping[str, Writable]) -> str:
    return to_toml({axis: tables}).removeprefix(f"[{axis}]\n")


def _comment(*lines: str) -> str:
    """Lines of a comment; a control character in the name of a folder, which TOML forbids here, is left out."""
    return "\n".join(f"# {''.join(letter for letter in line if letter.isprintable())}" for line in lines)


def _folders(folder: Path) -> Iterator[Path]:
    """The folder and those below it, sorted; not those inside a collection or a model, and each once."""
    visited: set[Path] = set()
    waiting = [(folder, 0)]
    while waiting and len(visited) < MOST_FOLDERS:
        path, level = waiting.pop()
        if path.resolve() in visited:
            continue
        visited.add(path.resolve())
        yield path
        if level < DEEPEST and not _ends_here(path):
            waiting += [(path / name, level + 1) for name in sorted(_below(path), reverse=True)]


def _below(path: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(path) if _readable(entry.name) and entry.is_dir()]
    except OSError:
        return []


def _readable(name: str) -> bool:
    """Whether a folder is not hidden, and its name is text that a spec can hold."""
    try:
        return not name.startswith(".") and bool(name.encode())
    except UnicodeEncodeError:
        return False


def _ends_here(path: Path) -> bool:
    return (path / "qrels").is_dir() or (path / "config.json").is_file() or (path / "modules.json").is_file()


def _collection(path: Path) -> Entry | None:
    splits = sorted(file.name.partition(".tsv")[0] for file in (path / "qrels").glob("*.tsv*"))
    if not splits or not any(path.glob("corpus*")) or not any(path.glob("queries*")):
        return None
    split = next((name for name in ("test", "dev") if name in splits), splits[0])
    others = [name for name in splits if name != split]
    more = f" (there are also {', '.join(others)})" if others else ""
    table: dict[str, Writable] = {"type": "beir", "path": path, **({} if split == "test" else {"split": split})}
    return Entry("collection", path, table, f"{path.name}: judgements of {split}{more}.")


def _model(path: Path) -> Entry | None:
    configuration, modules = _json(path / "config.json"), (path / "modules.json").is_file()
    about = _json(path / "config_sentence_transformers.json")
    classes = configuration.get("architectures")
    first = str(classes[0]) if isinstance(classes, list) and classes else ""
    if modules and about.get("model_type") == "SparseEncoder":
        return Entry("sparse", path, {"type": "sparse-encoder", "model": path}, f"{path.name}: a SparseEncoder.")
    if modules:
        table: dict[str, Writable] = {"type": "sentence-transformer", "model": path}
        return Entry("dense", path, table, f"{path.name}: a SentenceTransformer.")
    if first == "LlamaForCausalLM":
        words = f"{path.name}: {first}, read as a LACONIC. Check its prefixes: `laconic-bench list encoders laconic`."
        return Entry("sparse", path, {"type": "laconic", "backbone": {"model": path}}, words)
    if first.endswith("ForMaskedLM"):
        words = f"{path.name}: {first}, pooled as SPLADE does."
        return Entry("sparse", path, {"type": "sparse-encoder", "model": path}, words)
    if first.endswith("Model"):
        words = f'{path.name}: {first}, mean of the tokens\' states; its card may want pooling = "cls" or prefixes.'
        return Entry("dense", path, {"type": "sentence-transformer", "model": path, "pooling": "mean"}, words)
    return None


def _json(file: Path) -> Mapping[str, object]:
    try:
        if file.stat().st_size > LARGEST_JSON:
            return {}
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _names(paths: Iterable[Path]) -> list[str]:
    """A name for each folder, letters that a name in a spec can have, no two alike."""
    names: list[str] = []
    for path in paths:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name).strip("-")[:60] or "unnamed"
        taken = {"bm25", "inverted", "flat", *(name.casefold() for name in names)}
        options = [plain, *(f"{plain}-{number}" for number in range(2, len(names) + 5))]
        names.append(next(name for name in options if name.casefold() not in taken))
    return names
