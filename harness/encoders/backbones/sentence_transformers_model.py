"""What dense and sparse models of sentence-transformers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from harness.encoders.backbones.model_side import ModelSide
from harness.encoders.base import Declared, EncoderBase, Probe
from harness.encoders.hardware import arithmetic, described, not_ours
from harness.encoders.weights.hub_files import commit_of
from harness.encoders.weights.prompts import registered_prompts
from harness.encoders.weights.published_folder import Wish, check_networks, copy_model, own_prompts
from harness.encoders.weights.source import SourcedType, local
from harness.encoders.weights.stored import stored_dtype
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import torch
    from sentence_transformers import SentenceTransformer, SparseEncoder

    from harness.collections.base import Pair
    from harness.encoders.base import Progress, Role
    from harness.encoders.weights.published_folder import PoolingMode
    from harness.encoders.weights.source import Source, SourceParams
    from harness.vectors import Kind, Vectors

Opened = TypeVar("Opened", "SentenceTransformer", "SparseEncoder")

LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy", "scipy")
"""Distributions whose versions decide what a model of sentence-transformers gives."""


class ReadyMade(SourcedType):
    """What the types of models that are trained already share; they differ in `kind`, `Params` and `load`."""

    kind: ClassVar[Kind]
    params: SourceParams

    def params_on(self, collection: str, task: str | None) -> SourceParams:
        """With the prefixes of this collection."""
        return self.params.on(collection, task)

    def source(self) -> Source:
        """The model."""
        return self.params

    def gpus(self) -> int:
        """Those among its devices."""
        return self.params.gpus

    def declared(self) -> Declared:
        """The dtype alone."""
        return Declared(dtype=self.params.dtype)

    def pooling(self) -> PoolingMode | None:
        """How texts are pooled where the model's folder does not say it; None where the spec does not either."""
        return None

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
        wish = Wish(self.kind, self.params.model or str(folder), self.pooling(), self.params.code_revision)
        code = copy_model(folder, directory / "model", wish)
        if self.params.code_revision is None and not self._complete(directory / "model"):
            check_networks(directory / "model", self.kind)
        commit = commit_of(folder)
        return {
            **self._exported(directory),
            "commits": code if commit is None else {str(self.params.model): commit, **code},
            "warnings": self._warnings(directory / "model"),
        }

    def _exported(self, directory: Path) -> dict[str, object]:
        """The facts of the graph that is written beside the model, where the spec asks for one."""
        if self.params.backend == "torch":
            return {}
        from harness.encoders.backbones.bert import open_bert
        from harness.encoders.backbones.onnx_export import export

        plain = open_bert(directory / "model", self.params, "cpu") if self.params.code_revision is None else None
        if plain is None:
            not_ours(self.params, "sentence-transformers")
            return {}
        return export(plain, directory, self.params)

    @classmethod
    def libraries_with(cls, params: SourceParams) -> tuple[str, ...]:
        """With those of the backend."""
        return (*cls.libraries, *params.backend_libraries)

    def _warnings(self, folder: Path) -> list[str]:
        """A model that mteb gives prompts, and that neither the spec nor its own folder gives any."""
        given = self.params.model_dump(include={"query_prefix", "document_prefix", "prefixes"}, exclude_defaults=True)
        name = self.params.model
        if given or name is None or local(name) is not None or own_prompts(folder):
            return []
        prompts = registered_prompts(name)
        if prompts is None:
            return []
        return [f"It is encoded without prompts, and mteb gives {name} these: {prompts}. Set query_prefix."]

    def _complete(self, folder: Path) -> bool:
        """Whether our own BERT takes all weights: it is strict, and asks without importing transformers."""
        from safetensors import SafetensorError

        from harness.encoders.backbones.bert import open_bert

        try:
            return open_bert(folder, self.params, "cpu") is not None
        except SafetensorError:  # whoever looks closer says so
            return False


def open_model(kind: type[Opened], folder: Path, params: SourceParams, device: str) -> Opened:
    """A model of the library on this device, its weights in one dtype; its own code is run where the spec pins it.

    Args:
        kind: SentenceTransformer or SparseEncoder.
        folder: That `copy_model` wrote.
        params: Of the encoder.
        device: By torch's name.

    Raises:
        UserError: It needs code of its own, and the spec does not pin it.
    """
    wanted = arithmetic(params.dtype, device, stored_dtype(folder))
    trusted = params.code_revision is not None
    try:
        model = kind(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=trusted,
            model_kwargs={"dtype": wanted},
        )
    except ValueError as error:
        if trusted or "trust_remote_code" not in str(error):
            raise
        raise UserError(
            "a part of the model needs code of its own, which is not run unless the spec pins it",
            key="code_revision",
            remedy="read the code; if you trust it, give code_revision its commit",
        ) from None
    # Modules that are no model of transformers do not take the argument.
    return model.to(wanted)


class Loaded(EncoderBase, ABC):
    """A model of sentence-transformers with its prefixes and lengths; its two sides may be different models.

    Args:
        model: SentenceTransformer or SparseEncoder.
        params: Prefixes, length, batch size.
    """

    def __init__(self, model: SentenceTransformer | SparseEncoder, params: SourceParams) -> None:
        not_ours(params, "sentence-transformers")
        self.model, self.params = model, params
        model.eval()
        self.documents = ModelSide(model, "document", params.max_length)
        self.queries = ModelSide(model, "query", params.max_length)

    @abstractmethod
    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Documents to rows."""

    @abstractmethod
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries to rows."""

    def batches(self, texts: Sequence[str], role: Role) -> Iterator[list[int]]:
        """Places of the texts, longest first, in batches as the spec has them; by tokens where it limits these."""
        from harness.encoders.backbones.batching import by_length

        most = self.params.batch_tokens
        lengths = list(map(len, texts)) if most is None else self.count_tokens(texts, role)
        return by_length([max(length, 1) for length in lengths], self.params.batch_size, most)

    def prefix(self, role: Role) -> str:
        """The spec's, or else the model's own prompt."""
        return self.params.prefix_of(role, self.model.prompts or {})

    @property
    def one_model(self) -> bool:
        """Whether queries pass the same modules as documents."""
        return list(map(id, self.documents.modules)) == list(map(id, self.queries.modules))

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens after prefix and truncation, special tokens included, padding not."""
        return [len(ids) for ids in self._ids(texts, role)]

    def count_flops(self, tokens: int) -> float:
        """2 per multiply-add of a document: projections, attention, feed-forward, head."""
        return self.documents.flops(tokens)

    def count_query_flops(self, tokens: int) -> float:
        """The same of a query; 0 where its tokens are only looked up."""
        return self.queries.flops(tokens)

    @property
    def dtype(self) -> str:
        """Of the weights, by name."""
        return str(self.model.dtype).removeprefix("torch.")

    def parameters(self) -> Mapping[str, float | str]:
        """Number, bytes, dtype and device of the weights; number and bytes of a query side that is another model."""
        facts = size_of("", list(self.model.parameters()))
        if not self.one_model:
            facts |= size_of("query ", self.queries.weights())
        return {**facts, "dtype": self.dtype, "device": described(str(self.model.device))}

    def probe(self) -> Probe:
        """Tokens and states of documents; the same of queries where they pass other modules."""
        inside = self._probe("document")
        return inside if self.one_model else replace(inside, queries=self._probe("query"))

    def _ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        prefix = self.prefix(role)
        return self._side(role).ids([prefix + text for text in texts])

    def _side(self, role: Role) -> ModelSide:
        return self.queries if role == "query" else self.documents

    def _probe(self, role: Role) -> Probe:
        """A look inside one side.

        Vectors with padding on the left are there where places are counted by rotation. Absolute places are counted
        from the left edge: there, padding on the left is another input.
        """
        side = self._side(role)
        encode = self.encode_queries if role == "query" else self.encode_documents
        tokenizer = side.first.tokenizer

        def on_left(texts: Sequence[str]) -> Vectors:
            before, tokenizer.padding_side = tokenizer.padding_side, "left"
            try:
                return encode(texts)
            finally:
                tokenizer.padding_side = before

        network = getattr(side.first, "auto_model", None)
        rotary = hasattr(getattr(network, "config", None), "rope_parameters")
        return Probe(
            ids=lambda text, role: self._ids([text], role)[0],
            special=frozenset(getattr(tokenizer, "all_special_ids", ())),
            states=side.states if network is not None else None,
            on_left=on_left if rotary else None,
            dtype=self.dtype,
        )


def size_of(of: str, weights: Sequence[torch.nn.Parameter]) -> dict[str, float]:
    """How many weights there are, and how many bytes they take, as facts of a report whose names begin with `of`."""
    return {
        f"{of}parameters": float(sum(w.numel() for w in weights)),
        f"{of}weight bytes": float(sum(w.numel() * w.element_size() for w in weights)),
    }
