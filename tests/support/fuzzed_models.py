"""Parsers of models' files and of the history, and a good file for each, for `fuzzed`."""

import json
import os
import sys
from datetime import UTC, datetime

import numpy as np


def tensors(folder):
    """A safetensors file of one small tensor."""
    from safetensors.numpy import save_file

    save_file({"vectors": np.eye(2, 3, dtype=np.float32)}, folder / "good.safetensors")
    return (folder / "good.safetensors").read_bytes()


def read_weights(path):
    """Of one file, as `harness.encoders.weights` reads them."""
    from harness.encoders.weights.stored import read_header

    read_header(path)


def index():
    """Which file has which tensor."""
    return json.dumps({"metadata": {"total_size": 24}, "weight_map": {"vectors": "model-1.safetensors"}}).encode()


def read_index(path):
    """In a folder with the one file that a good index names."""
    from harness.encoders.weights.stored import INDEX, check_whole

    folder = path.with_suffix(".sharded")
    folder.mkdir(exist_ok=True)
    if not (folder / "model-1.safetensors").is_file():
        (folder / "model-1.safetensors").write_bytes(tensors(folder))
        (folder / "good.safetensors").unlink()
    (folder / INDEX).write_bytes(path.read_bytes())
    check_whole(folder)


def gguf(folder):
    """A Llama of one layer and two tensors with a byte-level tokenizer."""
    import gguf

    path = folder / "good.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_context_length(8)
    writer.add_embedding_length(4)
    writer.add_feed_forward_length(4)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["<s>", "</s>", "s", "o", "so"])
    writer.add_token_types([3, 3, 1, 1, 1])
    writer.add_token_merges(["s o"])
    writer.add_tensor("token_embd.weight", np.ones((5, 4), np.float32))
    writer.add_tensor("blk.0.attn_q.weight", np.ones((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def read_gguf(path):
    """Configuration, tokenizer and weights."""
    from harness.encoders.weights.gguf_file import GgufFile

    file = GgufFile(path)
    file.config()
    file.tokenizer()
    file.weights(1)


def tokenizer(folder):
    """A tokenizer.json of a few letters."""
    from tiny_models import save_tokenizer

    save_tokenizer(folder, bos=True)
    return (folder / "tokenizer.json").read_bytes()


def read_tokenizer(path):
    """As that of a model; what the Rust library prints of its own panics is left out."""
    from harness.encoders.weights import tokenizer_files

    quiet, stderr = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    sys.stderr.flush()
    os.dup2(quiet, 2)
    try:
        tokenizer_files.read_tokenizer(path, "backbone.tokenizer")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(quiet)


def adapter():
    """Settings of a LoRA adapter."""
    return json.dumps(
        {"peft_type": "LORA", "lora_alpha": 4, "bias": "none", "alpha_pattern": {"q": 2}, "r": 2}
    ).encode()


def read_adapter(path):
    """In a folder of its own."""
    from harness.encoders.weights.peft_adapter import read_config

    folder = path.with_suffix(".adapter")
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_bytes(path.read_bytes())
    read_config(folder)


def configuration():
    """Of a tiny Llama."""
    config = {
        "model_type": "llama", "vocab_size": 25, "hidden_size": 4, "num_attention_heads": 2, "num_hidden_layers": 1,
        "num_key_value_heads": 1, "intermediate_size": 8, "rope_theta": 1e4, "eos_token_id": 2,
    }  # fmt: skip
    return json.dumps(config).encode()


def read_configuration(path):
    """In a folder of its own."""
    from harness.encoders.weights import configuration

    folder = path.with_suffix(".model")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(path.read_bytes())
    configuration.read_configuration(folder, "backbone")


def modules():
    """Of a folder of sentence-transformers."""
    types = ("models.Transformer", "models.Pooling")
    return json.dumps(
        [
            {"idx": place, "name": str(place), "path": name, "type": f"sentence_transformers.{name}"}
            for place, name in enumerate(types)
        ]
    ).encode()


def read_modules(path):
    """Their list."""
    from harness.encoders.weights import sentence_transformers_folder

    sentence_transformers_folder.read_modules(path)


def history(folder):
    """A part of a history with two records."""
    import pyarrow.parquet as pq

    from harness.history.entry import FACTS, Entry
    from harness.history.schema import to_table
    from harness.records import Record

    record = Record("r", "c", "s", "ndcg@10", 0.5, "fraction", "higher", "m", "measured", 3, 0.4, 0.6)
    facts = dict.fromkeys(FACTS, "x") | {"created": datetime(2026, 1, 2, tzinfo=UTC), "changes": False}
    entry = Entry(**facts, records=[record, record], data={"c": "d"}, definitions={"s": "e"})
    pq.write_table(to_table(entry), folder / "good.parquet", compression="zstd")
    return (folder / "good.parquet").read_bytes()


def read_history(path):
    """As the only part of a history."""
    from harness.history import History

    folder = path.with_suffix(".history")
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    (folder / "runs" / "20260102T000000-aa.parquet").write_bytes(path.read_bytes())
    kept = History(folder)
    kept.summaries()
    kept.rows()


PARSERS = {
    "model.safetensors": (tensors, read_weights),
    "model.safetensors.index.json": (index, read_index),
    "model.gguf": (gguf, read_gguf),
    "tokenizer.json": (tokenizer, read_tokenizer),
    "adapter_config.json": (adapter, read_adapter),
    "config.json": (configuration, read_configuration),
    "modules.json": (modules, read_modules),
    "history.parquet": (history, read_history),
}
"""As `fuzzed.PARSERS`."""
