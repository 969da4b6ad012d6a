"""Making and opening a model on a Llama backbone: the same steps for LACONIC and its dense twin."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from harness.encoders.backbones.batching import Tokeniser
from harness.encoders.backbones.llama import Llama, Shape
from harness.encoders.backbones.packed_encoder import Model
from harness.encoders.hardware import arithmetic, present
from harness.encoders.llama_family.adapter_files import joined
from harness.encoders.weights.sentence_transformers_folder import Contract, read
from harness.errors import UserError, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from harness.encoders.backbones.transformers_decoder import Decoder
    from harness.encoders.base import Progress
    from harness.encoders.llama_family.params import LlamaParams
    from harness.encoders.weights.configuration import Configuration
    from harness.encoders.weights.pretrained import Pretrained
    from harness.training.examples import Examples
    from harness.training.objectives import Objective
    from harness.training.params import TrainingParams

SCALED = ("o_proj", "down_proj")
"""What a layer adds to the stream comes out of these."""


def prepare(published: Pretrained, params: LlamaParams, contract: Contract) -> Model:
    """The pretrained backbone with the spec's departures applied, in float32 or as `frozen` says.

    Weights that are stored in that dtype stay mapped: all processes of a machine read one copy.

    Scaling the input embedding by s is done where it costs no second copy of it: the stream divided by s is the plain
    embedding plus what each layer adds divided by s, and every layer reads the stream through a norm, which divides
    s out again (its epsilon is divided by s squared).

    Raises:
        UserError: The backbone is not supported, or has fewer layers.
    """
    config = configure(published.config, params)
    if params.frozen != "float32" and config.get("model_type") != "llama":
        raise UserError(
            f"a backbone of type {config.get('model_type')!r} is not trained beside weights in {params.frozen}",
            key="frozen",
            remedy="leave it out, or use a Llama",
        )
    scale = params.embedding_scale
    weights = published.weights(config["num_hidden_layers"])
    tensors = {name: _frozen(name, tensor, params) for name, tensor in weights.items()}
    if scale != 1.0:
        tensors = {n: t / scale if n.endswith(tuple(f"{p}.weight" for p in SCALED)) else t for n, t in tensors.items()}
    head = tensors.pop("lm_head.weight", None)
    if config.get("tie_word_embeddings", False):
        head = None
    backbone = _backbone(config, {name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    return Model(
        backbone,
        backbone.shape,
        backbone.embed_tokens.weight.detach() if head is None else head,
        None,
        head is not None,
        published.tokenizer,
        contract,
        config,
        published.commits,
    )


def _frozen(name: str, tensor: torch.Tensor, params: LlamaParams) -> torch.Tensor:
    """A weight in the dtype in which a training holds it; norms are small and decide the dtype of the stream."""
    if params.training is None or params.frozen == "float32" or "norm" in name:
        return tensor.float()
    return tensor.bfloat16()


def configure(published: Configuration, params: LlamaParams) -> Configuration:
    """The published configuration with the spec's departures.

    Raises:
        UserError: The backbone is not supported, or has fewer layers.
    """
    kind, whole = published.get("model_type"), published.get("num_hidden_layers")
    if whole is None:
        raise UserError(
            f"a backbone of type {kind!r} is not supported: its configuration has no num_hidden_layers",
            key="backbone",
            remedy="use a Llama, or a decoder that is built like one",
        )
    layers = whole if params.layers is None else params.layers
    if layers > whole:
        raise UserError(f"the backbone has {whole} layers, not {layers}", key="layers", remedy=f"at most {whole}")
    if params.embedding_scale != 1.0 and kind != "llama":
        raise UserError(
            f"the input embedding of a backbone of type {kind!r} is not scaled here",
            key="embedding_scale",
            remedy="leave it out, or use a Llama",
        )
    config: Configuration = {
        **published,
        "num_hidden_layers": layers,
        "is_causal": params.attention == "causal",
        "rms_norm_eps": float(published.get("rms_norm_eps", 1e-6)) / params.embedding_scale**2,
    }
    if kinds := published.get("layer_types"):
        config["layer_types"] = kinds[:layers]
    return config


def lower(tokenizer: str) -> str:
    """The text of a tokenizer.json that first brings texts into lower case."""
    content = json.loads(tokenizer)
    first, rest = {"type": "Lowercase"}, content.get("normalizer")
    content["normalizer"] = first if rest is None else {"type": "Sequence", "normalizers": [first, rest]}
    return json.dumps(content, ensure_ascii=False)


def open_model(folder: Path, kind: Literal["sparse", "dense"], params: LlamaParams, device: str) -> Model:
    """Open what `Model.save` wrote, for encoding, in the spec's dtype and on this device.

    Raises:
        UserError: No such folder, or a model of the other kind.
    """
    # What auto means does not depend on the file here: a model that was trained is stored in float32.
    dtype = arithmetic(params.dtype, device, torch.bfloat16)
    contract, config, weights = read(folder, dtype, device)
    # The prefixes of one collection may be others than those that the model was made with.
    contract = replace(contract, query_prefix=params.query_prefix, document_prefix=params.document_prefix)
    if contract.kind != kind:
        raise UserError(f"the folder holds a {contract.kind} model, not a {kind} one", file=folder)
    backbone = _backbone(config, weights.layers)
    head = backbone.embed_tokens.weight.detach() if weights.head is None else weights.head
    bias = None if weights.bias is None else weights.bias.float().to(device)
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return Model(backbone, backbone.shape, head, bias, weights.head is not None, tokenizer, contract, config)


def train_model(
    model: Model,
    objective: Callable[[TrainingParams], Objective],
    params: LlamaParams,
    pairs: Examples,
    seed: int,
    progress: Progress | None,
    checkpoints: Path | None = None,
    factors: dict[str, torch.Tensor] | None = None,
) -> dict[str, object]:
    """Train the backbone in place, phase by phase, and return facts: steps, pairs, seconds, the curve.

    Args:
        model: Prepared.
        objective: Head and loss of a phase; what it trains itself goes on in the next.
        params: Of the encoder. Adapters are merged after each phase, so that the next starts from the merged weights.
        pairs: Their hard negatives are used where a phase asks for some.
        seed: See `harness.training.loop.train`.
        progress: Called after each step.
        checkpoints: A folder of this training alone.
        factors: Those of an adapter that the backbone has already, if any. Gets the adapters of all phases too, those
            of one projection joined: their product is the sum of all products. Empty where a phase trains all weights.

    Raises:
        UserError: There are no pairs, no hard negatives where they are asked for, or what the loop finds wrong.
    """
    from harness.training.batches import hold_out
    from harness.training.devices import find
    from harness.training.examples import Chosen, examples
    from harness.training.loop import train
    from harness.training.objectives import Batch, SparseObjective
    from harness.training.placement import whole

    if not pairs:
        raise UserError("the model needs training pairs", key="pairs", remedy="name a collection that has some")
    phases = [phase for phase in (params.training, params.finetuning) if phase is not None]
    if any(phase.negatives for phase in phases) and not pairs.with_negatives().any():
        raise UserError(
            "the training pairs have no hard negatives",
            key="training.negatives",
            remedy="find some: laconic-bench mine --help",
        )
    devices = find(present(params.devices)[0], sharded=params.sharded)
    tokeniser = Tokeniser(model.tokenizer, model.contract)
    # Adapters on scaled projections shrink with them.
    scales = dict.fromkeys(SCALED, 1 / params.embedding_scale) if params.embedding_scale != 1.0 else None
    curve: list[dict[str, float]] = []
    flops: dict[str, float] = {}
    started, pairs_seen, steps = time.perf_counter(), 0, sum(phase.steps for phase in phases)
    adapters: list[dict[str, torch.Tensor]] = []
    # The same for all phases: a pair that validates one phase must not have trained another.
    rest, held = hold_out(pairs, max(phase.validation_pairs for phase in phases), seed)
    learned = examples(rest)
    for number, phase in enumerate(phases, start=1):
        before, head = len(curve), objective(phase)
        chosen = learned
        if phase.only != "all":
            chosen = Chosen(learned, learned.with_negatives() == (phase.only == "with negatives"))

        # Looked-up queries have no prefix while they are searched.
        bare = "" if isinstance(head, SparseObjective) and head.table is not None else None

        def tokenise(
            queries: list[str],
            passages: list[str],
            symmetric: frozenset[int],
            phase: TrainingParams = phase,
            bare: str | None = bare,
        ) -> Batch:
            prefixed = [
                tokeniser.prefix("query" if place in symmetric else "document") + text
                for place, text in enumerate(passages)
            ]
            return Batch(
                tokeniser.ids(queries, "query", phase.query_length, bare),
                tokeniser.ids(prefixed, "document", phase.document_length, ""),
            )

        def tell(done: int, _: int | None, text: str, before: int = before) -> None:
            if progress:
                progress(before + done, steps, text)

        merged: dict[str, torch.Tensor] = {}
        rows = train(
            model.backbone,
            head,
            tokenise,
            chosen,
            phase,
            seed=seed + number - 1,
            lora_scale=scales,
            progress=tell,
            checkpoints=checkpoints / f"phase{number}" if checkpoints else None,
            terms=len(head.weight) if isinstance(head, SparseObjective) else None,
            factors=merged,
            held=held[: phase.validation_pairs],
            devices=devices,
        )
        adapters.append(merged)
        curve += [{**row, "step": before + row["step"]} for row in rows]
        pairs_seen += len(rows) * phase.pairs_per_step
        for part in ("forward", "backward"):
            flops[f"phase {number} {part}" if len(phases) > 1 else part] = sum(row[part] for row in rows)
    if devices.sharded:
        tensors = whole(model.backbone, devices)
        if tensors is not None:
            model.backbone = _backbone(model.config, tensors)
    if factors is not None:
        products = joined([factors, *adapters] if factors else adapters) if all(adapters) else {}
        factors.clear()
        factors.update(products)
    return {
        "steps": len(curve),
        "pairs": len(pairs),
        "pairs_seen": pairs_seen,
        "train_seconds": time.perf_counter() - started,
        "train_flops": flops,
        "curve": curve,
    }


def _backbone(config: Configuration, tensors: Mapping[str, torch.Tensor]) -> Llama | Decoder:
    """Our own Llama, or transformers' network for other types; weights are not initialised before they are replaced."""
    _check_layers(config, tensors)
    try:
        backbone = _llama(config, tensors) if config.get("model_type") == "llama" else _decoder(config, tensors)
    except RuntimeError as error:
        raise _unfit(line_of(error, -1)) from None
    backbone.eval().requires_grad_(False)
    return backbone


def check_shapes(config: Configuration, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Whether weights fit a configuration, without the weights.

    Args:
        config: Keys of config.json.
        shapes: Of the weights without a head, by the names of `Llama`.

    Raises:
        UserError: They do not, or the backbone is not supported.
    """
    _check_layers(config, shapes)
    with torch.device("meta"):
        if config.get("model_type") == "llama":
            needed = Llama(Shape.read(config)).state_dict()
        else:
            from harness.encoders.backbones.transformers_decoder import Decoder

            needed = Decoder(config).model.state_dict()
    for name in sorted(needed.keys() | shapes.keys()):
        there, wanted = shapes.get(name), tuple(needed[name].shape) if name in needed else None
        if there != wanted:
            raise _unfit(f"{name} should be {wanted or 'missing'}, and is {there or 'missing'}")


def _check_layers(config: Configuration, names: Iterable[str]) -> None:
    """Refuse more layers than there are weights of, before any layer is made."""
    there = {name.split(".")[1] for name in names if name.startswith("layers.")}
    if config["num_hidden_layers"] > len(there):
        raise _unfit(f"it has {config['num_hidden_layers']} layers, and there are weights of {len(there)}")


def _unfit(what: str) -> UserError:
    return UserError(
        f"the weights do not fit the configuration: {what}",
        key="backbone",
        remedy="use the config.json that belongs to the weights",
    )


def _llama(config: Configuration, tensors: Mapping[str, torch.Tensor]) -> Llama:
    with torch.device("meta"):
        backbone = Llama(Shape.read(config))
    backbone.load_state_dict(dict(tensors), strict=True, assign=True)
    return backbone


def _decoder(config: Configuration, tensors: Mapping[str, torch.Tensor]) -> Decoder:
    from harness.encoders.backbones.transformers_decoder import Decoder

    backbone = Decoder(config)
    backbone.load(tensors)
    return backbone
