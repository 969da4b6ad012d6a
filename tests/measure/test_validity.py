"""The checks of a model: a good one passes, and each way of breaking one is found by its own check."""

# ruff: noqa: S106
import json

import numpy as np
import pytest
import torch
from scipy import sparse

from harness.encoders import EncoderBase, registry
from harness.encoders.backbones.screened_head import Screen
from harness.encoders.backbones.sentence_transformers_model import Loaded
from harness.errors import UserError
from harness.measure.validity import TEXTS, Check, check_encoder
from harness.pipeline.steps.check import check as check_step
from harness.typed_json import to_json


def save_llama(folder, prepend=""):
    """A random Llama whose vocabulary are the words of the texts, so that each text fires its own terms."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in f"query: passage: {text}".split()})
    vocabulary = {word: place for place, word in enumerate(["<unk>", "<s>", "</s>", *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if prepend:
        made.normalizer = normalizers.Prepend(prepend)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    special = {"eos_token": "</s>", "pad_token": "</s>", "bos_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(vocabulary), tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, **sizes)
    model = LlamaForCausalLM(config)
    model.model.embed_tokens.weight.data.mul_(50)  # the stream is the token itself, as in a model that knows its tokens
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


def made(tmp_path, folder, type="laconic", **params):
    """Biased, so that a term fires in the texts that hold it and in few others."""
    maker = registry.get(type)
    maker = maker(maker.Params(backbone=str(folder), **params))
    tmp_path.mkdir(exist_ok=True)
    maker.fit(tmp_path)
    encoder = maker.load(tmp_path)
    if type == "laconic":
        give_bias(encoder, torch.full((encoder.width,), -24.0))
    return maker, encoder


def give_bias(encoder, bias):
    """Another bias of the terms, for the screened head as well."""
    encoder.bias = bias
    encoder.screen = encoder.screen and Screen(encoder.head, bias, type(encoder.screen.rough))


def failed(encoder, *declared):
    return {check.name for check in check_encoder(encoder, *declared) if not check.passed}


@pytest.mark.parametrize("type", ["laconic", "dense-twin"])
@pytest.mark.parametrize("settings", [{}, {"attention": "causal"}, {"special_tokens": True}, {"dtype": "bfloat16"}])
def test_a_model_that_is_what_its_spec_says_passes(llama, tmp_path, type, settings):
    maker, encoder = made(tmp_path, llama, type, **settings)
    checks = {check.name: check for check in check_encoder(encoder, maker.declared())}
    assert not {name for name, check in checks.items() if not check.passed}
    wanted = {"values not finite", "attention", "special tokens", "alone against in a batch"}
    wanted |= {"mean cosine of unrelated texts"}
    if type == "laconic":
        wanted |= {"fewest active terms of a text", "share of the vocabulary that fires"}
        wanted |= {"shared top terms of unrelated texts"}
    assert set(checks) == wanted
    assert all(check.meaning and check.text for check in checks.values())


def test_a_causal_model_where_the_spec_says_bidirectional(llama, tmp_path):
    _, causal = made(tmp_path / "a", llama, attention="causal")
    asked, both = made(tmp_path / "b", llama)
    assert failed(causal, asked.declared()) == {"attention"}
    other = registry.get("laconic").Params(backbone=str(llama), attention="causal")
    assert failed(both, other) == {"attention"}


def test_a_tokenizer_that_puts_a_bos_before_every_text_all_the_same(tmp_path):
    maker, encoder = made(tmp_path / "m", save_llama(tmp_path, prepend="<s> "))
    assert "special tokens" in failed(encoder, maker.declared())


def test_a_model_that_wants_special_tokens_and_gets_none(llama, tmp_path):
    _, encoder = made(tmp_path, llama)
    wanting = registry.get("laconic").Params(backbone=str(llama), special_tokens=True)
    assert failed(encoder, wanting) == {"special tokens"}


def test_values_that_are_not_finite_are_all_that_is_said(llama, tmp_path):
    maker, encoder = made(tmp_path, llama, "dense-twin")
    with torch.no_grad():
        encoder.model.backbone.norm.weight[3] = float("nan")
    found = check_encoder(encoder, maker.declared())
    assert [check.name for check in found] == ["values not finite"] and not found[0].passed
    assert found[0].figure == 2 * len(TEXTS) * encoder.width


def test_a_collapsed_model(llama, tmp_path):
    """As a BOS does it: one position with large logits decides every text."""
    maker, encoder = made(tmp_path, llama)
    give_bias(encoder, torch.linspace(0, 1e5, encoder.width))
    names = {
        "mean cosine of unrelated texts",
        "share of the vocabulary that fires",
        "shared top terms of unrelated texts",
    }
    assert failed(encoder, maker.declared()) == names
    give_bias(encoder, torch.full((encoder.width,), -1e6))  # the ReLU died
    assert failed(encoder, maker.declared()) == {"fewest active terms of a text", "shared top terms of unrelated texts"}
    maker, twin = made(tmp_path / "twin", llama, "dense-twin")
    twin.model.backbone.embed_tokens.weight.data += 1e4
    assert "mean cosine of unrelated texts" in failed(twin, maker.declared())


def test_terms_are_counted_before_the_largest_are_chosen(llama, tmp_path):
    maker, encoder = made(tmp_path, llama, document_terms=4)
    give_bias(encoder, torch.zeros(encoder.width))
    assert "share of the vocabulary that fires" in failed(encoder, maker.declared())


class PaddedMean(EncoderBase):
    """Takes the padding into the mean."""

    kind, width = "dense", 8

    def encode_documents(self, texts):
        longest = max(len(text) for text in texts)
        rows = np.random.default_rng(0).normal(size=(128, 8))
        return np.array([rows[[ord(c) % 128 for c in text.ljust(longest)]].mean(0) for text in texts], np.float32)

    encode_queries = encode_documents


def test_padding_that_is_not_masked():
    assert "alone against in a batch" in failed(PaddedMean())


def test_models_of_sentence_transformers(llama, tmp_path):
    """The folder that we write, opened by the library: bidirectional there too, padded on either side alike."""
    from sentence_transformers import SparseEncoder

    from harness.encoders.sparse_encoder import SparseTextEncoder

    maker, _ = made(tmp_path / "m", llama)
    model = SparseEncoder(str(tmp_path / "m"), device="cpu")
    encoder = SparseTextEncoder(model, registry.get("sparse-encoder").Params(model="x"))
    assert isinstance(encoder, Loaded)
    checks = {check.name: check for check in check_encoder(encoder, maker.declared())}
    assert checks["attention"].passed and checks["padding left against right"].passed
    assert checks["alone against in a batch"].passed
    model[0].auto_model.config.is_causal = True
    assert "attention" in failed(encoder, maker.declared())


def test_the_figure_of_the_cosine_is_that_of_a_plain_loop(llama, tmp_path):
    maker, encoder = made(tmp_path, llama)
    rows = encoder.encode_documents(TEXTS).toarray()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    plain = [rows[a] @ rows[b] for a in range(len(rows)) for b in range(a)]
    found = next(c for c in check_encoder(encoder, maker.declared()) if c.name == "mean cosine of unrelated texts")
    assert found.figure == pytest.approx(np.mean(plain), rel=1e-4)


@pytest.mark.parametrize(
    ("figure", "low", "high", "passed"),
    [
        (1, 1, None, True),
        (0.9, 1, None, False),
        (1, None, 1, True),
        (1.1, None, 1, False),
        (float("nan"), None, 1, False),
    ],
)
def test_bounds(figure, low, high, passed):
    assert Check("x", figure, low, high, "").passed is passed


def test_the_step_refuses_or_reports(llama, tmp_path):
    maker, _ = made(tmp_path, llama, query_terms=7, attention="causal")
    asked = maker.params.model_dump(mode="json") | {"attention": "bidirectional"}
    order = {"out": "", "type": "laconic", "params": asked, "model": str(tmp_path), "threads": 1, "report": print}
    with pytest.raises(
        UserError, match=r"attention 0 \(at least 0.0001\)(.|\n)*causal attention where the spec says"
    ) as error:
        check_step(**order, refuse=True)
    assert "invalid_models" in str(error.value)
    checked = check_step(**order, refuse=False)
    assert not next(figure for figure in checked.checks if figure.name == "attention").passed
    json.dumps(to_json(checked), allow_nan=False)


def test_empty_rows_do_not_break_the_figures():
    class Empty(EncoderBase):
        kind, width = "sparse", 5

        def encode_documents(self, texts):
            return sparse.csr_matrix((len(texts), 5), dtype=np.float32)

        encode_queries = encode_documents

    assert {"fewest active terms of a text", "shared top terms of unrelated texts"} == failed(Empty())
