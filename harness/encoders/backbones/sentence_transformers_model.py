"""What dense and sparse models of sentence-transformers share."""

from __future__ import annotations

import json
import shutil
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.encoders.weights.source import commit_of
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.collections.base import Pair
    from harness.encoders.base import FitInput, Progress
    from harness.encoders.weights.source import SourceParams
    from harness.vectors import Kind

BERT_LIKE = {"bert", "distilbert", "roberta", "xlm-roberta", "mpnet"}
SPARSE_MODULES = {"SpladePooling", "SparseAutoEncoder", "SparseStaticEmbedding", "CSRSparsity"}

LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy", "scipy")
"""Distributions whose versions decide what a model of sentence-transformers gives."""


class ReadyMade:
    """What the types of models that are trained already share; they differ in `kind`, `Params` and `load`."""

    kind: ClassVar[Kind]

    def __init__(self, params: Any) -> None:
        self.params = params

    def needs(self) -> FitInput:
        """It is trained already."""
        return "nothing"

    def fingerprint(self) -> str:
        """Of the model's files."""
        return str(self.params.fingerprint())

    def width(self) -> int | None:
        """Known when loaded."""
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
        folder = self.params.folder()
        bring(folder, directory / "model", self.kind)
        commit = commit_of(folder)
        return {} if commit is None else {"commits": {self.params.model: commit}}


def bring(source: Path, target: Path, kind: Kind) -> None:
    """Copy a model's folder, weights as safetensors only.

    Raises:
        UserError: It is of the other kind, which would load and give wrong scores that look right, or is no model.
    """
    found = kind_of(source)
    if found != kind:
        other = {"sparse": "sparse-encoder", "dense": "sentence-transformer"}[found]
        raise UserError(f"this is a {found} model", file=source, key="type", remedy=f'use type = "{other}"')
    if not list(source.rglob("*.safetensors")):
        raise UserError("the model has no .safetensors", file=source, key="model", remedy="convert its weights")
    unsafe = shutil.ignore_patterns("*.bin", "*.pt", "*.pth", "*.pkl", "*.onnx", "*.h5", "*.msgpack", "*.py", ".git*")
    shutil.copytree(source, target, ignore=unsafe)


def kind_of(folder: Path) -> Kind:
    """Kind of a folder's model by its modules; a bare masked language model counts as sparse (SPLADE).

    Raises:
        UserError: It says neither.
    """
    modules, config = folder / "modules.json", folder / "config.json"
    if modules.is_file():
        names = {module["type"].rpartition(".")[2] for module in json.loads(modules.read_text(encoding="utf-8"))}
        return "sparse" if names & SPARSE_MODULES else "dense"
    heads = json.loads(config.read_text(encoding="utf-8")).get("architectures") or [""] if config.is_file() else [""]
    if str(heads[0]).endswith("ForMaskedLM"):
        return "sparse"
    raise UserError(
        "the folder has no modules.json, so it does not say how its texts are pooled",
        file=folder,
        key="model",
        remedy="save it with sentence-transformers; for a Llama backbone use type laconic or dense-twin",
    )


class Loaded:
    """A model of sentence-transformers with its prefixes and lengths.

    Args:
        model: SentenceTransformer or SparseEncoder.
        params: Prefixes, length, batch size.
        head: Output columns computed for each token besides the backbone (a vocabulary), 0 without.
    """

    def __init__(self, model: Any, params: SourceParams, head: int) -> None:
        self.model, self.params, self.head = model, params, head
        model.eval()
        model.max_seq_length = min(params.max_length, int(model.max_seq_length or params.max_length))

    def prefix(self, role: Literal["document", "query"]) -> str:
        """The spec's, or else the model's own prompt."""
        asked = self.params.query_prefix if role == "query" else self.params.document_prefix
        return str((self.model.prompts or {}).get(role, "")) if asked is None else asked

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """Tokens after prefix and truncation, special tokens included, padding not."""
        prefix = self.prefix(role)
        found = self.model.tokenizer(
            [prefix + text for text in texts], truncation=True, max_length=self.model.max_seq_length
        )
        return [len(ids) for ids in found["input_ids"]]

    def count_flops(self, tokens: int) -> float:
        """2 per multiply-add: projections, attention, feed-forward, head.

        By formula for BERT and its like; by torch's counter, at three lengths, for other architectures.
        """
        config = self.model[0].auto_model.config
        if config.model_type not in BERT_LIKE:
            text, each, squared = self._counted
            return text + each * tokens + squared * tokens * tokens
        hidden = config.hidden_size
        inner = getattr(config, "intermediate_size", None) or config.hidden_dim
        layers = getattr(config, "num_hidden_layers", None) or config.n_layers
        per_layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
        head = 2 * tokens * (hidden * hidden + hidden * self.head) if self.head else 0
        return float(layers * per_layer + head)

    def parameters(self) -> Mapping[str, float]:
        """Number and bytes of the weights."""
        weights = list(self.model.parameters())
        return {
            "parameters": float(sum(w.numel() for w in weights)),
            "weight bytes": float(sum(w.numel() * w.element_size() for w in weights)),
        }

    @cached_property
    def _counted(self) -> tuple[float, float, float]:
        """Operations a text, a token, and a pair of tokens."""
        import torch

        from harness.training.flops import counter

        def count(length: int) -> float:
            mask = torch.ones((1, length), dtype=torch.long)
            with counter() as counted, torch.no_grad():
                self.model({"input_ids": mask, "attention_mask": mask})
            return float(counted.get_total_flops())

        step = max(min(16, self.model.max_seq_length // 3), 1)
        once, twice, thrice = (count(step * times) for times in (1, 2, 3))
        squared = (thrice - 2 * twice + once) / (2 * step * step)
        each = (twice - once) / step - 3 * step * squared
        return once - each * step - squared * step * step, each, squared
