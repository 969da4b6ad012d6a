"""Documents that are searched as passages, against sorting the best passage of every document."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mteb_tasks import quiet
from pretended_engine import engine_of
from scipy import sparse

from harness import revision
from harness.collections import Document, EvaluationRules, Passages
from harness.measure.quality import evaluate, read_trec
from harness.pipeline.steps import index as engine
from harness.pipeline.steps.encode import encode
from harness.pipeline.steps.evaluate import quality
from harness.pipeline.steps.exact import truth
from harness.pipeline.steps.fit import fit
from harness.pipeline.steps.passages import DocumentSearcher, PassageNumbers, encoded_texts, read_passages
from harness.pipeline.steps.per_query import read_per_query
from harness.pipeline.steps.prepare import prepare, read_qrels, read_texts
from harness.pipeline.steps.ranking import Ranking, searched_depth
from harness.pipeline.steps.serving import open_system
from harness.vectors import load_csr

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=9)


def numbers_of(sizes):
    return PassageNumbers(np.cumsum(sizes).astype(np.int64))


def prepared(folder, sizes, queries, **rules):
    """A folder as `prepare` leaves it, with what ranking reads."""
    folder.mkdir(exist_ok=True)
    names = [chr(ord("z") - number) for number in range(len(sizes))]
    for file, ids in (("documents", names), ("queries", queries)):
        (folder / f"{file}.jsonl").write_text("".join(json.dumps({"id": id, "text": ""}) + "\n" for id in ids))
    (folder / "rules.json").write_text(json.dumps(asdict(EvaluationRules(passages=Passages(2, 1), **rules))))
    np.save(folder / "passages.npy", np.cumsum(sizes).astype(np.int64))
    return folder, names


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    SIZES, st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans(), st.sampled_from(["number", "identifier"]),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip
def test_the_first_documents_are_those_of_the_best_passages(tmp_path, sizes, seed, depth, dropped, ties, levels, exact):
    rng = np.random.default_rng(seed)
    folder, names = prepared(tmp_path / "c", sizes, ["z", "none"], ignore_identical_ids=dropped, ties=ties)
    scores = rng.integers(0, levels, (2, sum(sizes))).astype(np.float32)
    ids, values = Ranking(folder, depth).of_search(engine_of(scores, []), 2, exact=exact)
    ends = np.cumsum(sizes)
    for row, query in enumerate(["z", "none"]):
        best = [scores[row, end - size : end].max() for end, size in zip(ends, sizes, strict=True)]
        there = [number for number in range(len(sizes)) if not (dropped and names[number] == query)]
        there.sort(key=(lambda n: n) if ties == "number" else (lambda n: names[n]), reverse=ties != "number")
        wanted = sorted(there, key=lambda number: -best[number])[:depth]
        if not exact and ties == "identifier":  # ties beyond the last rank are not looked for, and are not to be
            assert values[row, : len(wanted)].tolist() == [best[number] for number in wanted]
            continue
        assert ids[row].tolist() == wanted + [-1] * (depth - len(wanted))
        assert values[row, : len(wanted)].tolist() == [best[number] for number in wanted]


@given(SIZES, st.integers(1, 12))
def test_so_many_passages_are_always_enough_and_one_less_is_not(sizes, k):
    numbers, total = numbers_of(sizes), sum(sizes)
    enough, wanted = numbers.enough(k), min(k, len(sizes))
    largest_first = sorted(range(len(sizes)), key=lambda number: -sizes[number])
    ranked = [passage for number in largest_first for passage in numbers.of(number)]  # the worst ranking there is

    def documents(count):
        return len(set(numbers.documents_of(np.asarray(ranked[:count], np.int64)).tolist()))

    assert documents(enough) >= wanted
    assert enough == total or documents(enough - 1) < k
    assert numbers.documents_of(np.asarray([-1, *range(total)])).tolist() == [
        -1, *(number for number, size in enumerate(sizes) for _ in range(size))
    ]  # fmt: skip


def test_an_exact_engine_is_searched_deeper_only_where_documents_are_missing(tmp_path):
    """Query 0 has its four best passages in one document, and query 1 in two."""
    folder, _ = prepared(tmp_path / "c", [4, 1, 1, 1], ["a", "b"])
    scores = np.asarray([[9, 8, 7, 6, 5, 4, 3], [9, 1, 1, 1, 8, 4, 3]], np.float32)
    asked = []
    ids, _ = Ranking(folder, 2).of_search(engine_of(scores, asked), 2, exact=True)
    assert ids.tolist() == [[0, 1], [0, 1]] and asked == [(2, 2), (1, 4), (1, 5)]
    asked.clear()
    ids, _ = Ranking(folder, 2).of_search(engine_of(scores, asked), 2, exact=False)
    assert ids.tolist() == [[0, 1], [0, 1]] and asked == [(2, 5)]
    assert searched_depth(str(folder), 2) == 5 and searched_depth(str(folder), 1) == 1


def test_candidates_score_as_their_best_passage(tmp_path):
    folder, _ = prepared(tmp_path / "c", [2, 1, 3], ["a"])
    (folder / "candidates.jsonl").write_text(json.dumps({"id": "a", "documents": ["x", "z"]}) + "\n")
    vectors = np.asarray([[1], [5], [9], [2], [7], [3]], np.float32)
    for documents in (vectors, sparse.csr_matrix(vectors)):
        query = np.ones((1, 1), np.float32)
        asked = query if isinstance(documents, np.ndarray) else sparse.csr_matrix(query)
        ids, scores = Ranking(folder, 3).of_candidates(asked, documents)
        assert ids.tolist() == [[2, 0, -1]] and scores[0, :2].tolist() == [7, 5]


def test_single_queries_are_answered_with_documents():
    class Passages:
        engine_ns = 7

        def __call__(self, query):
            return np.asarray([[3, 2, 0]]), np.asarray([[9, 8, 7]], np.float32)

    searcher = DocumentSearcher(Passages(), numbers_of([2, 3]), 3)
    ids, scores = searcher(None)
    assert (ids.tolist(), scores.tolist()) == ([[1, 0, -1]], [[9.0, 7.0, float("-inf")]]) and searcher.engine_ns == 7


@pytest.fixture(scope="module")
def long_texts(tmp_path_factory):
    """A collection whose documents are long and short, in BEIR's layout."""
    folder, rng = tmp_path_factory.mktemp("long"), np.random.default_rng(4)
    words = [f"w{number}" for number in range(40)]
    (folder / "qrels").mkdir()
    texts = {f"d{n}": " ".join(rng.choice(words, int(rng.choice([0, 3, 9, 40])))) for n in range(30)}
    rows = [{"_id": name, "title": f"title{n % 5}", "text": text} for n, (name, text) in enumerate(texts.items())]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = {f"q{n}": " ".join(rng.choice(words, 3)) for n in range(12)}
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": n, "text": t}) + "\n" for n, t in asked.items()))
    lines = [
        f"{query}\td{number}\t{1 + number % 2}\n" for query in asked for number in rng.choice(30, 4, replace=False)
    ]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder, rows


def steps(folder, params, depth=10):
    """Prepare, encode with BM25, build the inverted index, search and evaluate; the folders by name."""
    at = {name: folder / name for name in ("collection", "model", "vectors", "index", "hits", "truth", "out")}
    for path in at.values():
        path.mkdir(parents=True)
    text = {name: str(path) for name, path in at.items()}
    made = prepare(out=text["collection"], type="beir", params=params, report=quiet)
    fit(out=text["model"], type="bm25", params={}, seed=1, threads=1, report=quiet, corpus=text["collection"])
    given = {"collection": text["collection"], "threads": 1, "report": quiet}
    encode(out=text["vectors"], type="bm25", params={}, model=text["model"], **given)
    found = {"type": "inverted", "vectors": text["vectors"], "report": quiet}
    engine.build(out=text["index"], params={"weights": "float32"}, **found)
    engine.search(out=text["hits"], index=text["index"], depth=depth, **{**found, **given})
    truth(out=text["truth"], vectors=text["vectors"], collection=text["collection"], depth=depth, report=quiet)
    quality(
        out=text["out"], collection=text["collection"], vectors=text["vectors"], hits=text["hits"], tag="t",
        metrics={"ndcg@10": "nDCG@10", "recall@10": "R@10"}, confidence=0.95, report=quiet,
    )  # fmt: skip
    return at, made


def test_a_collection_of_long_texts_is_judged_by_its_documents(long_texts, tmp_path):
    source, rows = long_texts
    at, made = steps(tmp_path / "cut", {"path": str(source), "passages": {"words": 8, "stride": 5}})
    cut = [list(Document(row["_id"], row["title"], row["text"]).passages(Passages(8, 5))) for row in rows]
    assert [text for _, text in read_texts(encoded_texts(at["collection"]))] == [text for part in cut for text in part]
    assert (made.documents, made.passages, made.most_passages) == (30, sum(map(len, cut)), max(map(len, cut)))
    numbers = read_passages(at["collection"])
    scores = (load_csr(at["vectors"] / "queries") @ load_csr(at["vectors"] / "documents").T).toarray()
    assert scores.shape[1] == numbers.count > 30
    # Brute force: the best passage of each document, in the order of the corpus where two are equal.
    best = np.stack([scores[:, part.start : part.stop].max(axis=1) for part in map(numbers.of, range(30))], axis=1)
    names = [row["_id"] for row in rows]
    runs = {}
    for row, (query, _) in enumerate(read_texts(at["collection"] / "queries.jsonl")):
        order = [number for number in np.argsort(-best[row], kind="stable")[:10] if best[row, number] > 0]
        runs[query] = {names[number]: float(10 - place) for place, number in enumerate(order)}
        for hits in ("hits", "truth"):
            ids = np.load(at[hits] / "ids.npy")[row]
            assert ids[ids >= 0].tolist() == order
    assert [list(documents) for documents in read_trec(at["out"] / "run.trec.gz").values()] == [
        list(documents) for documents in runs.values()
    ]
    wanted = evaluate(read_qrels(at["collection"] / "qrels.tsv"), runs, ["ndcg@10", "recall@10"])
    assert read_per_query(at["out"]) == wanted
    _explanations_are_of_the_best_passages(at, cut, scores, numbers, names)


def _explanations_are_of_the_best_passages(at, cut, scores, numbers, names):
    texts = [text for part in cut for text in part]
    for row, line in enumerate((at["out"] / "explain.jsonl").read_text().splitlines()):
        for shown in json.loads(line)["top"]:
            part = numbers.of(names.index(shown["document"]))
            place = part.start + int(scores[row, part.start : part.stop].argmax())
            assert shown["text"] == texts[place]
            assert sum(weight for _, weight in shown["terms"]) == pytest.approx(scores[row, place], abs=1e-3)


def test_short_texts_are_searched_as_without_passages(long_texts, tmp_path):
    source, _ = long_texts
    cut, made = steps(tmp_path / "cut", {"path": str(source), "passages": {"words": 99, "stride": 9}})
    whole, _ = steps(tmp_path / "whole", {"path": str(source)})
    assert made.passages == made.documents and made.most_passages == 1
    for file in ("hits/ids.npy", "hits/scores.npy"):
        assert (cut["out"].parent / file).read_bytes() == (whole["out"].parent / file).read_bytes()
    assert read_per_query(cut["out"]) == read_per_query(whole["out"])


def test_a_served_system_gives_the_documents_that_are_judged(long_texts, tmp_path):
    source, _ = long_texts
    at, _ = steps(tmp_path / "cut", {"path": str(source), "passages": {"words": 8, "stride": 5}})
    served = open_system(
        collection=str(at["collection"]), encoder_type="bm25", encoder_params={}, model=str(at["model"]),
        index_type="inverted", index=str(at["index"]), k=4, threads=1,
    )  # fmt: skip
    assert (served.documents, served.k) == (4, read_passages(at["collection"]).enough(4))
    queries, hits = load_csr(at["vectors"] / "queries"), np.load(at["hits"] / "ids.npy")[:, :4]
    assert np.array_equal(served.search(queries)[0], hits)
    for searcher in (served.searcher, served.beside(served.encoder).searcher):
        assert np.array_equal(np.concatenate([searcher(queries[row : row + 1])[0] for row in range(12)]), hits)


@pytest.mark.parametrize("passages", [{"passages": {"words": 8, "stride": 5}}, {}])
def test_two_revisions_are_timed_with_the_search_that_is_served(long_texts, tmp_path, passages):
    source, _ = long_texts
    at, _ = steps(tmp_path / "cut", {"path": str(source), **passages})
    (tmp_path / "spec.toml").write_text(
        f'name = "long"\ncollections.c = {{ type = "beir", path = "{source}" }}\nencoders.lexical.type = "bm25"\n'
        'indexes.mine.type = "inverted"\n[[systems]]\nname = "s"\nencoder = "lexical"\nindex = "mine"\n'
    )
    opened = revision.open_system(
        {
            "spec": str(tmp_path / "spec.toml"), "overrides": ["measure.k=4"], "system": "s",
            "collection_name": "c", **{name: str(at[name]) for name in ("collection", "model", "index")},
        }
    )  # fmt: skip
    assert opened.k == searched_depth(str(at["collection"]), 4)
    assert (opened.k > 4) is bool(passages)
    ids, _ = opened.engine.search(opened.encoder.encode_queries(opened.texts), opened.k, threads=opened.threads)
    assert np.array_equal(ids, np.load(at["hits"] / "ids.npy")[:, :4])
