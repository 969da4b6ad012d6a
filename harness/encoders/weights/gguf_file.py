"""Read a Llama out of a GGUF file: configuration, tokenizer, and only the layers that are wanted.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from harness.encoders.weights.gguf_bounds import check_bounds
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gguf import ReaderField
    from numpy.typing import NDArray

    from harness.encoders.weights.configuration import Configuration

NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class GgufFile:
    """An opened file.

    Args:
        path: The file.

    Raises:
        UserError: It is no GGUF file, or holds no Llama.
    """

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader

        self.path = path
        with self._read("not a GGUF file"):
            check_bounds(path)
            self.reader = GGUFReader(str(path))
            kind = self._text("general.architecture")
        if kind != "llama":
            raise UserError(
                f"the file holds a model of type {kind!r}, not a Llama",
                file=path,
                key="backbone",
                remedy="use a Llama-architecture model",
            )

    def config(self) -> Configuration:
        """The keys of a ``config.json``.

        Raises:
            UserError: The file is damaged, or has rotations that are not read from GGUF.
        """
        with self._read("the file is damaged"):
            return self._config()

    def weights(self, layers: int) -> dict[str, NDArray[np.float32]]:
        """Embedding, the first `layers` layers, last norm and any head, under transformers' names, float32.

        Raises:
            UserError: The file is damaged.
        """
        with self._read("the file is damaged"):
            return self._weights(layers)

    def tokenizer(self) -> str:
        """The tokenizer as the text of a ``tokenizer.json``.

        Raises:
            UserError: The file is damaged, or the tokenizer is of a kind whose splitting into words is not known here.
        """
        with self._read("the file is damaged"):
            return self._tokenizer()

    @contextmanager
    def _read(self, what: str) -> Iterator[None]:
        """A damaged file breaks its readers at any place, with errors of any kind."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise UserError(
                f"{what}: {reason}", file=self.path, key="backbone", remedy="get the file again, or name another .gguf"
            ) from None

    def _config(self) -> Configuration:
        heads, hidden = self._integer("llama.attention.head_count"), self._integer("llama.embedding_length")
        tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        if "rope_freqs.weight" in tensors:
            raise UserError(
                "the file has scaled rotations, which this program does not read from GGUF",
                file=self.path,
                key="backbone",
                remedy="use the model's safetensors",
            )
        return {
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": hidden,
            "intermediate_size": self._integer("llama.feed_forward_length"),
            "num_hidden_layers": self._integer("llama.block_count"),
            "num_attention_heads": heads,
            "num_key_value_heads": self._integer("llama.attention.head_count_kv", heads),
            "head_dim": self._integer("llama.rope.dimension_count", hidden // heads),
            "max_position_embeddings": self._integer("llama.context_length"),
            "rms_norm_eps": float(np.float32(self._real("llama.attention.layer_norm_rms_epsilon"))),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": self._real("llama.rope.freq_base", 10_000.0),
            },
            "tie_word_embeddings": "output.weight" not in tensors,
            "vocab_size": int(tensors["token_embd.weight"].shape[1]),
            "bos_token_id": self._integer("tokenizer.ggml.bos_token_id", 1),
            "eos_token_id": self._integer("tokenizer.ggml.eos_token_id", 2),
        }

    def _weights(self, layers: int) -> dict[str, NDArray[np.float32]]:
        from gguf import dequantize

        heads = self._integer("llama.attention.head_count")
        key_heads = self._integer("llama.attention.head_count_kv", heads)
        arrays: dict[str, NDArray[np.float32]] = {}
        for tensor in self.reader.tensors:
            name = _name(tensor.name, layers)
            if name is None:
                continue
            values = np.array(dequantize(tensor.data, tensor.tensor_type), np.float32, order="C")
            if name.endswith("q_proj.weight"):
                values = _unpermute(values, heads)
            elif name.endswith("k_proj.weight"):
                values = _unpermute(values, key_heads)
            arrays[name] = values
        return arrays

    def _tokenizer(self) -> str:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        kind, splitting = self._text("tokenizer.ggml.model"), self._text("tokenizer.ggml.pre", "default")
        # Splitting digits one by one is what SmolLM was trained with; a plain conversion loses it.
        first = {
            "smollm": [pre_tokenizers.Digits(individual_digits=True)],
            "gpt-2": [],
        }.get(splitting)
        if kind != "gpt2" or first is None:
            raise UserError(
                f"tokenizers of kind {kind!r}, {splitting!r} cannot be read from GGUF",
                file=self.path,
                key="backbone",
                remedy="give the folder of its tokenizer.json as backbone.tokenizer",
            )
        tokens = self._texts("tokenizer.ggml.tokens")
        merges = [
            (first, second)
            for first, _, second in (text.partition(" ") for text in self._texts("tokenizer.ggml.merges"))
        ]
        made = Tokenizer(models.BPE(vocab={token: place for place, token in enumerate(tokens)}, merges=merges))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [*first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )
        made.decoder = decoders.ByteLevel()
        control = 3  # the format's number for tokens that stand for no text
        kinds = self._integers("tokenizer.ggml.token_type")
        made.add_special_tokens(
            [AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds, strict=True) if k == control]
        )
        return str(made.to_str())

    def _integer(self, key: str, default: int | None = None) -> int:
        field = self._field(key, default is None)
        return int(field.contents()) if field is not None else int(default or 0)

    def _real(self, key: str, default: float | None = None) -> float:
        field = self._field(key, default is None)
        return float(field.contents()) if field is not None else float(default or 0.0)

    def _text(self, key: str, default: str | None = None) -> str:
        field = self._field(key, default is None)
        return str(field.contents()) if field is not None else str(default)

    def _texts(self, key: str) -> list[str]:
        return [str(text) for text in self._needed(key).contents()]

    def _integers(self, key: str) -> list[int]:
        return [int(number) for number in self._needed(key).contents()]

    def _needed(self, key: str) -> ReaderField:
        return self._field(key, needed=True)

    def _field(self, key: str, needed: bool) -> ReaderField | None:
        field = self.reader.fields.get(key)
        if field is None and needed:
            raise UserError(f"the file lacks {key}", file=self.path, key="backbone", remedy="use another file")
        return field


def _name(name: str, layers: int) -> str | None:
    """Transformers' name of a tensor; None for one that is not wanted."""
    top = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    }
    if name in top:
        return top[name]
    head, number, part, kind = (*name.split("."), "", "", "")[:4]
    if head != "blk" or kind != "weight" or int(number) >= layers:
        return None
    return f"model.layers.{number}.{NAMES[part]}.weight"


def _unpermute(weights: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """GGUF keeps the two numbers of each rotated pair side by side; transformers keeps halves of a head apart."""
    rows, columns = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))
