"""Backbones without a kernel of ours: transformers' network on packed tokens, trained and saved as a Llama is."""

import json

import numpy as np
import pytest
import torch
from tiny_models import save_tokenizer

from harness.encoders.backbones.transformers_decoder import Decoder
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic
from harness.encoders.weights.configuration import read_configuration
from harness.errors import UserError
from harness.measure.validity import check_encoder

TYPES = ["qwen2", "qwen3", "mistral", "gemma"]


def saved(folder, kind, **changes):
    """A random model of this type as transformers saves it, with its tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    size = save_tokenizer(folder, bos=True)
    torch.manual_seed(0)
    settings = {
        "vocab_size": size, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "initializer_range": 0.3,
    }  # fmt: skip
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings | changes)).eval()
    for name, parameter in model.named_parameters():
        if "bias" in name or "norm" in name:  # nothing may stay at what it starts with, or a slip goes unseen
            torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.3)
    model.save_pretrained(folder)
    return model


def test_it_is_not_exported(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "qwen").mkdir()
    saved(tmp_path / "qwen", "qwen3")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="transformers runs this backbone") as refusal:
        DenseTwin(DenseTwinParams(backbone=str(tmp_path / "qwen"), backend="onnx")).fit(tmp_path / "out")
    assert refusal.value.key == "backend"


@pytest.fixture(scope="module", params=TYPES)
def other(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return folder, saved(folder, request.param)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("lengths", [[5, 1, 20, 12], [7, 7], [1]])
def test_states_are_those_of_the_network_alone(other, causal, lengths):
    folder, theirs = other
    ours = Decoder({**read_configuration(folder, "backbone"), "is_causal": causal}).eval()
    ours.load(theirs.model.state_dict())
    ids = torch.randint(3, 20, (sum(lengths),))
    with torch.no_grad():
        found = ours(ids, lengths)
        theirs.config.is_causal = causal
        alone = [theirs.model(input_ids=part[None]).last_hidden_state[0] for part in ids.split(lengths)]
    torch.testing.assert_close(found, torch.cat(alone), atol=2e-5, rtol=1e-4)


def test_a_bidirectional_network_is_a_causal_one_under_a_mask_that_hides_nothing(other):
    """A mask with a row for each token is taken as it is, whatever the flag says."""
    folder, theirs = other
    ours = Decoder({**read_configuration(folder, "backbone"), "is_causal": False}).eval()
    ours.load(theirs.model.state_dict())
    ids = torch.randint(3, 20, (14,))
    theirs.config.is_causal = True
    with torch.no_grad():
        found = ours(ids, [14])
        open_mask = torch.zeros(1, 1, 14, 14)
        plain = theirs.model(input_ids=ids[None], attention_mask=open_mask).last_hidden_state[0]
    torch.testing.assert_close(found, plain, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["qwen2", "mistral"])
def test_a_sliding_window_opens_to_both_sides(tmp_path, kind):
    window = {"use_sliding_window": True, "max_window_layers": 0} if kind == "qwen2" else {}
    theirs = saved(tmp_path, kind, sliding_window=3, **window)
    ours = Decoder({**read_configuration(tmp_path, "backbone"), "is_causal": False}).eval()
    ours.load(theirs.model.state_dict())
    with torch.no_grad():
        first, second = (ours(torch.tensor([4, 5, 6, 7, 8, 9, 10, 11, 12, last]), [10]) for last in (13, 14))
    # Three layers see twelve tokens at most; the one beside the changed token must move.
    assert not torch.equal(first[8], second[8])
    theirs.config.is_causal = True
    near = (torch.arange(10)[:, None] - torch.arange(10)).abs() <= 3
    with torch.no_grad():
        plain = theirs.model(
            input_ids=torch.tensor([[4, 5, 6, 7, 8, 9, 10, 11, 12, 13]]),
            attention_mask=torch.where(near, 0.0, torch.finfo(torch.float32).min)[None, None],
        ).last_hidden_state[0]
    torch.testing.assert_close(first, plain, atol=2e-5, rtol=1e-4)


def test_the_flag_decides_whether_a_later_token_is_seen(other):
    folder, theirs = other
    for causal in (True, False):
        ours = Decoder({**read_configuration(folder, "backbone"), "is_causal": causal}).eval()
        ours.load(theirs.model.state_dict())
        with torch.no_grad():
            first, second = (ours(torch.tensor([4, 5, last]), [3])[0] for last in (6, 7))
        assert torch.equal(first, second) == causal


def test_operations_are_those_of_projections_and_attention(other):
    folder, theirs = other
    ours = Decoder(read_configuration(folder, "backbone"))
    ours.load(theirs.model.state_dict())
    tokens = 21
    layer = 2 * tokens * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48) + 4 * tokens * tokens * 32
    # The table of rotations is a product of 4 frequencies and each place.
    assert ours.shape.flops(tokens) == pytest.approx(3 * layer, rel=1e-3)
    assert (ours.shape.layers, ours.shape.hidden) == (3, 32)


def made(maker, folder, place, **params):
    maker = maker(maker.Params(backbone=str(folder), document_length=20, query_length=20, batch_size=3, **params))
    place.mkdir()
    maker.fit(place)
    return maker.load(place)


def test_laconic_is_a_sparse_encoder_and_sound(other, tmp_path, texts):
    from sentence_transformers import SparseEncoder

    folder, _ = other
    encoder = made(Laconic, folder, tmp_path / "m", layers=2, document_terms=9)
    rows = encoder.encode_documents(texts).toarray()
    assert 0 < (rows > 0).mean() < 1
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["num_hidden_layers"] == 2 and config["is_causal"] is False
    attention = next(check for check in check_encoder(encoder) if "attention" in check.name)
    assert attention.passed, attention
    library = SparseEncoder(str(tmp_path / "m"), device="cpu")
    if type(library.tokenizer).__name__ != "TokenizersBackend":
        pytest.skip("for this type, transformers puts a splitting of its own in place of the tokenizer.json's")
    kept = [text for text in texts if text]
    expected = library.encode_document(kept, convert_to_sparse_tensor=False).numpy()
    np.testing.assert_allclose(encoder.encode_documents(kept).toarray(), expected, atol=1e-4, rtol=1e-3)


def test_the_twin_is_trained_and_found_again(other, tmp_path):
    from harness.collections.base import Pair

    folder, _ = other
    words = ["list", "sort", "number", "graph", "node", "path", "matrix", "sum", "mean", "fast", "slow", "tree"]
    pairs = [Pair(f"find {word}", f"a passage of {word}", ()) for word in words]
    training = {"steps": 4, "pairs_per_step": 4, "lora_rank": 2, "learning_rate": 0.01, "recompute_layers": True}
    maker = DenseTwin(DenseTwinParams(backbone=str(folder), training=training))
    facts = maker.fit(tmp_path, pairs=pairs)
    assert facts["steps"] == 4
    encoder = maker.load(tmp_path)
    plain = made(DenseTwin, folder, tmp_path / "plain")
    rows = encoder.encode_documents(["a passage of graph"])
    assert np.linalg.norm(rows) == pytest.approx(1, abs=1e-5)
    assert np.abs(rows - plain.encode_documents(["a passage of graph"])).max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("gemma2", {}, "final_logit_softcapping"),
        ("granite", {"logits_scaling": 8.0}, "logits_scaling = 8.0"),
        ("phi3", {}, "it has no q_proj, k_proj, v_proj, gate_proj, up_proj"),
    ],
)
def test_what_is_built_otherwise_is_refused(tmp_path, kind, changes, message):
    saved(tmp_path, kind, **changes)
    with pytest.raises(UserError, match=message) as error:
        made(Laconic, tmp_path, tmp_path / "m")
    assert error.value.key == "backbone" and "Qwen2" in error.value.remedy


def test_an_encoder_is_no_backbone(tmp_path):
    from transformers import DistilBertConfig, DistilBertModel

    size = save_tokenizer(tmp_path)
    DistilBertModel(DistilBertConfig(vocab_size=size, dim=16, hidden_dim=24, n_layers=1, n_heads=2)).save_pretrained(
        tmp_path
    )
    with pytest.raises(UserError, match="'distilbert' is not supported"):
        made(Laconic, tmp_path, tmp_path / "m")


def test_weights_of_another_size_and_a_scaled_embedding_are_refused(other, tmp_path):
    folder, _ = other
    with pytest.raises(UserError, match="embedding of a backbone") as error:
        made(Laconic, folder, tmp_path / "m", embedding_scale=3.0)
    assert error.value.key == "embedding_scale"
    ours = Decoder(read_configuration(folder, "backbone"))
    with pytest.raises(RuntimeError):
        ours.load({"embed_tokens.weight": torch.zeros(2, 2)})
