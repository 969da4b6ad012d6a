"""What is known of a model before its weights are there."""

import pytest

from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.encoders.sentence_transformer import DenseParams, SentenceTransformerType


@pytest.mark.parametrize(("type", "params"), [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)])
def test_what_is_announced_is_what_the_loaded_model_counts(llama_folder, tmp_path, type, params):
    maker = type(params(backbone=str(llama_folder), document_length=100))
    said = maker.announced()
    maker.fit(tmp_path)
    encoder = maker.load(tmp_path)
    for tokens in (1, 10, 77):
        assert said.flops(tokens) == pytest.approx(encoder.count_flops(tokens), rel=1e-12)
    assert said.parameters == encoder.parameters()["parameters"]
    assert said.document_length == 100
    if type is DenseTwin:
        assert said.vector_bytes == encoder.encode_documents(["a text"]).nbytes
    else:
        assert said.vector_bytes == 512 * 8  # a column and a weight


def test_a_model_that_nobody_knows(tmp_path):
    assert Laconic(LaconicParams(backbone=str(tmp_path))).announced() is None
    pytest.importorskip("mteb")
    assert SentenceTransformerType(DenseParams(model="nobody/nothing")).announced() is None


def test_registered_models():
    pytest.importorskip("mteb")
    said = SentenceTransformerType(
        DenseParams(model="sentence-transformers/all-MiniLM-L6-v2", max_length=512, dimensions=64)
    ).announced()
    assert said.parameters == pytest.approx(22.7e6, rel=0.01)
    assert said.flops(1) == pytest.approx(2 * (22.7e6 - 11.7e6), rel=0.01)  # its embedding has 30,522 x 384
    assert (said.document_length, said.vector_bytes) == (256, 256)
