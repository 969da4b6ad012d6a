"""The folder of a published model in the layout of sentence-transformers: its kind, and a safe copy of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.encoders.weights.configuration import FILE as CONFIG
from harness.encoders.weights.configuration import read_configuration
from harness.encoders.weights.sentence_transformers_folder import POOLING, TRANSFORMER, read_modules
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.vectors import Kind

PoolingMode = Literal["mean", "cls", "last"]

MODULES = "modules.json"
ROUTES = ("router_config.json", CONFIG)
"""Where a Router says of which modules its routes are made: the present name of the file and the older one."""
SPARSE_MODULES = {"SpladePooling", "SparseAutoEncoder", "SparseStaticEmbedding", "CSRSparsity"}
WITH_WEIGHTS = {"Transformer", "MLMTransformer", "Dense", "StaticEmbedding", "SparseStaticEmbedding"} | {
    "SparseAutoEncoder",
    "CSRSparsity",
    "WordEmbeddings",
    "LSTM",
    "CNN",
    "LayerNorm",
    "WeightedLayerPooling",
}
"""Modules that load weights of their own."""
UNSAFE = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.py", ".git*", ".cache")
"""Files that are never copied: weights that can run code when they are read, other formats, code."""
MODES = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
"""Values of the key `pooling` -> the library's names."""


@dataclass(frozen=True)
class FolderModule:
    """A module of a model's folder.

    Attributes:
        type: Dotted name of its class.
        folder: Where its files lie.
    """

    type: str
    folder: Path

    @property
    def name(self) -> str:
        """Name of its class."""
        return self.type.rpartition(".")[2]


def modules_of(folder: Path) -> list[FolderModule]:
    """The modules of a model, a Router followed by the modules of all its routes; none without a modules.json.

    Raises:
        UserError: modules.json or the Router's file is damaged.
    """
    file = folder / MODULES
    if not file.is_file():
        return []
    listed = [FolderModule(module["type"], folder / module["path"]) for module in read_modules(file)]
    return [each for module in listed for each in (module, *_routed(module))]


def _routed(module: FolderModule) -> Iterator[FolderModule]:
    if module.name not in {"Router", "Asym"}:
        return
    file = next(
        (module.folder / name for name in ROUTES if (module.folder / name).is_file()), module.folder / ROUTES[0]
    )
    try:
        types = json.loads(file.read_text(encoding="utf-8"))["types"]
        yield from (FolderModule(str(type), module.folder / name) for name, type in types.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            "this does not say of which modules the model's two sides are made",
            file=file,
            key="model",
            remedy="get the file again, or save the model again with sentence-transformers",
        ) from None


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
        heads = read_configuration(folder, "model").get("architectures") or [""]
        if heads[0].endswith("ForMaskedLM"):
            return "sparse"
    raise UserError(
        f"the folder has no {MODULES}, so it does not say how its texts are pooled",
        file=folder,
        key="pooling",
        remedy='say it: type = "sentence-transformer" with pooling = "mean", "cls" or "last"; a causal language model '
        "can be a backbone of type laconic or dense-twin",
    )


def copy_model(source: Path, target: Path, kind: Kind, *, name: str, pooling: PoolingMode | None = None) -> None:
    """Copy a model's folder, weights as safetensors only.

    Args:
        source: Folder of the model.
        target: Does not exist.
        kind: What the spec takes it for.
        name: What the spec calls the model, for commands.
        pooling: How texts are pooled, written into a modules.json where the folder has none.

    Raises:
        UserError: It is of the other kind, which would load and give wrong scores that look right, or it is no model,
            or some of its weights are not safetensors, or it is an adapter without its base model.
    """
    its_kind = kind_of(source, pooling)
    if its_kind != kind:
        other = {"sparse": "sparse-encoder", "dense": "sentence-transformer"}[its_kind]
        raise UserError(f"this is a {its_kind} model", file=source, key="type", remedy=f'use type = "{other}"')
    _check_weights(source, kind, name)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*UNSAFE))
    if pooling is not None:
        _write_modules(target, pooling)


def _check_weights(folder: Path, kind: Kind, name: str) -> None:
    """Refuse what sentence-transformers would read from a pickle, or fill with random numbers."""
    if (folder / "adapter_config.json").is_file() and not list(folder.glob("model*.safetensors")):
        raise UserError(
            "this is a LoRA adapter without its base model",
            file=folder,
            key="model",
            remedy="merge it into its base model with peft (merge_and_unload); types laconic and dense-twin take an "
            f"adapter as it is: backbone = {{ model = 'its base', adapter = '{name}' }}",
        )
    for module in modules_of(folder) or [FolderModule(TRANSFORMER, folder)]:
        if module.name not in WITH_WEIGHTS or list(module.folder.glob("*.safetensors")) or _reads_json(module):
            continue
        where = module.folder.name if module.folder != folder else "the model"
        raise UserError(
            f"{where} has no .safetensors; other weights are not read, as reading them can run code",
            file=folder,
            key="model",
            remedy=f"if you trust its authors, convert it: {conversion(folder, kind, name)}",
        )


def _reads_json(module: FolderModule) -> bool:
    """Whether it is a table of weights of tokens in a JSON file."""
    file = module.folder / CONFIG
    if module.name != "SparseStaticEmbedding" or not file.is_file():
        return False
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("path")).endswith(".json")
    except (ValueError, AttributeError):
        return False


def conversion(folder: Path, kind: Kind, name: str) -> str:
    """A command that writes a model's weights as safetensors into another folder."""
    target = f"models/{name.rstrip('/').rpartition('/')[2]}-safetensors"
    if (folder / MODULES).is_file():
        model = {"sparse": "SparseEncoder", "dense": "SentenceTransformer"}[kind]
        return f"python -c \"from sentence_transformers import {model} as M; M('{name}').save('{target}')\""
    model = {"sparse": "AutoModelForMaskedLM", "dense": "AutoModel"}[kind]
    return (
        f'python -c "from transformers import {model} as M, AutoTokenizer as T; '
        f"[C.from_pretrained('{name}').save_pretrained('{target}') for C in (M, T)]\""
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
    config = read_configuration(folder, "model")
    for key in ("hidden_size", "d_model", "dim", "n_embd"):
        size = config.get(key)
        if isinstance(size, int):
            return size
    raise UserError(
        "the configuration has no hidden_size", file=folder / CONFIG, key="model", remedy="use another model"
    )
