"""The folder of a published model in the layout of sentence-transformers: its kind, and a safe copy of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.encoders.weights.configuration import FILE as CONFIG
from harness.encoders.weights.configuration import read_configuration
from harness.encoders.weights.folder_modules import MODULES, FolderModule, modules_of
from harness.encoders.weights.own_code import check_code, copy_code, needed_code
from harness.encoders.weights.sentence_transformers_folder import LIBRARY, POOLING, TRANSFORMER
from harness.encoders.weights.stored import check_whole, put, read_header, weight_files
from harness.encoders.weights.tokenizer_files import FILE as TOKENIZER
from harness.encoders.weights.tokenizer_files import check_vocabulary, read_tokenizer
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from harness.vectors import Kind

PoolingMode = Literal["mean", "cls", "last"]

SPARSE_MODULES = {"SpladePooling", "SparseAutoEncoder", "SparseStaticEmbedding", "CSRSparsity"}
NETWORKS = {"Transformer", "MLMTransformer"}
"""Modules that are networks of transformers."""
WITH_WEIGHTS = NETWORKS | {"Dense", "StaticEmbedding", "SparseStaticEmbedding", "SparseAutoEncoder", "LayerNorm"}
"""Modules that load weights of their own."""
SUPPORTED = WITH_WEIGHTS | {"Pooling", "Normalize", "SpladePooling", "Dropout", "Router", "Asym"}
"""Modules whose work is counted and whose sides are known; others of the library read words or images."""
ENCODERS_ALONE = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
}
"""Networks of which the library loads the encoder alone."""
LAYERS = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
"""Keys of the number of layers."""
MOST_LAYERS = 1000
"""As many are made at once without a thought."""
UNSAFE = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.py", ".git*", ".cache")
"""Files that are never copied: weights that can run code when they are read, other formats, code."""
MODES = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
"""Values of the key `pooling` -> the library's names."""


def kind_of(folder: Path, pooling: PoolingMode | None = None) -> Kind:
    """Kind of a folder's model by its modules; a bare masked language model counts as sparse (SPLADE).

    Args:
        folder: Of the model.
        pooling: How the spec says that texts are pooled, for a folder without modules.json.

    Raises:
        UserError: It says neither, or its modules.json or config.json is damaged; or it says itself how texts are
            pooled, and the spec does too.
    """
    if (folder / MODULES).is_file():
        if pooling is not None:
            raise UserError(
                f"the model says itself how its texts are pooled, in {MODULES}",
                file=folder,
                key="pooling",
                remedy="leave pooling out",
            )
        return "sparse" if {module.name for module in modules_of(folder)} & SPARSE_MODULES else "dense"
    if pooling is not None:
        return "dense"
    if (folder / CONFIG).is_file():
        if not needed_code(folder, []):
            read_configuration(folder, "model")
        heads = _settings(folder / CONFIG).get("architectures")
        if isinstance(heads, list) and str(next(iter(heads), "")).endswith("ForMaskedLM"):
            return "sparse"
    raise UserError(
        f"the folder has no {MODULES}, so it does not say how its texts are pooled",
        file=folder,
        key="pooling",
        remedy='say it: type = "sentence-transformer" with pooling = "mean", "cls" or "last"; a causal language model '
        "can be a backbone of type laconic or dense-twin",
    )


@dataclass(frozen=True)
class Wish:
    """What a spec says of a published model, for a copy of it.

    Attributes:
        kind: What the spec takes the model for.
        name: What the spec calls the model, for commands.
        pooling: How texts are pooled, for a folder without modules.json.
        code_revision: The commit of the model's own code; None lets no code run.
    """

    kind: Kind
    name: str
    pooling: PoolingMode | None = None
    code_revision: str | None = None


def copy_model(source: Path, target: Path, wish: Wish) -> dict[str, str]:
    """Copy a model's folder, weights as safetensors only, code only where its commit is pinned.

    Args:
        source: Folder of the model.
        target: Does not exist.
        wish: What the spec says of it.

    Returns:
        Repository -> commit, of code that was taken from another repository.

    Raises:
        UserError: It is of the other kind, which would load and give wrong scores that look right, or it is no model,
            or it is one that cannot be used here; the message says why and what to do.
    """
    _check_purpose(source)
    modules = modules_of(source)
    check_code(source, modules, wish.code_revision)
    its_kind = kind_of(source, wish.pooling)
    if its_kind != wish.kind:
        other = {"sparse": "sparse-encoder", "dense": "sentence-transformer"}[its_kind]
        raise UserError(f"this is a {its_kind} model", file=source, key="type", remedy=f'use type = "{other}"')
    _check_modules(source, modules)
    _check_weights(source, modules, wish)
    unsafe = [pattern for pattern in UNSAFE if pattern != "*.py" or wish.code_revision is None]
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*unsafe), copy_function=put)
    if wish.pooling is not None:
        _write_modules(target, wish.pooling)
    return {} if wish.code_revision is None else copy_code(target, modules_of(target), wish.code_revision)


def _check_purpose(folder: Path) -> None:
    about = _settings(folder / "config_sentence_transformers.json")
    compares = str(about.get("similarity_fn_name")).lower()
    if about.get("model_type") in {"MultiVectorEncoder", "CrossEncoder"} or compares == "maxsim":
        what = "scores pairs of texts" if about.get("model_type") == "CrossEncoder" else "gives a vector for each token"
        raise UserError(
            f"the model {what}, and an index here holds one vector for each text",
            file=folder,
            key="model",
            remedy="use a model with one vector for each text",
        )


def _check_modules(folder: Path, modules: Sequence[FolderModule]) -> None:
    if other := [module.name for module in modules if module.type.startswith(LIBRARY) and module.name not in SUPPORTED]:
        raise UserError(
            f"models with the module {other[0]} are not supported",
            file=folder,
            key="model",
            remedy="use a model of the families in docs/models.md",
        )


def _check_weights(folder: Path, modules: Sequence[FolderModule], wish: Wish) -> None:
    """Refuse what sentence-transformers would read from a pickle, or fill with random numbers."""
    if (folder / "adapter_config.json").is_file() and not list(folder.glob("model*.safetensors")):
        raise UserError(
            "this is a LoRA adapter without its base model",
            file=folder,
            key="model",
            remedy="merge it into its base model with peft (merge_and_unload); types laconic and dense-twin take an "
            f"adapter as it is: backbone = {{ model = 'its base', adapter = '{wish.name}' }}",
        )
    for module in modules or [FolderModule(TRANSFORMER, folder)]:
        if module.name not in WITH_WEIGHTS:
            continue
        if not list(module.folder.glob("*.safetensors")):
            where = module.folder.name if module.folder != folder else "the model"
            raise UserError(
                f"{where} has no .safetensors; other weights are not read, as reading them can run code",
                file=folder,
                key="model",
                remedy=f"if you trust its authors, convert it: {conversion(folder, wish)}",
            )
        check_whole(module.folder)


def check_networks(folder: Path, kind: Kind) -> None:
    """Compare the names and sizes of a model's weights with those of transformers' networks.

    Args:
        folder: That `copy_model` wrote.
        kind: Of the model.

    Raises:
        UserError: Weights are missing, and transformers would put random numbers in their place.
    """
    listed = modules_of(folder)
    for module in listed or [FolderModule(TRANSFORMER, folder)]:
        if module.name in NETWORKS:
            _check_sizes(module)
            _check_complete(module, "fill-mask" if kind == "sparse" and not listed else None)


def _check_sizes(module: FolderModule) -> None:
    """Refuse more layers than there are weights of, before any layer is made, and a tokenizer of another model."""
    settings = _settings(module.folder / CONFIG)
    weights = sum(len(read_header(file)) for file in weight_files(module.folder))
    for key in LAYERS:
        layers = settings.get(key)
        # Some networks use the weights of one layer several times.
        if isinstance(layers, int) and layers > max(weights, MOST_LAYERS):
            raise UserError(
                f"the configuration has {layers} layers, and there are {weights} weights",
                file=module.folder / CONFIG,
                key=key,
                remedy="use the config.json that belongs to the weights",
            )
    rows, tokenizer = settings.get("vocab_size"), module.folder / TOKENIZER
    if isinstance(rows, int) and tokenizer.is_file():
        check_vocabulary(read_tokenizer(tokenizer, "model"), rows, tokenizer, "model")


def _check_complete(module: FolderModule, task: str | None) -> None:
    """One network; nothing of its weights is loaded."""
    settings = _settings(module.folder / CONFIG)
    kind = str(settings.get("model_type"))
    if not settings or kind.startswith("t5gemma"):  # which of its halves is used, the library decides
        return
    import transformers

    task = "fill-mask" if module.name == "MLMTransformer" else task
    task = str(_settings(module.folder / "sentence_bert_config.json").get("transformer_task", task))
    name = {"fill-mask": "AutoModelForMaskedLM", "text-generation": "AutoModelForCausalLM"}.get(task)
    maker = getattr(transformers, name or ENCODERS_ALONE.get(kind, "AutoModel"))
    try:
        _, report = maker.from_pretrained(
            str(module.folder), device_map="meta", output_loading_info=True, local_files_only=True
        )
    except Exception as error:
        missing, what = [], f"transformers does not load the weights: {' '.join(str(error).split())[:300]}"
    else:
        # A pooler's output is read by no module here.
        missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
        what = f"{len(missing)} weights are not there, such as {next(iter(missing), '')}"
        if not missing:
            return
    raise UserError(
        f"{what}; a {kind} of transformers would be random in their place",
        file=module.folder,
        key="model",
        remedy="get the files again; a model that its own code builds otherwise needs code_revision",
    )


def _settings(file: Path) -> dict[str, JsonValue]:
    """Content of a JSON file; nothing where it is not there or damaged, which its own reader says."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def conversion(folder: Path, wish: Wish) -> str:
    """A command that writes a model's weights as safetensors into another folder."""
    target = f"models/{wish.name.rstrip('/').rpartition('/')[2]}-safetensors"
    if (folder / MODULES).is_file():
        model = {"sparse": "SparseEncoder", "dense": "SentenceTransformer"}[wish.kind]
        return f"python -c \"from sentence_transformers import {model} as M; M('{wish.name}').save('{target}')\""
    model = {"sparse": "AutoModelForMaskedLM", "dense": "AutoModel"}[wish.kind]
    return (
        f'python -c "from transformers import {model} as M, AutoTokenizer as T; '
        f"[C.from_pretrained('{wish.name}').save_pretrained('{target}') for C in (M, T)]\""
    )


def _write_modules(folder: Path, pooling: PoolingMode) -> None:
    """Say in the library's form that texts are pooled so, and made unit length or not as the spec says."""
    settings = {"embedding_dimension": _width(folder), "pooling_mode": MODES[pooling], "include_prompt": True}
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
    types = {"": TRANSFORMER, "1_Pooling": POOLING}
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": type}
        for place, (path, type) in enumerate(types.items())
    ]
    (folder / MODULES).write_text(json.dumps(listed), encoding="utf-8")


def _width(folder: Path) -> int:
    """Size of a backbone's states, under the names that transformers gives it."""
    config = _settings(folder / CONFIG)
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        size = config.get(key)
        if isinstance(size, int):
            return size
    raise UserError(
        "the configuration has no hidden_size", file=folder / CONFIG, key="model", remedy="use another model"
    )


def own_prompts(folder: Path) -> dict[str, str]:
    """Prompts that a model's folder gives its texts, by name; those that are empty are left out.

    Raises:
        UserError: config_sentence_transformers.json is damaged.
    """
    file = folder / "config_sentence_transformers.json"
    if not file.is_file():
        return {}
    try:
        prompts = json.loads(file.read_text(encoding="utf-8")).get("prompts") or {}
    except (ValueError, AttributeError, RecursionError):
        raise UserError("this is no JSON object", file=file, key="model", remedy="get the file again") from None
    return {str(name): str(prompt) for name, prompt in prompts.items() if prompt}
