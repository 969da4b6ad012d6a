"""The dense twin of a LACONIC: the same backbone, pairs, steps and care, one dense vector a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.encoders import FitInput, Progress, register
from harness.encoders._llama_params import DenseTwinParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    import torch
    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders._llama_type import LlamaEncoder
    from harness.spec.params import Params
    from harness.vectors import Kind


@register("dense-twin")
class DenseTwin:
    """Pooled states, normalised."""

    Params: ClassVar[type[Params]] = DenseTwinParams
    kind: ClassVar[Kind] = "dense"

    def __init__(self, params: DenseTwinParams) -> None:
        self.params = params

    def needs(self) -> FitInput:
        """Pairs, if it is trained."""
        return "nothing" if self.params.training is None else "pairs"

    def fingerprint(self) -> str:
        """Of the backbone's files."""
        return self.params.backbone.fingerprint()

    def width(self) -> int | None:
        """Known when the backbone is read, unless the spec says it."""
        return self.params.dimensions

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
        from harness.encoders._folder import Contract
        from harness.encoders._llama_type import prepare, train_model

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
            ),
        )
        hidden = model.backbone.shape.hidden
        if params.dimensions is not None and params.dimensions > hidden:
            raise UserError(
                f"the backbone gives {hidden} dimensions, not {params.dimensions}",
                key="dimensions",
                remedy=f"at most {hidden}",
            )
        facts: dict[str, object] = {"departures": params.departures()}
        if params.training is not None:
            from harness.training.objectives import DenseObjective

            examples = [(pair.query, pair.positive) for pair in pairs or ()]
            if not examples:
                raise UserError("the model needs training pairs", key="pairs", remedy="name a collection that has some")
            objective = DenseObjective(
                lambda states, sizes: pool(states, sizes, params.pooling, params.dimensions), params.training
            )
            facts |= train_model(model, objective, params.training, params, examples, seed, progress)
        model.save(directory)
        return facts

    def load(self, directory: Path, *, threads: int = 1) -> DenseTwinEncoder:
        """Open what `fit` wrote."""
        from harness.encoders._llama_type import LlamaEncoder, open_model

        return DenseTwinEncoder(LlamaEncoder(open_model(directory, "dense", self.params, threads), self.params))


class DenseTwinEncoder:
    """Texts to float32 rows of length 1; an empty text without prefix is a row of zeros."""

    kind: Kind = "dense"

    def __init__(self, base: LlamaEncoder) -> None:
        self.base, self.contract = base, base.model.contract
        self.width = self.contract.dimensions or base.model.backbone.shape.hidden
        self.count_tokens, self.parameters = base.count_tokens, base.parameters

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "query")

    def count_flops(self, tokens: int) -> float:
        """Layers and attention."""
        return self.base.model.backbone.shape.flops(tokens)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Dimensions have no names."""
        return []

    def _encode(self, texts: Sequence[str], role: Literal["document", "query"]) -> NDArray[np.float32]:
        from harness.encoders._llama_type import encode_rows

        def rows(states: torch.Tensor, lengths: list[int]) -> NDArray[np.float32]:
            pooled = pool(states.float(), lengths, self.contract.pooling, self.contract.dimensions)
            return np.asarray(pooled.cpu().numpy(), np.float32)

        found = encode_rows(self.base, texts, role, rows, np.zeros(self.width, np.float32))
        return np.stack(found) if found else np.zeros((0, self.width), np.float32)


def pool(states: torch.Tensor, lengths: Sequence[int], how: str | None, dimensions: int | None) -> torch.Tensor:
    """Packed states (tokens x hidden) to one row of length 1 a text (texts x dimensions)."""
    import torch

    sizes = torch.tensor(lengths, device=states.device)
    if how == "last":
        rows = states[sizes.cumsum(0) - 1]
    else:
        owner = torch.repeat_interleave(torch.arange(len(lengths), device=states.device), sizes)
        sums = states.new_zeros(len(lengths), states.shape[1]).index_add(0, owner, states)
        rows = sums / sizes[:, None]
    return torch.nn.functional.normalize(rows[:, :dimensions], dim=1)
