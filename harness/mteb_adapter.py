"""One of our systems as mteb's suite takes it: ``mteb.evaluate(MtebSystem(...), tasks)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.collections._mteb_text import query_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from harness.encoders.base import Encoder
    from harness.indexes.base import Index


class MtebSystem:
    """An encoder with an index: mteb's `SearchProtocol`.

    Args:
        name: For mteb's results, "owner/name".
        encoder: Ready.
        index: Empty; built anew for each task.
        threads: Of a search.
    """

    def __init__(self, name: str, encoder: Encoder, index: Index, threads: int = 1) -> None:
        from mteb.models import ModelMeta

        self.encoder, self.engine, self.threads = encoder, index, threads
        self.mteb_model_meta = ModelMeta.create_empty(overwrites={"name": name, "revision": "local"})
        self.documents: list[str] = []

    def index(self, corpus: Collection[Mapping[str, str]], **_: object) -> None:
        """Encode a corpus (id, title, text) and build the index."""
        self.documents = [str(row["id"]) for row in corpus]
        texts = [f"{row.get('title') or ''} {row['text']}".strip() for row in corpus]
        self.engine.build(self.encoder.encode_documents(texts))

    def search(
        self,
        queries: Collection[Mapping[str, object]],
        *,
        top_k: int,
        top_ranked: Mapping[str, Iterable[str]] | None = None,
        **_: object,
    ) -> dict[str, dict[str, float]]:
        """{query: {document: score}} of the best `top_k`, or of the documents that `top_ranked` lists for a query.

        Instructions and conversations become text as mteb makes it for its own encoders.
        """
        depth = len(self.documents) if top_ranked else min(top_k, len(self.documents))
        vectors = self.encoder.encode_queries([query_text(row) for row in queries])
        ids, scores = self.engine.search(vectors, depth, threads=self.threads)
        results: dict[str, dict[str, float]] = {}
        for row, query in enumerate(queries):
            name = str(query["id"])
            hits = {
                self.documents[number]: float(score)
                for number, score in zip(ids[row], scores[row], strict=True)
                if number >= 0
            }
            if top_ranked:
                hits = {document: hits.get(document, 0.0) for document in top_ranked.get(name) or ()}
            results[name] = hits
        return results
