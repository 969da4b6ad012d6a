"""Inputs and surroundings that broke other programs: a table of what this one says, written from what it says.

`nox -s errors` writes the table into docs/errors.md, and tests/test_hard_cases.py holds it to be current.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import fuzzed_models
from commands import call
from small_specs import system, write_spec
from tests_support import write_collection

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
BEGIN, END = "<!-- written by nox -s errors -->", "<!-- end of what is written -->"
INDEX = "model.safetensors.index.json"


def _with(folder, file, content, *, append=False):
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if append else b""
    path.write_bytes(before + (content if isinstance(content, bytes) else content.encode()))


JUDGED = "query-id\tcorpus-id\tscore\n"
COLLECTIONS = {
    "a grade that is half a point": lambda at: _with(at, "qrels/test.tsv", f"{JUDGED}q0\td0\t0.5\n"),
    "a grade that is no number": lambda at: _with(at, "qrels/test.tsv", f"{JUDGED}q0\td0\tyes\n"),
    "a pair that is judged twice differently": lambda at: _with(
        at, "qrels/test.tsv", f"{JUDGED}q0\td0\t1\nq0\td0\t0\n"
    ),
    "no judgement of a known document and query": lambda at: _with(at, "qrels/test.tsv", f"{JUDGED}Q0\tD0\t1\n"),
    "an identifier that is null": lambda at: _with(at, "corpus.jsonl", '{"_id": null, "text": "x"}\n'),
    "a title that is a list": lambda at: _with(at, "corpus.jsonl", '{"_id": "a", "title": ["x"], "text": "x"}\n'),
    "half an emoji": lambda at: _with(at, "corpus.jsonl", '{"_id": "a", "text": "\\ud83d"}\n'),
    "bytes that are no UTF-8": lambda at: _with(at, "corpus.jsonl", b'{"_id": "a", "text": "\xff"}\n'),
    "JSON that is nested without end": lambda at: _with(at, "corpus.jsonl", "[" * 100_000),
    "an identifier that appears twice": lambda at: _with(
        at, "corpus.jsonl", '\n{"_id": "d0", "text": "again"}\n', append=True
    ),
    "a packed file that is cut off": lambda at: (
        (at / "corpus.jsonl").unlink(), _with(at, "corpus.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc")
    ),
}  # fmt: skip
"""Collections that are wrong only when they are read: their systems fail, and others go on."""
VERSIONS = {
    "two versions of a corpus": lambda at: shutil.copy(at / "corpus.jsonl", at / "corpus.parquet"),
    "a part of a corpus that is missing": lambda at: shutil.move(
        at / "corpus.jsonl", at / "corpus-00000-of-00002.jsonl"
    ),
    "a form that is not read": lambda at: shutil.move(at / "corpus.jsonl", at / "corpus.jsonl.xz"),
}
"""Collections that are refused before anything runs."""


def _model(folder):
    """A folder with weights, an index of them, a configuration and a tokenizer; none of it loads a network."""
    folder.mkdir(parents=True)
    for name, (make, _) in fuzzed_models.PARSERS.items():
        content = make(folder) if make.__code__.co_argcount else make()
        (folder / name).write_bytes(content)
    for name in ("good.safetensors", "good.parquet", "good.gguf", "history.parquet", "model.gguf", INDEX):
        (folder / name).unlink()
    return folder


MODELS = {
    "a header of weights of an absurd size": lambda at: _with(
        at, "model.safetensors", (2**40).to_bytes(8, "little") + b"{}"
    ),
    "weights that are cut off": lambda at: os.truncate(at / "model.safetensors", 90),
    "a shard that is missing": lambda at: _with(at, INDEX, json.dumps({"weight_map": {"a": "model-1.safetensors"}})),
    "an index that names a file elsewhere": lambda at: _with(at, INDEX, json.dumps({"weight_map": {"a": "../x"}})),
    "a tokenizer that is no JSON": lambda at: _with(at, "tokenizer.json", "{half"),
    "a tokenizer of another model": lambda at: _with(
        at, "config.json", (at / "config.json").read_text().replace('"vocab_size": 25', '"vocab_size": 9')
    ),
}
"""What is in a model's folder: the encoder is not made, its systems fail, and others go on."""
NAMES = {
    "a link that leads out of a model's folder": lambda at: (at / "more.json").symlink_to("/etc/hostname"),
    "a name on the Hub with a way up": "owner/..",
    "a home where there is none": "~nobody-has-this-name/model",
}
"""What a spec names as a model, which is refused before anything runs."""


def rows(folder: Path) -> list[tuple[str, str, int]]:
    """What is wrong, what is said in the first line (paths without their folders), and the exit code."""
    made = [*_failing(folder / "a"), *_refused(folder / "b"), *_histories(folder / "c")]
    return [(case, _short(message, folder), code) for case, message, code in made]


def _failing(folder):
    """One run of a system over every collection and of one with a model; what others say of models fails likewise."""
    from harness.encoders.weights.pretrained import Backbone
    from harness.errors import UserError

    folder.mkdir(parents=True)
    bad = {}
    for number, (case, spoil) in enumerate(COLLECTIONS.items()):
        at = write_collection(folder / f"c{number}")
        spoil(at)
        bad[case] = f"c{number}", {"type": "beir", "path": str(at)}
    said = {}
    for number, (case, spoil) in enumerate(MODELS.items()):
        at = _model(folder / f"m{number}" / "model")
        spoil(at)
        try:
            Backbone(model=str(at)).open()
        except UserError as error:
            said[case] = str(error)
    good = {"good": {"type": "beir", "path": str(write_collection(folder / "good"))}}
    encoder = {"type": "dense-twin", "backbone": {"model": str(at)}, "query_length": 8, "document_length": 8}
    last = list(MODELS)[-1]
    systems = [system(name, collections=[name]) for name, _ in bad.values()]
    spec = write_spec(
        folder,
        collections={**dict(bad.values()), **good},
        encoders={"bm25": {"type": "bm25"}, "e": encoder},
        indexes={"inverted": {"type": "inverted"}, "flat": {"type": "faiss-flat"}},
        systems=[*systems, system("model", "e", "flat", collections=["good"])],
        measure={"processes": 1, "repeats": 1, "only": ["quality"]},
    )
    out = folder / "out"
    answer = call("run", spec, "--store", folder / "store", "--out", out)
    reasons = {row["name"]: row["reason"] for row in json.loads((out / "run.json").read_text())["systems"]}
    assert reasons["model"].partition(": ")[2].splitlines()[0] == said[last].splitlines()[0]
    for case, (name, _) in bad.items():
        yield case, reasons[name].partition(": ")[2], answer.code
    for case, message in said.items():
        yield case, message, answer.code


def _refused(folder):
    """A plan of each spec that is refused."""
    for number, (case, spoil) in enumerate(VERSIONS.items()):
        at = write_collection(folder / f"v{number}")
        spoil(at)
        spec = write_spec(folder / f"v{number}", collections={"c": {"type": "beir", "path": str(at)}})
        yield case, *_told(spec, folder)
    for number, (case, named) in enumerate(NAMES.items()):
        at, name = folder / f"n{number}", named
        write_collection(at)
        if callable(named):
            name = _model(at / "model")
            named(name)
        encoder = {"type": "dense-twin", "backbone": {"model": str(name)}, "query_length": 8, "document_length": 8}
        spec = write_spec(
            at, collections={"c": {"type": "beir", "path": str(at / "data")}}, encoders={"e": encoder},
            indexes={"flat": {"type": "faiss-flat"}}, systems=[system("s", "e", "flat")],
        )  # fmt: skip
        yield case, *_told(spec, folder)


def _histories(folder):
    """A history whose part is damaged, or of somebody else."""
    content = fuzzed_models.history(folder.parent)
    for case, part in (("a damaged part of a history", content[:-9]), ("a part that is none", _parquet(folder.parent))):
        at = folder / case.replace(" ", "-")
        _with(at, "runs/20260102T000000-aa.parquet", part)
        answer = call("history", "list", "--history", at)
        yield case, answer.err.removeprefix("error: "), answer.code


def _parquet(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), folder / "other.parquet")
    return (folder / "other.parquet").read_bytes()


def _told(spec, folder):
    answer = call("plan", spec, "--store", folder / "store")
    return answer.err.removeprefix("error: "), answer.code


def _short(message, folder):
    line = message.strip().splitlines()[0]
    line = re.sub(rf"[^\s'\"]*{re.escape(str(folder))}[^\s'\":]*/", "", line)
    return line if len(line) <= 200 else f"{line[:199]}…"


def table(cases) -> str:
    """The rows as Markdown."""
    lines = ["| what | message, first line | exit code |", "|---|---|---|"]
    for case, message, code in cases:
        escaped = message.replace("|", "\\|")
        lines.append(f"| {case} | `{escaped}` | {code} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """The table that a page has."""
    return page.partition(f"{BEGIN}\n")[2].partition(END)[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table(rows(Path(made)))}{END}{after}", encoding="utf-8")
