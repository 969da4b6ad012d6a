"""Made-up content for the retrieval tasks of mteb, laid out in repositories as mteb's own are."""

import io
import json
import random

WORDS = "the a of list sort number graph node path matrix sum mean fast slow tree find passage query".split()  # noqa: SIM905
OWN_QUERIES = {"ArguAna", "QuoraRetrieval", "FEVER", "FiQA2018", "MSMARCO"}
"""Tasks in which some queries have the identifier of a document, as in the published data."""


def content(task, documents=60, queries=14):
    """(corpus, queries, judgements of the evaluated split) of a task, always the same.

    The texts are short and of few words, so that many documents score the same; some queries are judged by zeros
    alone, some are documents themselves, one is not judged, and one document that is judged is not in the corpus.
    """
    drawn = random.Random(task)  # noqa: S311
    names = [str(number) for number in drawn.sample(range(10, 10_000), documents)]
    titled = task not in {"QuoraRetrieval", "MSMARCO", "FiQA2018"}
    corpus = [
        {
            "_id": name,
            "title": drawn.choice(["", "graph", "fast tree"]) if titled else "",
            "text": " ".join(drawn.choices(WORDS, k=drawn.randint(2, 8))),
        }
        for name in names
    ]
    asked = [{"_id": f"q{number}", "text": " ".join(drawn.choices(WORDS, k=3))} for number in range(queries)]
    if task in OWN_QUERIES:
        for query, document in zip(asked[: queries // 2], corpus, strict=False):
            query |= {"_id": document["_id"], "text": f"{document['title']} {document['text']}".strip()}
    judged = []
    for number, query in enumerate(asked[:-1]):
        grades = (0,) if number == 3 else (0, 1, 2)
        for name in drawn.sample(names, 8):
            judged.append({"query-id": query["_id"], "corpus-id": name, "score": drawn.choice(grades)})
    judged.append({"query-id": asked[0]["_id"], "corpus-id": "gone", "score": 1})
    return corpus, asked, judged


def repository(task, split, parquet):
    """Files of a task's repository: configs corpus, queries and default (judgements), in JSON lines or in parquet."""
    corpus, queries, judged = content(task)
    other = "train" if split != "train" else "test"  # published repositories have further splits
    tables = {
        ("corpus", "corpus"): corpus,
        ("queries", "queries"): queries,
        ("default", split): judged,
        ("default", other): judged[:3],
    }
    files, configs = {}, {}
    for (config, name), rows in tables.items():
        folder = {"default": "data" if parquet else "qrels"}.get(config, config)
        if parquet:
            path, body = f"{folder}/{name}-00000-of-00001.parquet", _parquet(rows)
        else:
            path = f"{folder}/{name}.jsonl" if config == "default" else f"{config}.jsonl"
            body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        files[path] = body
        configs.setdefault(config, []).append((name, path))
    lines = ["---", "language:", "- en", "configs:"]
    for config, parts in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for name, path in parts:
            lines += [f"  - split: {name}", f"    path: {path}"]
    files["README.md"] = "\n".join([*lines, "---", f"# {task}", ""]).encode()
    return files


def _parquet(rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def serve(hub, tasks):
    """Put tasks (name, path, revision, split) onto a hub, every other one in parquet."""
    for number, (name, path, revision, split) in enumerate(tasks):
        hub.dataset(path, repository(name, split, parquet=number % 2 == 1), sha=revision)
