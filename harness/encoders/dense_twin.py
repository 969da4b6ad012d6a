"""The dense twin of a LACONIC: the same backbone, pairs, steps and care, one dense vector a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from harness.encoders import Encoder, Progress, register
from harness.encoders.llama_family.encoder_type import LlamaEncoderType
from harness.encoders.llama_family.params import DenseTwinParams
from harness.encoders.replicas import on_devices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import torch

    from harness.collections.base import Pair
    from harness.encoders.weights.sentence_transformers_folder import Contract
    from harness.spec.params import Params
    from harness.training.examples import Examples
    from harness.training.params import TrainingParams
    from harness.vectors import Kind


@register("dense-twin")
class DenseTwin(LlamaEncoderType):
    """Pooled states, normalised."""

    Params: ClassVar[type[Params]] = DenseTwinParams
    kind: ClassVar[Kind] = "dense"
    params: DenseTwinParams

    def width(self) -> int | None:
        """Known when the backbone is read, unless the spec says it."""
        return self.params.dimensions

    def contract(self) -> Contract:
        """Dense, pooled and rounded as the spec says."""
        params = self.params
        return replace(
            self._shared_contract(), pooling=params.pooling, dimensions=params.dimensions, output=params.output
        )

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
        from harness.training.examples import examples

        facts = self._make(directory, examples(pairs or ()), seed, progress)
        return facts | self._exported(directory)

    def _make(self, directory: Path, given: Examples, seed: int, progress: Progress | None) -> dict[str, object]:
        from harness.encoders.backbones.packed_encoder import pool
        from harness.encoders.llama_family import adapter_files
        from harness.encoders.llama_family.make import train_model
        from harness.training.devices import writes

        params = self.params
        model, facts = self._prepared(directory)
        if model is None:
            return facts
        factors: dict[str, torch.Tensor] = {}
        if params.adapter is not None:
            facts["adapter"], factors = adapter_files.add(model, params.adapter, "dense", params)
        if params.training is not None:
            from harness.training.objectives import DenseObjective

            backbone = adapter_files.mark(model)

            def objective(phase: TrainingParams) -> DenseObjective:
                return DenseObjective(lambda states, sizes: pool(states, sizes, model.contract), phase)

            facts |= train_model(model, objective, params, given, seed, progress, self.checkpoints, factors)
            if factors and writes():
                adapter_files.save(directory / adapter_files.FOLDER, "dense", params, backbone, factors)
        if writes():
            model.save(directory)
        return facts

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open what `fit` wrote."""
        from harness.encoders.backbones.packed_encoder import PackedDense

        def on(device: str) -> PackedDense:
            return PackedDense(self._opened(directory, device), self.params, self.params.facts())

        return on_devices(self.params, threads, on)
