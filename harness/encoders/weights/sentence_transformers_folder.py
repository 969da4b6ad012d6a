"""Model folders that sentence-transformers opens, written and read without importing it.

Layout of a LACONIC: transformers' `LlamaForCausalLM`, then `SpladePooling`. With a bias of the terms, which that class
has no place for, the head becomes a `Dense` module of its own. A dense twin: `LlamaModel`, `Pooling`, `Normalize`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from harness.encoders.weights.configuration import class_names
from harness.encoders.weights.inside import is_below
from harness.encoders.weights.stored import load_tensors, read_header, weight_files
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from pydantic import JsonValue

    from harness.encoders.weights.configuration import Configuration

LIBRARY = "sentence_transformers."
"""What the names of the library's own modules begin with."""
TRANSFORMER = f"{LIBRARY}base.modules.transformer.Transformer"
HEAD = "1_Dense"
"""Folder of a head with a bias."""
DENSE = f"{LIBRARY}base.modules.dense.Dense"
NORMALIZE = f"{LIBRARY}base.modules.normalize.Normalize"
SPLADE = f"{LIBRARY}sparse_encoder.modules.splade_pooling.SpladePooling"
POOLING = f"{LIBRARY}sentence_transformer.modules.pooling.Pooling"


FOREIGN = ("quantization_config", "_name_or_path", "transformers_version", "torch_dtype")
"""Keys of a published configuration that say nothing of the weights as they are saved here."""


@dataclass(frozen=True)
class Contract:
    """How texts must be encoded. Breaking it gives wrong vectors and no error, so it is saved with the weights."""

    kind: Literal["sparse", "dense"]
    query_prefix: str
    document_prefix: str
    query_length: int
    document_length: int
    query_terms: int | None = None
    document_terms: int | None = None
    pooling: Literal["mean", "last", "first"] | None = None
    dimensions: int | None = None
    normalise: bool = True
    special_tokens: bool = False
    output: Literal["float32", "float16", "int8"] = "float32"
    dtype: str = "float32"
    device: str = "cpu"
    """Dtype and device are those that the spec asked for; the weights lie here in the dtype they were made in."""


@dataclass(frozen=True)
class Weights:
    """Tensors of a model: `layers` under the names of `Llama`; `head` only where it is not the embedding."""

    layers: Mapping[str, torch.Tensor]
    head: torch.Tensor | None = None
    bias: torch.Tensor | None = None


@dataclass(frozen=True)
class Saved:
    """What the settings of a folder say of its weights.

    Attributes:
        dtype: Torch's name of it.
        tied: Whether the head is the embedding.
        biased: Whether terms have a bias.
    """

    dtype: str
    tied: bool
    biased: bool


def write(folder: Path, contract: Contract, config: Configuration, tokenizer: str, weights: Weights) -> None:
    """Write a model into an existing folder.

    Args:
        folder: Empty.
        contract: How to encode.
        config: Keys of transformers' configuration; `is_causal` says how it attends.
        tokenizer: Text of tokenizer.json.
        weights: What to save, in its own dtype.

    Raises:
        UserError: The tokenizer lacks the token that ends a text.
    """
    from safetensors.torch import save_file

    tensors = {f"model.{name}": _plain(tensor) for name, tensor in weights.layers.items()}
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    write_settings(folder, contract, config, tokenizer, Saved(dtype, weights.head is None, weights.bias is not None))
    if contract.kind == "sparse" and weights.bias is not None:
        head = weights.layers["embed_tokens.weight"] if weights.head is None else weights.head
        own = {"linear.weight": _plain(head), "linear.bias": _plain(weights.bias)}
        save_file(own, str(folder / HEAD / "model.safetensors"), metadata={"format": "pt"})
    elif contract.kind == "sparse" and weights.head is not None:
        tensors["lm_head.weight"] = _plain(weights.head)
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def write_settings(folder: Path, contract: Contract, config: Configuration, tokenizer: str, saved: Saved) -> None:
    """Write all of a model but its weights into an existing folder.

    Raises:
        UserError: The tokenizer lacks the token that ends a text.
    """
    sparse = contract.kind == "sparse"
    own_head = sparse and saved.biased
    names = class_names(config.get("model_type", "llama")) or ("", "")
    complete: Configuration = {
        **config,
        "architectures": [names[0] if sparse and not own_head else names[1]],
        "tie_word_embeddings": saved.tied,
        "use_cache": False,
        "dtype": saved.dtype,
    }
    own = {key: value for key, value in complete.items() if key not in FOREIGN}
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    from tokenizers import Tokenizer

    ends = config.get("eos_token_id")
    eos = (ends[0] if ends else None) if isinstance(ends, list) else ends
    end = None if eos is None else Tokenizer.from_str(tokenizer).id_to_token(eos)
    if end is None:
        raise UserError(
            f"the tokenizer has no token {eos}, which ends a text",
            key="backbone.tokenizer",
            remedy="use the tokenizer of the backbone, and a config.json with its eos_token_id",
        )
    _json(folder / "config.json", own)
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": end,
            # Llama has no token for padding; what stands there is masked.
            "pad_token": end,
            "padding_side": "right",
            "model_max_length": max(contract.query_length, contract.document_length),
        },
    )
    output = ("text-generation", "logits") if sparse and not own_head else ("feature-extraction", "last_hidden_state")
    _json(
        folder / "sentence_bert_config.json",
        {
            "transformer_task": output[0],
            "modality_config": {"text": {"method": "forward", "method_output_name": output[1]}},
            "module_output_name": "token_embeddings",
            "processing_kwargs": {
                "text": {"add_special_tokens": contract.special_tokens}
                | ({"logits_to_keep": 0} if output[1] == "logits" else {})
            },
        },
    )
    about: dict[str, JsonValue] = {
        "model_type": "SparseEncoder" if sparse else "SentenceTransformer",
        "prompts": {"query": contract.query_prefix, "document": contract.document_prefix},
        "default_prompt_name": None,
        "similarity_fn_name": "dot" if sparse else "cosine",
    }
    if sparse:
        about["max_active_dims"] = contract.document_terms
    _json(folder / "config_sentence_transformers.json", about)
    _modules(folder, contract, config, own_head)
    _json(folder / "contract.json", asdict(contract))


def _modules(folder: Path, contract: Contract, config: Configuration, own_head: bool) -> None:
    rest: list[tuple[str, dict[str, JsonValue]]] = []
    if own_head:
        names = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
        identity = "torch.nn.modules.linear.Identity"
        sizes = {"in_features": config["hidden_size"], "out_features": config["vocab_size"]}
        rest.append((DENSE, {**sizes, "bias": True, "activation_function": identity, **names}))
    if contract.kind == "sparse":
        rest.append((SPLADE, {"pooling_strategy": "max", "activation_function": "relu", "embedding_dimension": None}))
    else:
        mode = {"mean": "mean", "last": "lasttoken"}[contract.pooling or "mean"]
        rest.append(
            (POOLING, {"embedding_dimension": config["hidden_size"], "pooling_mode": mode, "include_prompt": True})
        )
        rest.append((NORMALIZE, {}))
    modules = [{"idx": 0, "name": "0", "path": "", "type": TRANSFORMER}]
    for place, (kind, settings) in enumerate(rest, start=1):
        path = f"{place}_{kind.rpartition('.')[2]}"
        (folder / path).mkdir()
        _json(folder / path / "config.json", settings)
        modules.append({"idx": place, "name": str(place), "path": path, "type": kind})
    _json(folder / "modules.json", modules)


def read(
    folder: Path, dtype: torch.dtype | None = None, device: str = "cpu"
) -> tuple[Contract, Configuration, Weights]:
    """Contract, configuration and weights of a folder that this module has written.

    Args:
        folder: Of the model.
        dtype: Of the weights, the bias excepted, which stays as it is; None for the dtype of each. On a processor,
            weights that are stored in this dtype stay mapped. Others are converted one at a time, and nothing of their
            files stays in memory.
        device: By torch's name.

    Raises:
        UserError: It is no such folder, or a damaged one.
    """
    from safetensors import SafetensorError

    file = folder
    try:
        shards = [path.name for path in weight_files(folder)] or ["model.safetensors"]
        for name in ("contract.json", "config.json", "modules.json", *shards):
            file = folder / name
            file.stat()
        contract, config = read_settings(folder)
        modules = read_modules(folder / "modules.json")
        tensors = {name: t for shard in shards for name, t in load_tensors(folder / shard, dtype, device).items()}
    except FileNotFoundError:
        raise UserError("not a model folder of this program", file=file, remedy="make the model again") from None
    except (ValueError, TypeError, SafetensorError) as error:
        raise UserError(f"the model folder is damaged: {error}", file=folder, remedy="make the model again") from None
    head = tensors.pop("lm_head.weight", None)
    bias = None
    for module in modules:
        if module["type"] == DENSE:
            file = folder / module["path"] / "model.safetensors"
            head = load_tensors(file, dtype, device)["linear.weight"]
            bias = next(tensor.read() for tensor in read_header(file) if tensor.name == "linear.bias")
    return contract, config, Weights({name.removeprefix("model."): t for name, t in tensors.items()}, head, bias)


def read_settings(folder: Path) -> tuple[Contract, Configuration]:
    """Contract and configuration of a folder that this module has written.

    Raises:
        FileNotFoundError: One is missing.
        ValueError: One is damaged.
        TypeError: The contract has other keys.
    """
    contract = Contract(**json.loads((folder / "contract.json").read_text(encoding="utf-8")))
    config: Configuration = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return contract, config


class Module(TypedDict):
    """An entry of modules.json."""

    type: str
    path: str


def read_modules(file: Path) -> list[Module]:
    """The modules of a folder's modules.json, in their order.

    Raises:
        UserError: It is damaged.
    """
    try:
        modules = json.loads(file.read_text(encoding="utf-8"))
        listed = [Module(type=str(module["type"]), path=str(module.get("path", ""))) for module in modules]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            "this is no list of modules with a type each",
            file=file,
            key="model",
            remedy="save the model again with sentence-transformers",
        ) from None
    for module in listed:
        if not is_below(module["path"]):
            raise UserError(
                f"the path {module['path']!r:.80} of a module leads out of the model's folder",
                file=file,
                key="model",
                remedy="do not use this model: a model's files lie in its own folder",
            )
    return listed


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()


def _json(path: Path, content: Mapping[str, object] | list[dict[str, object]]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
