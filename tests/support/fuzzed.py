"""Every parser of files that come from outside, a good file for each, and ways to damage one."""

import json
from pathlib import Path

import fuzzed_models
import numpy as np
from scipy import sparse
from small_specs import spec_text

NASTY = [
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\x0c", b"\r", b"\n", b"\t", b" ", b'"', b"'"),
    *(b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b"99999999999999999999", b"1.5", b"[]", b"{}", b'""'),
    *(b"--1", b"\xc2\xb2", b"\\ud83d", b"=cmd|' /C'!A0", b"../../x", b"~", b"${HOME}", b"%00", b"[" * 3000, b"=", b","),
]
"""What trips parsers: put in, or in place of a part."""


def damaged(random, content, others=()):
    """A file's bytes with one to four changes."""
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(data))
        end = min(len(data), at + random.choice((1, 1, 2, 4, 8, 40)))
        change = random.randint(0, 6)
        if change == 0:
            del data[at:end]
        elif change == 1:
            data[at:end] = random.choice(NASTY)
        elif change == 2 and at < len(data):
            data[at] ^= 1 << random.randint(0, 7)
        elif change == 3:
            data[at:at] = data[at:end] * random.randint(1, 3)
        elif change == 4:
            del data[at:]
        elif change == 5 and others:
            other = random.choice(others)
            begin = random.randint(0, len(other))
            data[at:end] = other[begin : begin + random.randint(1, 60)]
        else:  # a whole value between signs of JSON, TOML and tables
            signs = [place for place, sign in enumerate(data) if sign in b'",:\t\n=[]{} ']
            if len(signs) > 1:
                first = random.randrange(len(signs) - 1)
                data[signs[first] + 1 : signs[first + 1]] = random.choice(NASTY)
    return bytes(data)


def _spec():
    table = {"type": "beir", "path": "nowhere"}
    claim = {"name": "c", "metric": "ndcg@10", "system": "lexical", "baseline": "other", "ratio_at_least": 0.5}
    systems = [{"name": name, "encoder": "bm25", "index": "inverted"} for name in ("lexical", "other")]
    return spec_text(collections={"mine": table}, systems=systems, claims=[claim]).encode()


def _lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _beir(file):
    def read(path):
        from harness.collections.beir import Beir, BeirParams

        files = {
            "corpus.jsonl": _lines({"_id": "d1", "title": "T", "text": "a"}, {"_id": 2, "text": "b"}),
            "queries.jsonl": _lines({"_id": "q1", "text": "ask"}),
            "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t2\t0\n",
        }
        folder = path.with_suffix(".folder")
        (folder / "qrels").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(path.read_bytes() if name == file else content)
        collection = Beir(BeirParams(path=str(folder)))
        list(collection.documents()), list(collection.queries()), list(collection.judgements())

    return read


def _read_spec(path):
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    load_spec(path, REGISTRIES)


def _read_trec(path):
    from harness.measure.quality import read_trec

    read_trec(path)


def _read_pairs(path):
    from harness.collections.mixture import Mixture, MixtureParams

    list(Mixture(MixtureParams(sources=[{"file": str(path)}])).pairs())


def _read_records(path):
    from harness.records import read_records

    read_records(path)


def _read_quoted(path):
    from reports.exports.quoted import read_quoted

    read_quoted(path, ["SciFact", "NFCorpus"])


def _read_accepted(path):
    from harness.nightly.accepted import read_accepted

    read_accepted(path)


def _read_ciff(path):
    from harness.ciff.files import read_ciff

    folder = path.with_suffix(".vectors")
    folder.mkdir(exist_ok=True)
    read_ciff(path, folder)


def _ciff(folder):
    from harness.ciff.files import write_ciff

    rows = sparse.csr_matrix(np.array([[1, 0, 2], [0, 3, 0], [1, 1, 1]], np.float32))
    write_ciff(folder / "good.ciff", rows, ["d1", "dé", "d3"], terms=["cat", "dog", "fish"])
    return (folder / "good.ciff").read_bytes()


def _vectors(path):
    from harness.encoders.precomputed.vector_files import VectorFile

    (path.parent / "ids.txt").write_text("a\nb\n")
    file, columns = VectorFile(path, None), {}
    kind = file.kind()
    if kind == "sparse" and file.names_tokens():
        file.tokens(columns)
        width = len(columns)
    else:
        width = file.width()
    if width < 1 << 20:
        list(file.blocks(width, columns))


def _npz(folder):
    rows = sparse.csr_matrix(np.array([[1, 0, 2], [0, 3, 0]], np.float32))
    sparse.save_npz(folder / "good.npz", rows, compressed=False)
    return (folder / "good.npz").read_bytes()


def _npy(folder):
    np.save(folder / "good.npy", np.eye(2, 3, dtype=np.float32))
    return (folder / "good.npy").read_bytes()


def _parquet(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"id": "a", "vector": [1.0, 0.0]}, {"id": "b", "vector": [0.0, 1.0]}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "good.parquet")
    return (folder / "good.parquet").read_bytes()


def _beir_parquet(path):
    from harness.collections._fields import fields_of
    from harness.collections._files import parquet_rows

    for _, row in parquet_rows(path, ("_id", "title", "text")):
        fields_of(row)


def _corpus_parquet(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([{"_id": "a", "title": None, "text": "x"}]), folder / "corpus.parquet")
    return (folder / "corpus.parquet").read_bytes()


RECORD = {
    "run": "r", "collection": "c", "system": "s", "metric": "ndcg@10", "value": 0.5, "unit": "fraction",
    "direction": "higher", "method": "m", "source": "measured", "n": 3, "ci_low": 0.4, "ci_high": 0.6,
}  # fmt: skip
ACCEPTED = b"""[[accepted]]
metric = "latency_total/p50"
system = "sparse"
value = 0.5
reason = "a larger model since May"
"""
PARSERS = {
    "spec.toml": (_spec, _read_spec),
    "corpus.jsonl": (lambda: _lines({"_id": "d1", "title": "T", "text": "a"}, {"_id": 2, "text": "b"}),
                     _beir("corpus.jsonl")),
    "queries.jsonl": (lambda: _lines({"_id": "q1", "text": "ask"}), _beir("queries.jsonl")),
    "test.tsv": (lambda: b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t2\t-1\n", _beir("qrels/test.tsv")),
    "trec.tsv": (lambda: b"q1 0 d1 1\nq1 0 2 2\n", _beir("qrels/test.tsv")),
    "corpus.parquet": (_corpus_parquet, _beir_parquet),
    "run.trec": (lambda: b"q1 Q0 d1 1 2.5 tag\nq1 Q0 d%202 2 1.5 tag\n", _read_trec),
    "pairs.jsonl": (lambda: _lines({"query": "q", "positive": "p", "negatives": ["n"]}), _read_pairs),
    "records.jsonl": (lambda: _lines(RECORD, RECORD), _read_records),
    "quoted.csv": (lambda: b'model,SciFact,NFCorpus\n"a, b",0.7,0.3\nc,,0.2\n', _read_quoted),
    "accepted.toml": (lambda: ACCEPTED, _read_accepted),
    "index.ciff": (_ciff, _read_ciff),
    "vectors.jsonl": (lambda: _lines({"id": "a", "vector": {"x": 1.5}}, {"id": "b", "vector": {}}), _vectors),
    "vectors.npz": (_npz, _vectors),
    "vectors.npy": (_npy, _vectors),
    "vectors.safetensors": (fuzzed_models.tensors, _vectors),
    "vectors.parquet": (_parquet, _vectors),
    **fuzzed_models.PARSERS,
}  # fmt: skip
"""By the name of the file: what makes a good one (of a folder where it takes one), and what reads it."""


def good(name: str, folder: Path) -> bytes:
    """The bytes of a good file."""
    make = PARSERS[name][0]
    return make(folder) if make.__code__.co_argcount else make()
