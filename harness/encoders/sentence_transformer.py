"""Any dense model of sentence-transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.encoders import FitInput, Progress, register
from harness.encoders._bert import Loaded
from harness.encoders._source import SourceParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.spec.params import Params
    from harness.vectors import Kind


@register("sentence-transformer")
class SentenceTransformerType:
    """A SentenceTransformer from a folder, a wheel or the Hub."""

    Params: ClassVar[type[Params]] = SourceParams
    kind: ClassVar[Kind] = "dense"

    def __init__(self, params: SourceParams) -> None:
        self.params = params

    def needs(self) -> FitInput:
        """It is trained already."""
        return "nothing"

    def fingerprint(self) -> str:
        """Of the model's files."""
        return self.params.fingerprint()

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
        """Bring the model's folder into place."""
        self.params.bring(directory / "model")
        return {}

    def load(self, directory: Path, *, threads: int = 1) -> DenseEncoder:
        """Open it; a sparse model is refused."""
        import torch
        from sentence_transformers import SentenceTransformer, SparseEncoder

        torch.set_num_threads(threads)
        model = SentenceTransformer(str(directory / "model"), device="cpu", local_files_only=True)
        kinds = {type(module).__name__ for module in model}
        if isinstance(model, SparseEncoder) or kinds & {"SpladePooling", "SparseAutoEncoder"}:
            raise UserError("this is a sparse model", key="type", remedy='use type = "sparse-encoder"')
        return DenseEncoder(model, self.params)


class DenseEncoder(Loaded):
    """Texts to float32 rows, as the model's own modules pool and normalise them."""

    kind: Kind = "dense"

    def __init__(self, model: Any, params: SourceParams) -> None:
        super().__init__(model, params, head=0)
        self.width = int(model.get_sentence_embedding_dimension())

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(self.with_prefix(texts, "document"))

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(self.with_prefix(texts, "query"))

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Dimensions have no names."""
        return []

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        found = self.model.encode(
            texts, batch_size=self.params.batch_size, prompt="", convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)
