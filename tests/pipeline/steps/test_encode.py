"""Encoding a collection: what is counted, and what an encoder may not do."""

import json

import numpy as np
import pytest
from scipy import sparse

from harness.encoders.base import EncoderBase
from harness.errors import UserError
from harness.pipeline.steps import encode as step
from harness.pipeline.steps.encode import Encoded, EncodedSide
from harness.typed_json import JsonTypeError, from_json, to_json
from harness.vectors import load_csr, load_vectors


class Words(EncoderBase):
    """One term for each length of a word."""

    kind, width = "sparse", 12

    def encode_documents(self, texts):
        rows = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                rows[row, len(word)] += 1
        return sparse.csr_matrix(rows)

    encode_queries = encode_documents

    def count_tokens(self, texts, role):
        return [len(text.split()) for text in texts]

    def count_flops(self, tokens):
        return float(tokens**2)

    def terms(self, columns):
        return [f"of {column}" for column in columns]

    def parameters(self):
        return {"parameters": 7}


class Dense(Words):
    kind, width = "dense", 12

    def encode_documents(self, texts):
        return super().encode_documents(texts).toarray()

    encode_queries = encode_documents


class Maker:
    """Gives an encoder and says of which kind it should be."""

    def __init__(self, encoder, kind=None):
        self.encoder, self.kind = encoder, kind or encoder.kind

    def load(self, directory, *, threads):
        return self.encoder


DOCUMENTS = ["a bb ccc", "", "bb bb dddd eeeee", "a"]
QUERIES = ["ccc a", "bb"]


@pytest.fixture
def encode(tmp_path, monkeypatch):
    """Encode the texts above with an encoder, in blocks of three."""
    monkeypatch.setattr(step, "BLOCK", 3)
    for name, texts in (("documents", DOCUMENTS), ("queries", QUERIES)):
        lines = [json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))

    def run(maker, report=lambda *_: None, **more):
        monkeypatch.setattr(step, "open_type", lambda type, params: maker)
        step._loaded.cache_clear()
        (tmp_path / "out").mkdir()
        given = {"type": "given", "params": {}, "model": str(tmp_path), "threads": 1}
        return step.encode(out=str(tmp_path / "out"), collection=str(tmp_path), report=report, **given, **more)

    yield run
    step._loaded.cache_clear()


def test_both_sides_are_counted_and_averaged_over_their_texts(encode, tmp_path):
    result = encode(Maker(Words()))
    tokens = [3, 0, 4, 1]
    document, query = result.document, result.query
    assert (document.rows, document.stored) == (4, 3 + 0 + 3 + 1)
    assert (query.rows, query.stored) == (2, 3)
    assert document.tokens == pytest.approx(np.mean(tokens))
    assert document.flops == pytest.approx(np.mean(np.square(tokens)))
    assert (query.tokens, query.flops) == (1.5, 2.5)
    assert (result.kind, result.width, result.parameters) == ("sparse", 12, {"parameters": 7})
    np.testing.assert_array_equal(
        load_csr(tmp_path / "out" / "documents").toarray(), Words().encode_documents(DOCUMENTS).toarray()
    )
    assert json.loads((tmp_path / "out" / "terms.json").read_text()) == [[1, "of 1"], [2, "of 2"], [3, "of 3"]]


def test_queries_may_cost_otherwise_than_documents(encode):
    class Asymmetric(Words):
        def count_query_flops(self, tokens):
            return 0.0

    result = encode(Maker(Asymmetric()))
    assert (result.document.flops, result.query.flops) == (6.5, 0.0)


def test_dense_vectors_have_no_names_of_terms(encode, tmp_path):
    result = encode(Maker(Dense()))
    assert (result.kind, result.document.stored) == ("dense", 4 * 12)
    np.testing.assert_array_equal(load_vectors(tmp_path / "out" / "queries"), Dense().encode_queries(QUERIES))
    assert not (tmp_path / "out" / "terms.json").exists()
    with pytest.raises(ValueError, match="documents: the vectors are dense"):
        load_csr(tmp_path / "out" / "documents")


def test_progress_counts_the_texts_of_each_side(encode):
    reported = []
    encode(Maker(Words()), report=lambda *now: reported.append(now))
    assert reported == [(3, 4, "documents"), (4, 4, "documents"), (2, 2, "queries")]


def test_a_shard_leaves_its_result_for_the_stage_that_joins(encode, tmp_path):
    result = encode(Maker(Words()), shard=(1, 2))
    assert (result.document.rows, result.query.rows) == (1, 1 * 2)
    written = json.loads((tmp_path / "out" / "encoded.json").read_text())
    assert from_json(Encoded, written) == result


def test_a_damaged_result_of_a_shard_is_not_joined(tmp_path):
    side = EncodedSide(1, 1, 0.0, 1.0, 1.0)
    written = to_json(Encoded("sparse", 12, {}, side, side))
    del written["query"]["flops"]
    (tmp_path / "encoded.json").write_text(json.dumps(written))
    with pytest.raises(JsonTypeError, match=r"query\.flops: missing"):
        step.join(out=str(tmp_path), report=print, shard0=str(tmp_path))


def test_an_encoder_of_another_kind_than_its_type_says_is_refused(encode):
    with pytest.raises(UserError, match="type 'given' gave dense vectors, not sparse"):
        encode(Maker(Dense(), kind="sparse"))


@pytest.mark.parametrize("rows", [0, 2, 4])
def test_an_encoder_gives_one_vector_a_text(encode, rows):
    class Wrong(Words):
        def encode_documents(self, texts):
            return sparse.csr_matrix((rows, self.width), dtype=np.float32)

    with pytest.raises(UserError, match=f"gave {rows} vectors for 3 texts"):
        encode(Maker(Wrong()))


def test_values_that_are_not_finite_are_refused(encode):
    class Broken(Dense):
        def encode_documents(self, texts):
            return np.full((len(texts), self.width), np.nan, np.float32)

    with pytest.raises(UserError, match="NaN or infinite"):
        encode(Maker(Broken()))


def test_a_name_for_each_term_of_the_queries_is_needed(encode):
    class Nameless(Words):
        def terms(self, columns):
            return []

    with pytest.raises(ValueError, match="zip"):
        encode(Maker(Nameless()))
