"""The config.json of a model, read by transformers: its defaults, its older spellings, and no code of the model's own.

Importing transformers takes seconds. So this happens where a published model is read, and not where one that this
program wrote is opened for encoding: what it wrote is complete.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "config.json"


class Rope(TypedDict, total=False):
    """Keys of ``rope_parameters``, or of ``rope_scaling`` in files of transformers 4."""

    rope_type: str
    type: str
    rope_theta: float
    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int


class Configuration(TypedDict, total=False):
    """Keys of a causal language model's config.json that are read or written here; others are passed on."""

    model_type: str
    architectures: list[str] | None
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int | None
    head_dim: int | None
    hidden_act: str
    max_position_embeddings: int
    rms_norm_eps: float
    rope_parameters: Rope | None
    rope_scaling: Rope | None
    rope_theta: float
    attention_bias: bool
    mlp_bias: bool
    is_causal: bool
    tie_word_embeddings: bool
    use_cache: bool
    bos_token_id: int | list[int] | None
    eos_token_id: int | list[int] | None
    dtype: str
    torch_dtype: str
    layer_types: list[str] | None
    final_logit_softcapping: float | None
    logits_scaling: float | None


def read_configuration(folder: Path, key: str) -> Configuration:
    """The configuration of a model's folder with all keys of its type.

    Args:
        folder: Holds config.json.
        key: The setting that names the folder.

    Raises:
        UserError: There is no config.json, or transformers does not read it; the message names what is wrong in it.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"the folder has no {FILE}", file=folder, key=key, remedy="name a model's folder")
    from transformers import AutoConfig

    try:
        content: Configuration = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        ).to_dict()
    except Exception as error:
        raise _unreadable(error, file, key) from None
    return content


def class_names(model_type: str) -> tuple[str, str] | None:
    """Transformers' classes of a type, with its head and without; None for a type without a causal language model."""
    if model_type == "llama":
        return "LlamaForCausalLM", "LlamaModel"
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

    with_head, without = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type), MODEL_MAPPING_NAMES.get(model_type)
    return (with_head, without) if isinstance(with_head, str) and isinstance(without, str) else None


def _unreadable(error: Exception, file: Path, key: str) -> UserError:
    """What transformers says, in one line, with what a user can do about it."""
    message = " ".join(str(error).split())
    field = re.search(r"(?:for field|Field) '(\w+)'|required keys in `(\w+)`", message)
    if "custom code" in message:
        what, remedy = "the model needs its own code, which is not run here", "use a model that transformers has"
    elif "does not recognize this architecture" in message:
        name = re.search(r"model type `(.*?)`", message)
        what = f"transformers has no model of type {name[1] if name else 'unknown'!r}"
        remedy = "use another model, or a version of transformers that has it"
    elif "not a valid JSON file" in message:
        what, remedy = "this is no valid JSON", "get the file again"
    elif "`model_type`" in message:
        what, remedy = "the configuration has no model_type", "use the config.json that belongs to the weights"
    else:
        what = f"transformers does not read the configuration: {message[:300]}"
        remedy = "use the config.json that belongs to the weights"
    return UserError(what, file=file, key=field[1] or field[2] if field else key, remedy=remedy)
