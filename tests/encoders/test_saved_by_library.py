"""What sentence-transformers encodes, saved as docs/models.md says, against the same model here."""

import numpy as np
import pytest
from scipy import sparse
from tiny_bert import bert

from harness.encoders import registry

TEXTS = {"documents": ["sort the list", "a graph of nodes", "the sum"], "queries": ["list", "a path"]}


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_vectors_of_the_library_are_those_of_the_model_here(tmp_path, kind):
    from sentence_transformers import SentenceTransformer, SparseEncoder

    folder = bert(tmp_path / "model", "BertModel" if kind == "dense" else "BertForMaskedLM")
    model = (SentenceTransformer if kind == "dense" else SparseEncoder)(str(folder), device="cpu")
    files = {}
    for side, texts in TEXTS.items():
        encode = model.encode_query if side == "queries" else model.encode_document
        if kind == "dense":
            files[side] = str(tmp_path / f"{side}.npy")
            np.save(files[side], encode(texts, normalize_embeddings=True))
        else:
            files[side] = str(tmp_path / f"{side}.npz")
            rows = encode(texts).coalesce()
            parts = (rows.values().numpy(), rows.indices().numpy())
            sparse.save_npz(files[side], sparse.csr_matrix(parts, shape=tuple(rows.shape)))
        ids = tmp_path / f"{side}.txt"
        ids.write_text("".join(f"{side}{number}\n" for number in range(len(texts))))
        files[{"documents": "document_ids", "queries": "query_ids"}[side]] = str(ids)
    stored = made("dense-vectors" if kind == "dense" else "vectors", tmp_path / "stored", **files)
    pooling = {"pooling": "mean"} if kind == "dense" else {}
    ours = made(
        {"dense": "sentence-transformer", "sparse": "sparse-encoder"}[kind],
        tmp_path / "own",
        model=str(folder),
        **pooling,
    )
    for side, role in (("documents", "document"), ("queries", "query")):
        found = stored.rows([f"{side}{number}" for number in range(len(TEXTS[side]))], role)
        expected = (ours.encode_queries if role == "query" else ours.encode_documents)(TEXTS[side])
        np.testing.assert_allclose(plain(found), plain(expected), atol=1e-5)


def made(type, folder, **params):
    maker = registry.get(type)
    encoder = maker(maker.Params(**params))
    folder.mkdir()
    encoder.fit(folder)
    return encoder.load(folder)


def plain(rows):
    return rows.toarray() if sparse.issparse(rows) else rows
