"""Several devices: the vectors of one, whatever the texts and in their order."""

import numpy as np
import pytest
import scipy.sparse
import torch

from harness.encoders import EncoderBase, registry
from harness.encoders.replicas import Replicas

CPU = ["cpu", "cpu", "cpu"]


class Counting(EncoderBase):
    """Encodes a text as its length, and notes what it was asked."""

    width = 2

    def __init__(self, device, kind):
        self.kind, self.device, self.encoded, self.expected = kind, device, [], []

    def encode_documents(self, texts):
        self.encoded.append(texts)
        rows = np.array([[len(text), 1] for text in texts], np.float32).reshape(len(texts), 2)
        return rows if self.kind == "dense" else scipy.sparse.csr_matrix(rows)

    encode_queries = encode_documents

    def count_tokens(self, texts, role):
        return [len(text) for text in texts]

    def expect(self, texts, role):
        self.expected.append(texts)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_texts_are_shared_evenly_by_length_and_come_back_in_order(kind):
    replicas = Replicas(["a", "b", "c"], lambda device: Counting(device, kind))
    texts = ["x" * size for size in (3, 1, 9, 0, 5, 7, 2)]
    rows = replicas.encode_documents(texts)
    dense = rows.toarray() if kind == "sparse" else rows
    assert dense[:, 0].tolist() == [len(text) for text in texts] and dense.dtype == np.float32
    assert [[len(text) for text in replica.encoded[0]] for replica in replicas.replicas] == [[9, 3, 0], [7, 2], [5, 1]]
    assert replicas.count_tokens(texts, "document") == [len(text) for text in texts]
    assert replicas.encode_documents([]).shape == (0, 2)
    assert replicas.encode_queries(["ab", "c"]).shape == (2, 2)


def test_a_process_that_encodes_one_query_at_a_time_loads_one_model():
    loaded = []

    def load(device):
        loaded.append(device)
        return Counting(device, "dense")

    replicas = Replicas(["a", "b"], load)
    replicas.encode_queries(["x"])
    assert replicas.count_tokens(["x"], "query") == [1] and loaded == ["a"]
    replicas.encode_documents(["x", "y"])
    replicas.encode_documents(["x", "y"])
    assert loaded == ["a", "b"] and replicas.parameters()["device"] == "a, b"


def test_what_is_expected_is_what_each_is_given():
    replicas = Replicas(["a", "b"], lambda device: Counting(device, "dense"))
    replicas.encode_documents(["x", "y"])
    texts = ["aaa", "b", "cc", "dddd"]
    replicas.expect(texts, "document")
    replicas.encode_documents(texts)
    for replica in replicas.replicas:
        assert replica.expected[-1] is replica.encoded[-1]


@pytest.mark.parametrize("type", ["laconic", "dense-twin"])
def test_a_model_on_several_devices_has_the_vectors_of_one(llama_folder, tmp_path, texts, type):
    maker = registry.get(type)
    alone, shared = (maker(maker.Params(backbone=str(llama_folder), device=device)) for device in ("cpu", CPU))
    alone.fit(tmp_path)
    one, several = alone.load(tmp_path), shared.load(tmp_path, threads=2)
    assert torch.get_num_threads() == 2
    texts = texts * 3
    for role in ("documents", "queries"):
        rows, expected = (getattr(encoder, f"encode_{role}")(texts) for encoder in (several, one))
        assert abs(rows - expected).max() < 1e-5
    several.expect(texts, "document")
    assert several.count_tokens(texts, "document") == one.count_tokens(texts, "document")
    assert several.parameters() == {**one.parameters(), "device": "cpu, cpu, cpu"}
    assert several.count_flops(9) == one.count_flops(9) == several.count_query_flops(9)
    assert several.terms([3]) == one.terms([3])
    assert several.probe().dtype == "float32"
