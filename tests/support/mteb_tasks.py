"""Tasks of mteb with made-up content, and what they score through mteb and through our steps on the same vectors."""

import json
import zlib

import numpy as np
from vector_folders import write_vectors

WIDTH = 8
"""Of the vectors: few enough that many documents score the same."""


def vectors_of(texts):
    """Whole numbers, so that inner products are the same in whatever order they are summed: words by their hash."""
    rows = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            rows[row, zlib.crc32(word.encode()) % WIDTH] += 1
    return rows


class HashEncoder:
    """`vectors_of` as mteb takes an encoder."""

    def __init__(self):
        from mteb.models import ModelMeta

        self.mteb_model_meta = ModelMeta.create_empty(overwrites={"name": "made/up", "revision": "1"})
        self.texts = {"query": [], "document": []}

    def encode(self, inputs, *, prompt_type, **_):
        """One vector a text."""
        texts = [text for batch in inputs for text in batch["text"]]
        self.texts[prompt_type.value] += texts
        return vectors_of(texts)

    def similarity(self, first, second):
        """Inner products."""
        import torch

        return torch.as_tensor(np.asarray(first) @ np.asarray(second).T)

    similarity_pairwise = similarity


def with_reciprocal_ranks(scores, qrels, results, cuts):
    """mteb's scores by query, with the reciprocal rank of each, which it has by task alone."""
    from mteb._evaluators.retrieval_metrics import mrr

    by_query = {query: dict(values) for query, values in scores.items()}
    for query in results:
        alone = mrr({query: qrels[query]}, {query: results[query]}, cuts)
        by_query[query] |= {f"mrr_{k}": alone[f"MRR@{k}"][0] for k in cuts}
    return by_query


def task_of(parts, **attributes):
    """A task of mteb; mteb's scores by subset and query are left in its `scores`.

    Args:
        parts: {subset: {split: {corpus, queries, relevant_docs, top_ranked}}}, the first two as lists of rows.
        **attributes: Of the task, such as ``ignore_identical_ids``, or of its metadata, such as ``main_score``.
    """
    from datasets import Dataset
    from mteb.mocks import MockRetrievalTask

    splits = list(next(iter(parts.values())))
    languages = ["eng-Latn"] if list(parts) == ["default"] else {subset: ["eng-Latn"] for subset in parts}
    own = {"name": "MadeUp", "eval_splits": splits[:1], "eval_langs": languages}
    fields = {
        name: attributes.pop(name) for name in list(attributes) if name in type(MockRetrievalTask.metadata).model_fields
    }

    class MadeUp(MockRetrievalTask):
        metadata = MockRetrievalTask.metadata.model_copy(update={**own, **fields})

        def load_data(self, **_):
            if self.data_loaded:
                return
            self.loaded = [(subset, split) for subset in self.hf_subsets for split in self.eval_splits]
            self.dataset = {}
            for subset, split in self.loaded:
                part = parts[subset][split]
                rows = {name: Dataset.from_list(part[name]) for name in ("corpus", "queries")}
                copied = {name: dict(grades) for name, grades in part["relevant_docs"].items()}
                ranked = part.get("top_ranked")
                made = {**rows, "relevant_docs": copied, "top_ranked": ranked and dict(ranked)}
                self.dataset.setdefault(subset, {})[split] = made
            self.data_loaded = True

        def task_specific_scores(self, scores, qrels, results, hf_split, hf_subset):
            by_query = with_reciprocal_ranks(scores, qrels, results, self.k_values)
            self.scores = {**getattr(self, "scores", {}), hf_subset: by_query}
            return {}

    for name, value in attributes.items():
        setattr(MadeUp, name, value)
    return MadeUp


def through_mteb(kind, model=None, *, split=None, subset=None):
    """({query: {measure of pytrec_eval: value}}, mteb's own result) of one subset and split of a task."""
    import mteb

    task = kind()
    if split:
        task.filter_eval_splits([split])
    if subset:
        task.filter_languages(None, hf_subsets=[subset])
    made = mteb.evaluate(
        model or HashEncoder(),
        task,
        cache=None,
        overwrite_strategy="always",
        co2_tracker=False,
        show_progress_bar=False,
    )
    return task.scores[subset or "default"], made[0]


THEIRS = {
    "ndcg@10": "ndcg_cut_10", "recall@10": "recall_10", "recall@100": "recall_100", "mrr@10": "mrr_10",
    "nDCG@3": "ndcg_cut_3", "AP@10": "map_cut_10", "AP@100": "map_cut_100", "P@1": "P_1", "P@5": "P_5",
    "R@20": "recall_20", "RR@3": "mrr_3", "Success@5": "success_5",
}  # fmt: skip
"""Our names of the metrics, and the names in `through_mteb`."""


def quiet(*_):
    """Progress that nobody reads."""


def through_steps(folder, type, params, *, index="faiss-flat", index_params=None, depth=100, k=None):
    """({metric: {query: value}}, result of preparing, result of evaluating) of a collection by our steps.

    Args:
        folder: To work in.
        type: Of the collection.
        params: Its parameters.
        index: Type of the index.
        index_params: Its parameters.
        depth: Results of each query.
        k: The timed k, where it is searched apart.
    """
    from scipy import sparse

    from harness.indexes import registry
    from harness.metrics import quality_metric
    from harness.pipeline.steps import index as engine
    from harness.pipeline.steps.evaluate import quality
    from harness.pipeline.steps.per_query import read_per_query
    from harness.pipeline.steps.prepare import prepare, read_texts

    at = {name: folder / name for name in ("collection", "vectors", "index", "hits", "timed", "out")}
    for path in at.values():
        path.mkdir(parents=True)
    prepared = prepare(out=str(at["collection"]), type=type, params=params, report=quiet)
    supported = registry.get(index).supports.kind
    for side in ("documents", "queries"):
        rows = vectors_of([text for _, text in read_texts(at["collection"] / f"{side}.jsonl")])
        write_vectors(
            at["vectors"] / side, supported, WIDTH, [sparse.csr_matrix(rows) if supported == "sparse" else rows]
        )
    if supported == "sparse":
        (at["vectors"] / "terms.json").write_text(json.dumps([[n, f"t{n}"] for n in range(WIDTH)]))
    given = {"type": index, "vectors": str(at["vectors"]), "report": quiet}
    engine.build(out=str(at["index"]), params=index_params or {}, **given)
    given |= {"index": str(at["index"]), "collection": str(at["collection"]), "threads": 1}
    engine.search(out=str(at["hits"]), depth=depth, **given)
    if k is not None:
        engine.search(out=str(at["timed"]), depth=k, **given)
    metrics = {name: quality_metric(name).measure for name in THEIRS}
    result = quality(
        out=str(at["out"]), collection=str(at["collection"]), vectors=str(at["vectors"]), hits=str(at["hits"]),
        tag="made up", metrics=metrics, confidence=0.95, report=quiet, timed=None if k is None else str(at["timed"]),
    )  # fmt: skip
    return read_per_query(at["out"]), prepared, result
