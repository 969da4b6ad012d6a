"""The dense twin of a LACONIC: the same backbone, pairs, steps and care, one dense vector a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.encoders import FitInput, Progress, register
from harness.encoders.llama_family.params import DenseTwinParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import torch

    from harness.collections.base import Pair
    from harness.encoders.backbones.model_size import Announced
    from harness.encoders.backbones.packed_encoder import PackedDense
    from harness.spec.params import Params
    from harness.training.params import TrainingParams
    from harness.vectors import Kind


@register("dense-twin")
class DenseTwin:
    """Pooled states, normalised."""

    Params: ClassVar[type[Params]] = DenseTwinParams
    kind: ClassVar[Kind] = "dense"
    libraries: ClassVar[tuple[str, ...]] = ("gguf", "numpy", "peft", "safetensors", "scipy", "tokenizers", "torch")

    def __init__(self, params: DenseTwinParams) -> None:
        self.params = params
        self.checkpoints: Path | None = None

    def needs(self) -> FitInput:
        """Pairs, if it is trained."""
        return "nothing" if self.params.training is None else "pairs"

    def fingerprint(self) -> str:
        """Of the backbone's files."""
        return self.params.backbone.fingerprint()

    def width(self) -> int | None:
        """Known when the backbone is read, unless the spec says it."""
        return self.params.dimensions

    def announced(self) -> Announced | None:
        """By the backbone's shape."""
        from harness.encoders.llama_family.size import llama

        return llama(self.params, dimensions=self.params.dimensions)

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Convert the backbone, and train it if the spec says so."""
        from harness.encoders.backbones.packed_encoder import pool
        from harness.encoders.llama_family import adapter_files
        from harness.encoders.llama_family.make import prepare, train_model
        from harness.encoders.weights.sentence_transformers_folder import Contract
        from harness.training.devices import writes

        params = self.params
        lengths = (params.query_length, params.document_length)
        model = prepare(
            params,
            Contract(
                "dense",
                params.query_prefix,
                params.document_prefix,
                *lengths,
                pooling=params.pooling,
                dimensions=params.dimensions,
                special_tokens=params.special_tokens,
                output=params.output,
                dtype=params.dtype,
                device=params.device,
            ),
        )
        hidden = model.backbone.shape.hidden
        if params.dimensions is not None and params.dimensions > hidden:
            raise UserError(
                f"the backbone gives {hidden} dimensions, not {params.dimensions}",
                key="dimensions",
                remedy=f"at most {hidden}",
            )
        facts: dict[str, object] = {"departures": params.departures(), "commits": dict(model.commits)}
        if params.adapter is not None:
            facts["adapter"] = adapter_files.apply(model, params.adapter, "dense", params)
        if params.training is not None:
            from harness.training.objectives import DenseObjective

            backbone = adapter_files.mark(model)
            factors: dict[str, torch.Tensor] = {}

            def objective(phase: TrainingParams) -> DenseObjective:
                return DenseObjective(lambda states, sizes: pool(states, sizes, model.contract), phase)

            facts |= train_model(model, objective, params, list(pairs or ()), seed, progress, self.checkpoints, factors)
            if factors and writes():
                adapter_files.save(directory / adapter_files.FOLDER, "dense", params, backbone, factors)
        if writes():
            model.save(directory)
        return facts

    def load(self, directory: Path, *, threads: int = 1) -> PackedDense:
        """Open what `fit` wrote."""
        from harness.encoders.backbones.packed_encoder import PackedDense
        from harness.encoders.llama_family.make import open_model

        model = open_model(directory, "dense", self.params, threads)
        return PackedDense(model, self.params.batch_size, self.params.facts())
