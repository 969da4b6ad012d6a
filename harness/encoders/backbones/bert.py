"""BERT on packed tokens, with its masked-language head: what most small sentence-transformers models are made of.

Written against torch alone, so that a worker that only encodes starts in seconds and computes no padding. Names and
numbers are those of transformers' `BertModel` and `BertForMaskedLM` (a test holds both against each other).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import torch
from torch import nn
from torch.nn import functional

from harness.encoders.backbones.packed_attention import Layout
from harness.encoders.backbones.packed_encoder import Model
from harness.encoders.hardware import arithmetic
from harness.encoders.weights.sentence_transformers_folder import Contract, read_modules
from harness.encoders.weights.stored import load_tensors, stored_dtype
from harness.encoders.weights.tokenizer_files import smallest_limit
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.encoders.weights.source import SourceParams


@dataclass(frozen=True)
class BertShape:
    """Sizes of a BERT; `transform` says whether the masked-language head's transformation follows."""

    vocabulary: int
    hidden: int
    inner: int
    layers: int
    heads: int
    positions: int
    eps: float
    transform: bool

    def flops(self, tokens: int) -> float:
        """2 per multiply-add of one text; norms, activations and softmax are not counted."""
        layer = 2 * tokens * (4 * self.hidden**2 + 2 * self.hidden * self.inner) + 4 * tokens**2 * self.hidden
        return float(self.layers * layer + (2 * tokens * self.hidden**2 if self.transform else 0))


class Settings(TypedDict, total=False):
    """Keys that are read of config.json, tokenizer_config.json, the folder's own files and those of its modules."""

    model_type: str
    hidden_act: str
    position_embedding_type: str
    is_decoder: bool
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    layer_norm_eps: float
    do_lower_case: bool
    model_max_length: float
    max_seq_length: int | None
    default_prompt_name: str | None
    prompts: dict[str, str] | None
    max_active_dims: int | None
    pooling_mode: str
    include_prompt: bool


SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
"""What a config.json must say itself: transformers' defaults are left to transformers."""


class Bert(nn.Module):
    """Packed token ids to packed states, transformed for the head if there is one."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(shape) for _ in range(shape.layers))})
        self.transform = Added(shape.hidden, shape.hidden, shape.eps) if shape.transform else None

    def forward(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Tokens x hidden size of all texts, one after the other."""
        return self.states(ids, Layout(lengths, ids.device))

    def states(self, ids: torch.Tensor, layout: Layout) -> torch.Tensor:
        """The same of texts that are laid out already."""
        states = self.embeddings(ids, layout.positions)
        for layer in self.encoder["layer"]:
            states = layer(states, layout)
        if self.transform is not None:
            states = self.transform.LayerNorm(functional.gelu(self.transform.dense(states)))
        return states


class Embeddings(nn.Module):
    """Token, place and the first segment, normed."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.hidden)
        self.position_embeddings = nn.Embedding(shape.positions, shape.hidden)
        self.token_type_embeddings = nn.Embedding(2, shape.hidden)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=shape.eps)

    def forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Tokens x hidden size."""
        segment = self.token_type_embeddings.weight[0]
        states: torch.Tensor = self.LayerNorm(self.word_embeddings(ids) + segment + self.position_embeddings(positions))
        return states


class Added(nn.Module):
    """A projection and a norm, under the names that BERT gives such pairs."""

    def __init__(self, inner: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=eps)

    def forward(self, update: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """The projected update added to the states, normed."""
        result: torch.Tensor = self.LayerNorm(self.dense(update) + states)
        return result


class Layer(nn.Module):
    """Attention and feed-forward, each added to the stream and normed after it."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.heads, self.size = shape.heads, shape.hidden // shape.heads
        parts = {name: nn.Linear(shape.hidden, shape.hidden) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(parts), "output": Added(shape.hidden, shape.hidden, shape.eps)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.hidden, shape.inner)})
        self.output = Added(shape.inner, shape.hidden, shape.eps)

    def forward(self, states: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Tokens x hidden size, in and out."""
        parts = self.attention["self"]
        split = (-1, self.heads, self.size)
        mixed = layout.attend(*(parts[name](states).view(split) for name in ("query", "key", "value")))
        states = self.attention["output"](mixed, states)
        result: torch.Tensor = self.output(functional.gelu(self.intermediate["dense"](states)), states)
        return result


def open_bert(folder: Path, params: SourceParams, device: str = "cpu") -> Model | None:
    """The model of a folder of sentence-transformers, ready for encoding; None for all but plain BERT pipelines.

    Plain: BERT with mean or first-token pooling and optional normalisation, or BERT's masked-language model with SPLADE
    max pooling, with a tokenizer.json that agrees with the rest of the folder.
    """
    config, tokenizer_config = _settings(folder / "config.json"), _settings(folder / "tokenizer_config.json")
    own = _settings(folder / "sentence_bert_config.json")
    contract = _contract(folder, config, own, tokenizer_config, params)
    tokenizer = folder / "tokenizer.json"
    if contract is None or not tokenizer.is_file() or own.get("do_lower_case"):
        return None
    text = tokenizer.read_text(encoding="utf-8")
    normaliser = json.loads(text).get("normalizer") or {}
    if tokenizer_config.get("do_lower_case", normaliser.get("lowercase")) != normaliser.get("lowercase"):
        return None
    usual = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    if any(config.get(key, value) != value for key, value in usual.items()) or "model_type" not in config:
        return None
    if any(name not in config for name in (*SIZES, "max_position_embeddings")):
        return None
    sparse = contract.kind == "sparse"
    shape = BertShape(
        vocabulary=config["vocab_size"],
        hidden=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        positions=config["max_position_embeddings"],
        eps=config.get("layer_norm_eps", 1e-12),
        transform=sparse,
    )
    loaded = _weights(folder, shape, device, arithmetic(params.dtype, device, stored_dtype(folder)))
    if loaded is None:
        return None
    backbone, head, bias = loaded
    return Model(backbone, shape, head, bias, head is not backbone.embeddings.word_embeddings.weight, text, contract)


def _contract(
    folder: Path,
    config: Settings,
    own: Settings,
    tokenizer_config: Settings,
    params: SourceParams,
) -> Contract | None:
    about = _settings(folder / "config_sentence_transformers.json")
    if about.get("default_prompt_name") is not None:
        return None
    prompts = about.get("prompts") or {}
    length = smallest_limit(
        params.max_length,
        own.get("max_seq_length"),
        tokenizer_config.get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    if length is None:
        return None
    common = (params.prefix_of("query", prompts), params.prefix_of("document", prompts), length, length)
    if not (folder / "modules.json").is_file():
        return Contract("sparse", *common, special_tokens=True)
    modules = [
        (
            module["type"].rpartition(".")[2],
            _settings(folder / module["path"] / "config.json") if module["path"] else {},
        )
        for module in read_modules(folder / "modules.json")
    ]
    names, settings = [name for name, _ in modules], [given for _, given in modules]
    splade = {"pooling_strategy": "max", "activation_function": "relu"}
    if names in (["Transformer", "SpladePooling"], ["MLMTransformer", "SpladePooling"]):
        if any(settings[1].get(key, value) != value for key, value in splade.items()):
            return None
        most = about.get("max_active_dims")
        return Contract("sparse", *common, query_terms=most, document_terms=most, special_tokens=True)
    if names[:2] != ["Transformer", "Pooling"] or names[2:] not in ([], ["Normalize"]):
        return None
    on = {key.removeprefix("pooling_mode_") for key, value in settings[1].items() if value is True}
    on = {settings[1]["pooling_mode"]} if "pooling_mode" in settings[1] else on - {"include_prompt"}
    modes = {"mean": "mean", "mean_tokens": "mean", "cls": "first", "cls_token": "first"}
    mode = modes.get(on.pop()) if len(on) == 1 else None
    if mode is None or not settings[1].get("include_prompt", True):
        return None
    return Contract("dense", *common, pooling=mode, normalise=bool(names[2:]), special_tokens=True)  # type: ignore[arg-type]


def _weights(
    folder: Path, shape: BertShape, device: str, dtype: torch.dtype
) -> tuple[Bert, torch.Tensor, torch.Tensor | None] | None:
    files = sorted(folder.glob("*.safetensors"))
    stored: dict[str, torch.Tensor] = {}
    for file in files:
        stored |= load_tensors(file, dtype, device)
    tensors = {name.removeprefix("bert."): tensor for name, tensor in stored.items()}
    head = tensors.pop("cls.predictions.decoder.weight", None)
    biases = [tensors.pop(f"cls.predictions.{name}", None) for name in ("bias", "decoder.bias")]
    # The oldest checkpoints name a norm's parts as TensorFlow did.
    for old, new in (
        ("cls.predictions.transform.", "transform."),
        ("Norm.gamma", "Norm.weight"),
        ("Norm.beta", "Norm.bias"),
    ):
        tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
    left = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
    tensors = {n: t for n, t in tensors.items() if n not in left and not n.startswith("cls.")}
    with torch.device("meta"):
        backbone = Bert(shape)
    try:
        backbone.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError:
        return None
    backbone.eval().requires_grad_(False)
    words = backbone.embeddings.word_embeddings.weight
    bias = next((bias for bias in biases if bias is not None), None)
    if shape.transform and bias is None:
        return None
    return backbone, words if head is None or not shape.transform else head, bias


def _settings(path: Path | None) -> Settings:
    if path is None or not path.is_file():
        return Settings()
    try:
        content: Settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"this is no valid JSON: {error}", file=path, key="model", remedy="get the file again"
        ) from None
    return content
