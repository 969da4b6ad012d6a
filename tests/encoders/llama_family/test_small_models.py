"""Small models: terms in use, their weights before training, and trained adapters that are loaded again."""

import json
import math

import numpy as np
import pytest
import torch

from harness.collections.base import Pair
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.encoders.llama_family import adapter_files, term_selection
from harness.encoders.llama_family.term_selection import spread, weighted
from harness.errors import UserError

PAIRS = [
    Pair("sort the list", "fast sum of number"),
    Pair("find a path", "graph node tree"),
    Pair("mean of matrix", "slow passage query"),
    Pair("number of node", "list sort find"),
]
KINDS = [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)]
SMALL = {"layers": 2, "embedding_scale": 5.0, "document_length": 20, "query_length": 8}
TERMS = {"term_bias": 0.5, "term_weight": 0.8, "terms": 20}
TRAINING = {"steps": 12, "pairs_per_step": 4, "learning_rate": 0.02, "lora_rank": 4, "sampled_terms": 16}


def trained(folder, out, type, params, **more):
    terms = TERMS if type is Laconic else {}
    maker = type(params(backbone=str(folder), training=TRAINING, **SMALL, **terms, **more))
    out.mkdir()
    maker.fit(out, pairs=iter(PAIRS), seed=1)
    return maker.load(out)


def dense(rows):
    return rows.toarray() if hasattr(rows, "toarray") else rows


@pytest.mark.parametrize("finetuning", [None, {"steps": 20, "pairs_per_step": 4, "lora_rank": 2}])
@pytest.mark.parametrize(("type", "params"), KINDS)
def test_an_adapter_gives_the_vectors_of_the_model_it_was_taken_from(
    llama_folder, tmp_path, texts, type, params, finetuning
):
    whole = trained(llama_folder, tmp_path / "whole", type, params, finetuning=finetuning)
    maker = type(params(backbone=str(llama_folder), adapter=str(tmp_path / "whole" / "adapter"), **SMALL))
    assert maker.needs() == "nothing"
    (tmp_path / "again").mkdir()
    facts = maker.fit(tmp_path / "again")
    assert facts["adapter"]["kind"] == maker.kind
    again, plain = maker.load(tmp_path / "again"), type(params(backbone=str(llama_folder), **SMALL))
    (tmp_path / "plain").mkdir()
    plain.fit(tmp_path / "plain")
    expected = dense(whole.encode_documents(texts))
    np.testing.assert_allclose(dense(again.encode_documents(texts)), expected, atol=1e-5)
    assert np.abs(dense(plain.load(tmp_path / "plain").encode_documents(texts)) - expected).max() > 0.05


@pytest.mark.parametrize(("type", "params"), KINDS)
def test_training_goes_on_from_an_adapter_and_its_own_holds_both(llama_folder, tmp_path, texts, type, params):
    first = trained(llama_folder, tmp_path / "first", type, params)
    start = str(tmp_path / "first" / "adapter")

    def further(name, **settings):
        maker = type(params(backbone=str(llama_folder), adapter=start, training={**TRAINING, **settings}, **SMALL))
        assert maker.needs() == "pairs"
        (tmp_path / name).mkdir()
        maker.fit(tmp_path / name, pairs=iter(PAIRS), seed=2)
        return dense(maker.load(tmp_path / name).encode_documents(texts))

    # A rate next to nothing leaves what the adapter gave, so that is where training starts.
    before = dense(first.encode_documents(texts))
    np.testing.assert_allclose(further("same", steps=1, learning_rate=1e-9), before, atol=1e-5)
    after = further("on", lora_rank=2)
    assert np.abs(after - before).max() > 0.01
    both = type(params(backbone=str(llama_folder), adapter=str(tmp_path / "on" / "adapter"), **SMALL))
    (tmp_path / "both").mkdir()
    both.fit(tmp_path / "both")
    np.testing.assert_allclose(dense(both.load(tmp_path / "both").encode_documents(texts)), after, atol=1e-5)
    further("whole", lora_rank=0)  # its weights are no product of low rank
    assert not (tmp_path / "whole" / "adapter").exists()


def test_the_terms_of_an_adapter_are_trained_on():
    scale, bias, table = torch.tensor([0.0, 2.0, 0.5, 0.0]), torch.tensor([0.0, -1.0, -3.0, 0.0]), torch.rand(4) + 0.1
    tensors = {"terms.scale": scale, "terms.bias": bias, "terms.table": table}
    terms = term_selection.trained(tensors, table=True)
    assert terms.rows.tolist() == [1, 2]
    for name, value in terms.tensors(4).items():
        torch.testing.assert_close(value, tensors[f"terms.{name}"] * (scale > 0))
    # A model that reads its queries has no use for a table, and training must not look them up.
    assert term_selection.trained(tensors, table=False).table is None
    plain = term_selection.trained({"terms.bias": bias}, table=False)
    assert plain.rows is None and plain.log_scale is None and torch.equal(plain.bias, bias)


def test_an_adapter_has_its_terms_already():
    with pytest.raises(ValueError, match="leave out term_bias"):
        LaconicParams(backbone="x", adapter="y", training=TRAINING, **TERMS)


def test_another_adapter_in_the_same_folder_is_another_model(llama_folder, tmp_path):
    trained(llama_folder, tmp_path / "whole", DenseTwin, DenseTwinParams)
    folder = tmp_path / "whole" / "adapter"
    maker = DenseTwin(DenseTwinParams(backbone=str(llama_folder), adapter=str(folder), **SMALL))
    before = maker.fingerprint()
    assert maker.fingerprint() == before
    weights = (folder / adapter_files.TENSORS).read_bytes()
    (folder / adapter_files.TENSORS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert maker.fingerprint() != before


@pytest.mark.parametrize(
    ("changed", "key"),
    [({"layers": 3}, "layers"), ({"embedding_scale": 1.0}, "embedding_scale"), ({"lowercase": True}, "lowercase")],
)
def test_an_adapter_on_other_ground_is_refused(llama_folder, tmp_path, changed, key):
    trained(llama_folder, tmp_path / "whole", DenseTwin, DenseTwinParams)
    params = DenseTwinParams(
        backbone=str(llama_folder), adapter=str(tmp_path / "whole" / "adapter"), **{**SMALL, **changed}
    )
    with pytest.raises(UserError, match="was trained with") as caught:
        DenseTwin(params).fit(tmp_path)
    assert caught.value.key == key


def test_an_adapter_of_the_other_kind_or_backbone_or_none_is_refused(llama_folder, tmp_path):
    trained(llama_folder, tmp_path / "whole", DenseTwin, DenseTwinParams)
    folder = tmp_path / "whole" / "adapter"
    with pytest.raises(UserError, match="kind = 'dense', not 'sparse'"):
        Laconic(LaconicParams(backbone=str(llama_folder), adapter=str(folder), **SMALL)).fit(tmp_path)
    about = json.loads((folder / "adapter.json").read_text())
    about["backbone"]["sum of 64 embeddings"] += 1.0
    (folder / "adapter.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="was trained with backbone"):
        DenseTwin(DenseTwinParams(backbone=str(llama_folder), adapter=str(folder), **SMALL)).fit(tmp_path)
    with pytest.raises(UserError, match="there is no adapter"):
        adapter_files.find("mini/nothing")


def test_only_the_terms_in_use_are_ever_active_and_the_head_is_as_small(llama_folder, tmp_path, texts):
    encoder = trained(llama_folder, tmp_path / "m", Laconic, LaconicParams)
    assert len(encoder.columns) == len(encoder.head) == 20 < encoder.width
    rows = encoder.encode_documents(texts)
    assert rows.shape == (7, encoder.width) and rows.nnz > 0
    assert set(rows.indices) <= set(encoder.columns.tolist())
    assert encoder.count_flops(10) == encoder.model.shape.flops(10) + 2 * 10 * 32 * 20


def test_the_folder_of_a_small_model_is_a_sparse_encoder(llama_folder, tmp_path, texts):
    from sentence_transformers import SparseEncoder

    encoder = trained(llama_folder, tmp_path / "m", Laconic, LaconicParams, lowercase=True)
    theirs = SparseEncoder(str(tmp_path / "m"), device="cpu", local_files_only=True)
    upper = [text.upper() for text in texts]
    found = theirs.encode_document(upper, convert_to_sparse_tensor=False).numpy()
    np.testing.assert_allclose(encoder.encode_documents(upper).toarray(), found, atol=1e-4)
    np.testing.assert_array_equal(encoder.encode_documents(texts).toarray(), encoder.encode_documents(upper).toarray())


def test_weights_before_training_are_those_of_two_points(llama_folder, tmp_path):
    """Recomputed text by text: without the term the weight begins, with it it is as asked for."""
    passages = [pair.positive for pair in PAIRS] * 12 + ["the mean of a fast list"] * 30 + ["sort node"] * 30
    plain = Laconic(LaconicParams(backbone=str(llama_folder), **SMALL))
    plain.fit(tmp_path)
    encoder = plain.load(tmp_path)
    terms = weighted(encoder.model, passages, size=None, deviations=2.0, weight=0.7, background=len(passages))
    ids = encoder.tokeniser.ids(passages, "document")
    with torch.no_grad():
        states = [encoder.model.backbone(torch.tensor(text), [len(text)]) for text in ids]
    largest = np.stack([(s @ encoder.model.head.T).amax(0).numpy() for s in states])
    word = encoder.tokeniser.tokenizer.token_to_id("sort")
    holds = np.array([word in text for text in ids])
    assert (holds.sum(), (~holds).sum()) == (42, 66)
    begins = largest[~holds, word].mean() + 2 * largest[~holds, word].std()
    assert -terms.bias[word].item() == pytest.approx(begins, rel=1e-4)
    gap = (largest[holds, word].mean() - largest[~holds, word].mean()) / largest[~holds, word].std()
    inverse = math.log1p((len(passages) - 42 + 0.5) / (42 + 0.5))
    usual = []
    for column in range(largest.shape[1]):
        own = np.array([column in text for text in ids])
        if own.sum() >= 2:
            rest = largest[~own, column] if (~own).sum() >= 20 else largest[:, column]
            usual.append((largest[own, column].mean() - rest.mean()) / rest.std())
    middle = sorted(usual)[(len(usual) - 1) // 2]
    spreads = largest[~holds, word].std()
    own = largest[holds, word].mean() + 2 * (middle - gap) * spreads / 44
    expected = math.expm1(0.7 * math.sqrt(inverse)) / max(own - begins, 0.5 * spreads)
    assert terms.log_scale[word].exp().item() == pytest.approx(expected, rel=1e-3)


def test_evenly_spaced():
    assert spread(list("abcdef"), 3) == ["a", "c", "e"]
    assert spread(list("ab"), 3) == ["a", "b"]


@pytest.mark.parametrize("params", [{"terms": 5}, {"term_weight": 1.0}, {"terms": 5, "term_bias": 1.0}])
def test_what_needs_what(llama_folder, params):
    with pytest.raises(ValueError, match="needs"):
        LaconicParams(backbone=str(llama_folder), **params)
