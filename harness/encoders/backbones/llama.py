"""The Llama architecture on packed tokens: no padding is computed, and attention is bidirectional or causal.

Written against torch alone: a worker that only encodes starts in seconds, and every linear layer can take adapters.
Names and numbers are those of transformers' `LlamaModel` (a test holds both against each other).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from harness.encoders.backbones.packed_attention import Layout
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.encoders.weights.configuration import Configuration, Rope


@dataclass(frozen=True)
class Shape:
    """Sizes and constants of a Llama, as its ``config.json`` has them."""

    vocabulary: int
    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    eps: float
    theta: float
    scaling: Rope
    causal: bool

    @classmethod
    def read(cls, config: Configuration, file: Path | None = None) -> Shape:
        """From the keys of transformers' `LlamaConfig`, of version 4 or 5.

        Raises:
            UserError: Another architecture, or a variant that is not computed here.
        """
        if config.get("model_type") != "llama":
            raise UserError(
                f"the backbone is of type {config.get('model_type')!r}, not a Llama",
                file=file,
                key="backbone",
                remedy="use a Llama-architecture model: Llama, SmolLM2, TinyLlama, ...",
            )
        rope: Rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        for key, fine in (
            ("rope_type", kind in {"default", "llama3", "linear"}),
            ("attention_bias", not config.get("attention_bias")),
            ("mlp_bias", not config.get("mlp_bias")),
            ("hidden_act", config.get("hidden_act", "silu") == "silu"),
        ):
            if not fine:
                raise UserError(
                    f"this variant of Llama is not supported: {key} = {config.get(key, kind)!r}",
                    file=file,
                    key="backbone",
                    remedy="use a Llama without biases, with silu and default, linear or llama3 rope",
                )
        heads = int(config["num_attention_heads"])
        return cls(
            vocabulary=int(config["vocab_size"]),
            hidden=int(config["hidden_size"]),
            inner=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
            eps=float(config.get("rms_norm_eps", 1e-6)),
            theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
            scaling={**rope, "rope_type": kind},
            causal=bool(config.get("is_causal", True)),
        )

    def flops(self, tokens: int) -> float:
        """2 per multiply-add of the layers for one text; norms, rotations and softmax are not counted."""
        queries, keys = self.heads * self.head_size, self.key_heads * self.head_size
        projections = self.hidden * (2 * queries + 2 * keys) + 3 * self.hidden * self.inner
        return float(self.layers * (2 * tokens * projections + 4 * tokens * tokens * queries))


class Llama(nn.Module):
    """Packed token ids to packed states after the last norm.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, shape.eps)

    def forward(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Tokens x hidden size of all texts, one after the other.

        Args:
            ids: Token ids of all texts, packed.
            lengths: Tokens of each text.
        """
        return self.states(ids, Layout(lengths, ids.device, self.shape.causal))

    def states(self, ids: torch.Tensor, layout: Layout) -> torch.Tensor:
        """The same of texts that are laid out already."""
        # The norms may be of a higher precision than the weights that a training holds frozen.
        states = self.embed_tokens(ids).to(self.norm.weight.dtype)
        rotation = rotations(self.shape, layout.positions, states.dtype)
        for layer in self.layers:
            states = layer(states, layout, rotation)
        return self.norm(states)


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, shape.eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, shape.eps)
        self.mlp = FeedForward(shape)

    def forward(
        self, states: torch.Tensor, layout: Layout, rotation: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Tokens x hidden size, in and out."""
        states = states + self.self_attn(self.input_layernorm(states), layout, rotation)
        return states + self.mlp(self.post_attention_layernorm(states))


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        queries, keys = shape.heads * shape.head_size, shape.key_heads * shape.head_size
        self.q_proj = nn.Linear(shape.hidden, queries, bias=False)
        self.k_proj = nn.Linear(shape.hidden, keys, bias=False)
        self.v_proj = nn.Linear(shape.hidden, keys, bias=False)
        self.o_proj = nn.Linear(queries, shape.hidden, bias=False)

    def forward(
        self, states: torch.Tensor, layout: Layout, rotation: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Tokens x hidden size, in and out."""
        size, repeats = self.shape.head_size, self.shape.heads // self.shape.key_heads
        queries = _rotate(self.q_proj(states).view(-1, self.shape.heads, size), rotation)
        keys = _rotate(self.k_proj(states).view(-1, self.shape.key_heads, size), rotation)
        values = self.v_proj(states).view(-1, self.shape.key_heads, size)
        mixed = layout.attend(queries, keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1))
        projected: torch.Tensor = self.o_proj(mixed)
        return projected


class FeedForward(nn.Module):
    """silu(gate) * up, then down."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Tokens x hidden size, in and out."""
        result: torch.Tensor = self.down_proj(functional.silu(self.gate_proj(states)) * self.up_proj(states))
        return result


def _rotate(heads: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    cosines, sines = rotation
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat([-second, first], dim=-1) * sines


def rotations(shape: Shape, positions: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of each token's place, tokens x 1 x head size."""
    angles = positions[:, None].float() * frequencies(shape).to(positions.device)
    angles = torch.cat([angles, angles], dim=-1)[:, None, :]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def frequencies(shape: Shape) -> torch.Tensor:
    """Angle a position of each pair of a head's dimensions (RoPE, arXiv 2104.09864), scaled if the model is."""
    plain = 1.0 / shape.theta ** (torch.arange(0, shape.head_size, 2).float() / shape.head_size)
    scaling = shape.scaling
    if scaling["rope_type"] == "default":
        return plain
    if scaling["rope_type"] == "linear":
        return plain / float(scaling["factor"])
    # Llama 3: long waves are stretched by the factor, short ones left alone, those between interpolated.
    waves = 2 * math.pi / plain
    turns = float(scaling["original_max_position_embeddings"]) / waves
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    share = ((turns - low) / (high - low)).clamp(0, 1)
    return plain * share + plain / float(scaling["factor"]) * (1 - share)
