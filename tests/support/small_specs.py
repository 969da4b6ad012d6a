"""Small specs: the one place where tests build them, and what the loader says of wrong ones.

`spec_text` gives a spec as TOML. `write_spec` writes it into a folder, with a tiny collection where none is given.
`load_small` loads it too. Every argument replaces one table of the default: BM25 on the inverted index, timed once.
"""

import json

import pytest
from tests_support import write_collection

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec

BM25 = {"bm25": {"type": "bm25"}}
INVERTED = {"inverted": {"type": "inverted"}}
FLAT = {"flat": {"type": "faiss-flat"}}
HOSTILE = "<script>alert(1)</script>"
"""A system's name that a page must not take for markup."""
ONCE = {"processes": 1, "repeats": 1}
"""One process that asks every query once."""


def system(name="lexical", encoder="bm25", index="inverted", **more):
    """One of a spec's systems; without a name where that is None."""
    return {**({} if name is None else {"name": name}), "encoder": encoder, "index": index, **more}


def tables_text(*, collections, encoders=BM25, indexes=INVERTED, systems=None, measure=None, **more):
    """The tables of a spec as TOML, without its name.

    `collections`, `encoders` and `indexes` are {name: table}, `systems` a list of tables. In `more`, a list becomes
    ``[[key]]`` and a table ``[key]``.
    """
    lines = []
    for group, named in (("collections", collections), ("encoders", encoders), ("indexes", indexes)):
        for name, table in named.items():
            lines += [f"[{group}.{name}]", *_keys(table)]
    for table in [system()] if systems is None else systems:
        lines += ["[[systems]]", *_keys(table)]
    for key, value in {"measure": measure, **more}.items():
        for table in value if isinstance(value, list) else [] if value is None else [value]:
            lines += [f"[[{key}]]" if isinstance(value, list) else f"[{key}]", *_keys(table)]
    return "".join(f"{line}\n" for line in lines)


def spec_text(*, name="small", measure=ONCE, **tables):
    """A whole spec as TOML; see `tables_text`."""
    return f"name = {toml(name)}\n" + tables_text(measure=measure, **tables)


def write_spec(folder, *, file="small.toml", collections=None, **tables):
    """Write a spec into a folder and return its path; without `collections` it has a new one of six documents."""
    if collections is None:
        collections = {"mine": beir(write_collection(folder))}
    path = folder / file
    path.write_text(spec_text(collections=collections, **tables))
    return path


def load_small(folder, overrides=(), **tables):
    """Write a spec as `write_spec` does and load it."""
    return load_spec(write_spec(folder, **tables), REGISTRIES, overrides)


def beir(folder):
    """The table of a collection in BEIR's layout."""
    return {"type": "beir", "path": str(folder)}


def toml(value):
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _keys(table):
    return [f"{key} = {toml(value)}" for key, value in table.items()]


# For tests of the loader, which change the text: no name, every part called by one letter.
HEAD = 'name = "x"\n'
TABLES = tables_text(
    collections={"c": {"type": "synthetic", "documents": 10}}, encoders={"e": {"type": "bm25"}},
    indexes={"i": {"type": "inverted"}}, systems=[system("s", "e", "i")],
)  # fmt: skip
CLAIM = {"name": "n", "metric": "index_bytes", "system": "s", "baseline": "s", "ratio_at_most": 1.5}


def claims(*tables):
    """Claims as they stand in a spec, each out of a dict."""
    return "".join("[[claims]]\n" + "\n".join(f"{k} = {toml(v)}" for k, v in t.items()) + "\n" for t in tables)


def load(tmp_path, text, overrides=()):
    file = tmp_path / "x.toml"
    file.write_text(text)
    return load_spec(file, REGISTRIES, overrides)


def refused(tmp_path, text, overrides=()):
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, overrides)
    assert caught.value.file == tmp_path / "x.toml"
    assert caught.value.remedy
    return caught.value


def line(text, beginning):
    """The number of the first line that begins so."""
    return next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith(beginning))
