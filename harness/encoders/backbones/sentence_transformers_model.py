"""What dense and sparse models of sentence-transformers share."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from harness.encoders.base import Declared, EncoderBase, Probe
from harness.encoders.hardware import arithmetic, described
from harness.encoders.weights.configuration import FILE as CONFIG
from harness.encoders.weights.configuration import read_configuration
from harness.encoders.weights.hub_files import commit_of
from harness.encoders.weights.sentence_transformers_folder import read_modules
from harness.encoders.weights.source import SourcedType
from harness.encoders.weights.stored import stored_dtype
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer, SparseEncoder

    from harness.collections.base import Pair
    from harness.encoders.base import Progress, Role
    from harness.encoders.hardware import Dtype
    from harness.encoders.weights.source import Source, SourceParams
    from harness.training.flops import Operations
    from harness.vectors import Kind, Vectors

Opened = TypeVar("Opened", "SentenceTransformer", "SparseEncoder")

BERT_LIKE = {"bert", "distilbert", "roberta", "xlm-roberta", "mpnet"}
SPARSE_MODULES = {"SpladePooling", "SparseAutoEncoder", "SparseStaticEmbedding", "CSRSparsity"}

LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy", "scipy")
"""Distributions whose versions decide what a model of sentence-transformers gives."""


class ReadyMade(SourcedType):
    """What the types of models that are trained already share; they differ in `kind`, `Params` and `load`."""

    kind: ClassVar[Kind]
    params: SourceParams

    def source(self) -> Source:
        """The model."""
        return self.params

    def gpus(self) -> int:
        """Those among its devices."""
        return self.params.gpus

    def declared(self) -> Declared:
        """The dtype alone."""
        return Declared(dtype=self.params.dtype)

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Copy the model's folder, so that the artefact stands alone; a model of the other kind is refused."""
        folder = self.params.place()
        copy_model(folder, directory / "model", self.kind)
        commit = commit_of(folder)
        return {} if commit is None else {"commits": {str(self.params.model): commit}}


def copy_model(source: Path, target: Path, kind: Kind) -> None:
    """Copy a model's folder, weights as safetensors only.

    Raises:
        UserError: It is of the other kind, which would load and give wrong scores that look right, or is no model.
    """
    its_kind = kind_of(source)
    if its_kind != kind:
        other = {"sparse": "sparse-encoder", "dense": "sentence-transformer"}[its_kind]
        raise UserError(f"this is a {its_kind} model", file=source, key="type", remedy=f'use type = "{other}"')
    if not list(source.rglob("*.safetensors")):
        raise UserError("the model has no .safetensors", file=source, key="model", remedy="convert its weights")
    unsafe = shutil.ignore_patterns("*.bin", "*.pt", "*.pth", "*.pkl", "*.onnx", "*.h5", "*.msgpack", "*.py", ".git*")
    shutil.copytree(source, target, ignore=unsafe)


def kind_of(folder: Path) -> Kind:
    """Kind of a folder's model by its modules; a bare masked language model counts as sparse (SPLADE).

    Raises:
        UserError: It says neither, or its modules.json or config.json is damaged.
    """
    file = folder / "modules.json"
    if file.is_file():
        names = {module["type"].rpartition(".")[2] for module in read_modules(file)}
        return "sparse" if names & SPARSE_MODULES else "dense"
    if (folder / CONFIG).is_file():
        heads = read_configuration(folder, "model").get("architectures") or [""]
        if heads[0].endswith("ForMaskedLM"):
            return "sparse"
    raise UserError(
        "the folder has no modules.json, so it does not say how its texts are pooled",
        file=folder,
        key="model",
        remedy="save it with sentence-transformers; for a Llama backbone use type laconic or dense-twin",
    )


def open_model(kind: type[Opened], folder: Path, dtype: Dtype, device: str) -> Opened:
    """A model of the library on this device, its weights in this dtype once.

    Args:
        kind: SentenceTransformer or SparseEncoder.
        folder: That `copy_model` wrote.
        dtype: As the spec names it.
        device: By torch's name.
    """
    wanted = arithmetic(dtype, device, stored_dtype(folder))
    model = kind(str(folder), device=device, local_files_only=True, model_kwargs={"dtype": wanted})
    # Modules that are no model of transformers do not take the argument.
    return model.to(wanted)


class Loaded(EncoderBase, ABC):
    """A model of sentence-transformers with its prefixes and lengths.

    Args:
        model: SentenceTransformer or SparseEncoder.
        params: Prefixes, length, batch size.
        head: Output columns computed for each token besides the backbone (a vocabulary), 0 without.
    """

    def __init__(self, model: SentenceTransformer | SparseEncoder, params: SourceParams, head: int) -> None:
        self.model, self.params, self.head = model, params, head
        model.eval()
        model.max_seq_length = min(params.max_length, int(model.max_seq_length or params.max_length))

    @abstractmethod
    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Documents to rows."""

    def batches(self, texts: Sequence[str], role: Role) -> Iterator[list[int]]:
        """Places of the texts, longest first, in batches as the spec has them; by tokens where it limits these."""
        from harness.encoders.backbones.batching import by_length

        most = self.params.batch_tokens
        lengths = list(map(len, texts)) if most is None else self.count_tokens(texts, role)
        return by_length([max(length, 1) for length in lengths], self.params.batch_size, most)

    def prefix(self, role: Role) -> str:
        """The spec's, or else the model's own prompt."""
        own = self.params.query_prefix if role == "query" else self.params.document_prefix
        return str((self.model.prompts or {}).get(role, "")) if own is None else own

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens after prefix and truncation, special tokens included, padding not."""
        prefix = self.prefix(role)
        tokens = self.model.tokenizer(
            [prefix + text for text in texts], truncation=True, max_length=self.model.max_seq_length
        )
        return [len(ids) for ids in tokens["input_ids"]]

    def count_flops(self, tokens: int) -> float:
        """2 per multiply-add: projections, attention, feed-forward, head.

        By formula for BERT and its like; by torch's counter, at three lengths, for other architectures.
        """
        config = self.model[0].auto_model.config
        if config.model_type not in BERT_LIKE:
            return self._counted.of(tokens)
        hidden = config.hidden_size
        inner = getattr(config, "intermediate_size", None) or config.hidden_dim
        layers = getattr(config, "num_hidden_layers", None) or config.n_layers
        per_layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
        head = 2 * tokens * (hidden * hidden + hidden * self.head) if self.head else 0
        return float(layers * per_layer + head)

    @property
    def dtype(self) -> str:
        """Of the weights, by name."""
        return str(self.model.dtype).removeprefix("torch.")

    def parameters(self) -> Mapping[str, float | str]:
        """Number, bytes, dtype and device of the weights."""
        weights = list(self.model.parameters())
        return {
            "parameters": float(sum(w.numel() for w in weights)),
            "weight bytes": float(sum(w.numel() * w.element_size() for w in weights)),
            "dtype": self.dtype,
            "device": described(str(self.model.device)),
        }

    def probe(self) -> Probe:
        """Its tokens and states; vectors with padding on the left where places are counted by rotation."""
        import torch

        model, tokenizer = self.model, self.model.tokenizer
        first = getattr(model[0], "auto_model", None)

        def ids(text: str, role: Role) -> list[int]:
            text = self.prefix(role) + text
            return list(tokenizer([text], truncation=True, max_length=model.max_seq_length)["input_ids"][0])

        @torch.inference_mode()
        def states(tokens: Sequence[int]) -> NDArray[np.float32]:
            row = torch.tensor([list(tokens)], device=model.device)
            rows = model[0]({"input_ids": row, "attention_mask": torch.ones_like(row)})["token_embeddings"]
            return np.asarray(rows[0].float().cpu().numpy(), np.float32)

        def on_left(texts: Sequence[str]) -> Vectors:
            side, tokenizer.padding_side = tokenizer.padding_side, "left"
            try:
                return self.encode_documents(texts)
            finally:
                tokenizer.padding_side = side

        rotary = hasattr(getattr(first, "config", None), "rope_parameters")
        return Probe(
            ids=ids,
            special=frozenset(getattr(tokenizer, "all_special_ids", ())),
            states=states if first is not None else None,
            # Absolute places are counted from the left edge: there, padding on the left is another input.
            on_left=on_left if rotary else None,
            dtype=self.dtype,
        )

    @cached_property
    def _counted(self) -> Operations:
        import torch

        from harness.training.flops import operations

        def run(length: int) -> None:
            mask = torch.ones((1, length), dtype=torch.long, device=self.model.device)
            self.model({"input_ids": mask, "attention_mask": mask})

        return operations(run, max(min(16, self.model.max_seq_length // 3), 1))
