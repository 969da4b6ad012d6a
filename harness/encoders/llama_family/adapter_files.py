"""Small files that turn a pretrained backbone into a trained model: low-rank factors, and weights of the terms.

``adapter.safetensors`` holds for each projection ``NAME.down`` (rank x in) and ``NAME.up`` (out x rank), whose product
is added to its weight, and for a sparse model ``terms.scale`` and ``terms.bias``: a term's logit is
``scale * (head row x state + bias)``. ``adapter.json`` says what it was trained on top of.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from harness.errors import UserError
from harness.spec.paths import expanded
from harness.spec.shipped import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from pydantic import JsonValue

    from harness.encoders.backbones.packed_encoder import Model
    from harness.encoders.llama_family.params import LlamaParams

FOLDER = "adapter"
"""Where a trained model's folder has its adapter."""
TENSORS, ABOUT = "adapter.safetensors", "adapter.json"
BASE = ("layers", "embedding_scale", "attention", "lowercase", "query_prefix", "document_prefix", "special_tokens")
"""Parameters with which an adapter was trained and must be used."""


class About(TypedDict):
    """What adapter.json says: the kind, `mark` of the backbone, the settings of `BASE`, and more for a reader."""

    kind: str
    backbone: dict[str, float]
    base: dict[str, JsonValue]


def find(name: str) -> Path:
    """A folder with an adapter: a path, or the name of one that ships with the program such as ``mini/laconic``.

    Raises:
        UserError: There is none.
    """
    for root in (Path(), *FOLDERS):
        folder = root / expanded(name, "adapter")
        if (folder / TENSORS).is_file() and (folder / ABOUT).is_file():
            return folder
    raise UserError(
        f"there is no adapter {name!r}",
        key="adapter",
        remedy=f"give a folder with {TENSORS} and {ABOUT}, or mini/laconic or mini/dense-twin, which are shipped",
    )


def digest(name: str) -> str:
    """SHA-256 of an adapter's two files.

    Raises:
        UserError: There is none.
    """
    folder = find(name)
    return hashlib.sha256(b"".join((folder / file).read_bytes() for file in (ABOUT, TENSORS))).hexdigest()


def save(
    folder: Path,
    kind: str,
    params: LlamaParams,
    backbone: Mapping[str, float],
    factors: Mapping[str, torch.Tensor],
    terms: Mapping[str, torch.Tensor] | None = None,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Write an adapter, in float32: what is loaded has the vectors of what was trained.

    Args:
        folder: Made if it is missing.
        kind: ``sparse`` or ``dense``.
        params: Of the model that was trained.
        backbone: What `mark` returned for it before training.
        factors: ``NAME.down`` and ``NAME.up``.
        terms: ``scale``, ``bias`` and ``table`` (of queries), one for each term.
        facts: More for a reader.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {**factors, **{f"terms.{name}": tensor for name, tensor in (terms or {}).items()}}
    save_file({name: t.detach().float().contiguous() for name, t in tensors.items()}, str(folder / TENSORS))
    about = {"kind": kind, "backbone": dict(backbone), "base": _base(params), **(facts or {})}
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def apply(model: Model, name: str, kind: str, params: LlamaParams) -> About:
    """Add an adapter to a model that `prepare` made, in place, and return what adapter.json says.

    Raises:
        UserError: It is missing or damaged, or was trained as another kind or on top of something else.
    """
    about, tensors = add(model, name, kind, params)
    weigh(model, {key: tensors[f"terms.{key}"] for key in ("scale", "bias") if f"terms.{key}" in tensors})
    return about


def add(model: Model, name: str, kind: str, params: LlamaParams) -> tuple[About, dict[str, torch.Tensor]]:
    """Add an adapter's products to the backbone's weights, in place; the head stays as it is.

    Returns:
        What adapter.json says, and all tensors of the adapter in float32.

    Raises:
        UserError: See `apply`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = find(name)
    about = _about(folder / ABOUT)
    wanted = {"kind": kind, "backbone": mark(model), **_base(params)}
    trained = {"kind": about["kind"], "backbone": about["backbone"], **about["base"]}
    for key, value in trained.items():
        if wanted.get(key) != value:
            raise UserError(
                f"the adapter was trained with {key} = {value!r}, not {wanted.get(key)!r}",
                file=folder / ABOUT,
                key=key,
                remedy="use the settings that adapter.json names",
            )
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(str(folder / TENSORS)).items()}
    except SafetensorError as error:
        raise UserError(
            f"the adapter's weights are damaged: {error}",
            file=folder / TENSORS,
            key="adapter",
            remedy="copy them again",
        ) from None
    weights = dict(model.backbone.named_parameters())
    for name in sorted(name.removesuffix(".up") for name in tensors if name.endswith(".up")):
        weights[f"{name}.weight"].data += tensors[f"{name}.up"] @ tensors[f"{name}.down"]
    return about, tensors


def joined(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Low-rank factors whose product is the sum of the products of these: ranks add up.

    Args:
        parts: ``NAME.down`` and ``NAME.up`` of the same projections; other tensors are left out.
    """
    import torch

    names = (name for name in parts[0] if name.endswith((".down", ".up")))
    return {name: torch.cat([part[name] for part in parts], dim=0 if name.endswith(".down") else 1) for name in names}


def table(name: str) -> torch.Tensor:
    """The weights of looked-up queries that an adapter was trained with, one for each term of the vocabulary.

    Raises:
        UserError: It was trained without a table.
    """
    from safetensors import safe_open

    file = find(name) / TENSORS
    with safe_open(str(file), "pt") as tensors:
        if "terms.table" not in tensors.keys():  # noqa: SIM118 - it is no mapping
            raise UserError(
                "the adapter was trained without a table of queries",
                file=file,
                key="lookup",
                remedy='use another lookup, or queries = "model"',
            )
        weights: torch.Tensor = tensors.get_tensor("terms.table")
    return weights


def _about(file: Path) -> About:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        about: About = content
        complete = all(about["backbone"].values()) and bool(about["kind"]) and "attention" in about["base"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        complete = False
    if not complete:
        raise UserError(
            "this does not say what the adapter was trained on",
            file=file,
            key="adapter",
            remedy="name a folder that a training of this program has written",
        )
    return about


def mark(model: Model) -> dict[str, float]:
    """What tells a backbone from others: sizes, and a sum of its weights (installers write their own file digests)."""
    embedding = model.backbone.embed_tokens.weight
    return {
        "vocabulary": embedding.shape[0],
        "hidden": embedding.shape[1],
        "sum of 64 embeddings": round(embedding[:64].double().abs().sum().item(), 2),
    }


def weigh(model: Model, terms: Mapping[str, torch.Tensor]) -> None:
    """Give the head `scale` and `bias` of each term, where there are any; a scale of 0 switches a term off."""
    import torch

    scale, bias = terms.get("scale"), terms.get("bias")
    if scale is not None:
        model.head, model.own_head = model.head.detach() * scale[:, None], True
        bias = None if bias is None else bias * scale
    if bias is not None:
        model.bias = torch.nn.Parameter(bias)


def _base(params: LlamaParams) -> dict[str, JsonValue]:
    return params.model_dump(mode="json", include=set(BASE))
