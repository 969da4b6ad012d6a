"""What the types LACONIC and dense twin share: one way to make, to open and to describe a model on a Llama."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from harness.encoders.base import Declared
from harness.encoders.weights.source import SourcedType
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.encoders.backbones.packed_encoder import Model
    from harness.encoders.base import FitInput, ModelSize
    from harness.encoders.llama_family.params import LlamaParams
    from harness.encoders.weights.sentence_transformers_folder import Contract
    from harness.encoders.weights.source import Source
    from harness.training.estimate import Memory
    from harness.vectors import Kind


class LlamaEncoderType(SourcedType, ABC):
    """A backbone of the Llama family, prepared as the spec says; a subclass makes and trains its head."""

    kind: ClassVar[Kind]
    libraries: ClassVar[tuple[str, ...]] = ("torch", "tokenizers", "safetensors", "numpy", "scipy")
    params: LlamaParams

    def needs(self) -> FitInput:
        """Pairs, if it is trained."""
        return "nothing" if self.params.training is None else "pairs"

    def params_on(self, collection: str, task: str | None) -> LlamaParams:
        """With the prefixes of this collection."""
        return self.params.on(collection, task)

    def source(self) -> Source:
        """The backbone, with its tokenizer and adapter."""
        return self.params.backbone

    def fingerprint(self) -> str:
        """Of the backbone's files, and of the adapter's where the spec names one."""
        from harness.encoders.llama_family import adapter_files

        adapter = self.params.adapter
        return super().fingerprint() + ("" if adapter is None else adapter_files.digest(adapter))

    @classmethod
    def libraries_with(cls, params: LlamaParams) -> tuple[str, ...]:
        """With those that only some settings need: gguf, transformers, peft and accelerate."""
        phases = [phase for phase in (params.training, params.finetuning) if phase is not None]
        needed = {
            "gguf": params.backbone.is_gguf,
            "transformers": not params.backbone.is_gguf,
            "peft": any(phase.lora_rank for phase in phases),
            "accelerate": bool(phases) and params.processes > 1,
        }
        return (*cls.libraries, *(name for name, wanted in needed.items() if wanted), *params.backend_libraries)

    def announced(self) -> ModelSize | None:
        """By the backbone's shape."""
        from harness.encoders.llama_family.size import llama_size

        return llama_size(self.params, self.contract())

    def training_memory(self) -> Mapping[str, Memory]:
        """By the backbone's shape, for `training` and `finetuning`."""
        from harness.encoders.llama_family.size import shape_of
        from harness.training.estimate import BACKBONES, Layout, training_memory

        params = self.params
        phases = {
            name: phase
            for name, phase in (("training", params.training), ("finetuning", params.finetuning))
            if phase is not None
        }
        if not phases:
            return {}
        shape = shape_of(params.backbone.model, params.layers)
        if shape is None:
            raise UserError(
                f"the shape of the backbone {params.backbone.model!r} is not known",
                key="backbone.model",
                remedy=f"give a folder with config.json, or one of {', '.join(BACKBONES)}",
            )
        layout = Layout(params.processes, params.sharded, 2 if params.frozen == "bfloat16" else 4)
        sparse = self.kind == "sparse"
        return {name: training_memory(shape, phase, sparse=sparse, layout=layout) for name, phase in phases.items()}

    def gpus(self) -> int:
        """Those among its devices."""
        return self.params.gpus

    def processes(self) -> int:
        """As the spec says; a model that is not trained is made in one."""
        return 1 if self.params.training is None else self.params.processes

    def declared(self) -> Declared:
        """As the spec says."""
        return Declared(self.params.attention, self.params.special_tokens, self.params.dtype)

    @abstractmethod
    def contract(self) -> Contract:
        """How texts are read and what becomes of the states; it is written beside the weights."""

    def _prepared(self, directory: Path) -> tuple[Model | None, dict[str, object]]:
        """The backbone with the spec's departures, and the facts that are known before any training.

        None where it is all of the model, and lies in `directory` now without having been loaded.
        """
        from harness.encoders.llama_family.make import lower, prepare
        from harness.encoders.llama_family.place import place

        params = self.params
        published, contract = params.backbone.open(), self.contract()
        hidden = published.config.get("hidden_size")
        if hidden is not None and contract.dimensions is not None and contract.dimensions > hidden:
            raise UserError(
                f"the backbone gives {hidden} dimensions, not {contract.dimensions}",
                key="dimensions",
                remedy=f"at most {hidden}",
            )
        if params.lowercase:
            published = replace(published, tokenizer=lower(published.tokenizer))
        facts: dict[str, object] = {"departures": params.departures(), "commits": dict(published.commits)}
        as_published = params.adapter is None and self.needs() != "pairs"
        if as_published and place(published, params, contract, directory):
            return None, facts
        return prepare(published, params, contract), facts

    def _opened(self, directory: Path, device: str) -> Model:
        from harness.encoders.llama_family.make import open_model

        return open_model(directory, self.kind, self.params, device).computed_by(self.params, directory)

    def _exported(self, directory: Path) -> dict[str, object]:
        """The facts of the graph that is written beside the model, where the spec asks for one."""
        from harness.training.devices import writes

        if self.params.backend == "torch" or not writes():
            return {}
        from harness.encoders.backbones.onnx_export import export
        from harness.encoders.llama_family.make import open_model

        return export(open_model(directory, self.kind, self.params, "cpu"), directory, self.params)

    def _shared_contract(self) -> Contract:
        """What the contracts of both kinds say alike."""
        from harness.encoders.weights.sentence_transformers_folder import Contract

        params = self.params
        return Contract(
            self.kind,
            params.query_prefix,
            params.document_prefix,
            params.query_length,
            params.document_length,
            special_tokens=params.special_tokens,
            dtype=params.dtype,
            device=", ".join(params.devices),
        )
