"""The plug point of encoders: every hook of an encoder and of its type, with its default and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.spec.params import Params
    from harness.training.estimate import Memory
    from harness.vectors import Kind, Vectors

FitInput: TypeAlias = Literal["nothing", "corpus", "pairs"]
Role: TypeAlias = Literal["document", "query"]
Attention: TypeAlias = Literal["bidirectional", "causal"]
Progress: TypeAlias = "Callable[[int, int | None, str], None]"
"""Called with (done, total or None, a short text such as "loss 2.31")."""


@dataclass(frozen=True)
class ModelSize:
    """What a model is known to need before any of its weights are on this machine.

    Attributes:
        parameters: Number of all weights.
        flops: Floating point operations (2 a multiply-add) of encoding one text, given its number of tokens.
        vector_bytes: Bytes of one document's vector in the store, at most.
        document_length: Tokens of a document that are read at most; None without a limit.
        query_length: The same of a query; 0 where queries need no model.
    """

    parameters: float
    flops: Callable[[float], float]
    vector_bytes: int
    document_length: int | None
    query_length: int | None


@dataclass(frozen=True)
class HubName:
    """A model on the Hugging Face Hub that an encoder takes something from.

    Attributes:
        key: The encoder's setting that holds its commit, such as ``backbone.revision``.
        name: OWNER/NAME.
        revision: The commit that the spec names; None for a name that moves.
    """

    key: str
    name: str
    revision: str | None


@dataclass(frozen=True)
class Declared:
    """What the settings of an encoder say of its model; a check compares the model with it.

    Attributes:
        attention: Which tokens a token sees; None where the settings do not say.
        special_tokens: Whether texts carry the tokenizer's special tokens; None where the settings do not say.
        dtype: Of the arithmetic: float32, bfloat16, float16 or auto. It decides how much rounding is allowed where the
            encoder's `Probe` does not name the dtype that was loaded.
    """

    attention: Attention | None = None
    special_tokens: bool | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Probe:
    """What a check of a model needs besides its vectors. A field is None where an encoder has no such thing.

    Attributes:
        ids: Token ids of a text as the model sees them.
        special: Ids of the tokenizer's special tokens.
        states: Token ids to an array of tokens x size, float32.
        fired: Number of terms above zero of each document, before the largest are chosen.
        attention: What the model's own settings say.
        specials_wanted: Whether texts are meant to carry special tokens.
        on_left: Texts to vectors with the padding on the left.
        dtype: The dtype that the weights were loaded in and are computed with.
        queries: The same of the query side, where queries pass another model than documents.
    """

    ids: Callable[[str, Role], list[int]]
    special: frozenset[int]
    states: Callable[[Sequence[int]], NDArray[np.float32]] | None = None
    fired: Callable[[Sequence[str]], NDArray[np.int64]] | None = None
    attention: Attention | None = None
    specials_wanted: bool | None = None
    on_left: Callable[[Sequence[str]], Vectors] | None = None
    dtype: str | None = None
    queries: Probe | None = None


@runtime_checkable
class Encoder(Protocol):
    """A ready encoder: turns texts into vectors whose inner product is the score.

    `EncoderBase` has the defaults that are named here; a class that does not inherit from it writes every hook itself.
    """

    kind: Kind
    """Sparse or dense. No default."""
    width: int
    """Terms of the vocabulary (sparse) or dimensions (dense). No default."""

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Documents to rows: CSR float32 (sparse) or float32 ndarray (dense), in the order of `texts`. No default."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries to rows, in the order of `texts`. No default."""
        ...

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens of each text as the model sees them: after prefix and truncation, without padding. No default."""
        ...

    def count_flops(self, tokens: int) -> float:
        """Floating point operations (2 a multiply-add) of one forward pass over a text of this number of tokens.

        Default: 0.0, encoding does no arithmetic that is worth counting (look-ups in a table).
        """
        ...

    def count_query_flops(self, tokens: int) -> float:
        """The same of a query. Default: `count_flops`, one model encodes both sides."""
        ...

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Names of columns that a reader understands. Default: none, as of dense vectors.

        A sparse encoder gives as many names as there are columns.
        """
        ...

    def parameters(self) -> Mapping[str, float | str]:
        """Facts for the report: parameters, bytes of weights, dtype, device, layers, hidden size, ... Default: none."""
        ...

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Take the texts that are encoded after the present ones, to tokenise them ahead. Default: does nothing.

        It must not change any vector.
        """
        ...

    def probe(self) -> Probe | None:
        """A look inside for the checks of a model. Default: None, the vectors alone are checked."""
        ...


@runtime_checkable
class StoredRows(Protocol):
    """An encoder whose vectors were made before: they are found by identifier, not by text."""

    def match(self, identifiers: Iterable[str], role: Role) -> None:
        """Compare all identifiers of a collection with those that have vectors; a `UserError` where they differ."""
        ...

    def rows(self, identifiers: Sequence[str], role: Role) -> Vectors:
        """Vectors of these documents or queries, in this order."""
        ...


class EncoderType(Protocol):
    """How an encoder is made. A class registers itself with ``@encoders.register("name")``.

    It is made from its `Params` alone. `fit` writes a model folder (training, corpus statistics, conversion of a
    published checkpoint, or nothing but configuration), and `load` opens one: the two may run in different processes.

    `EncoderTypeBase` has the defaults that are named here; a class that does not inherit from it writes every hook
    itself.
    """

    Params: ClassVar[type[Params]]
    """Its settings in a spec. No default."""
    kind: ClassVar[Kind]
    """Sparse or dense. No default."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the model and its vectors; they are part of the keys of its stages. No
    default: an encoder in plain Python writes ``()``."""
    params: Any
    """What it was made from."""
    checkpoints: Path | None
    """A folder that outlives a killed `fit`, set before `fit` is called; a long training goes on from it. Default:
    None, and `fit` begins anew."""

    def __init__(self, params: Any) -> None: ...

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Write the model into `directory` and return facts about the making: steps, loss curve, ... No default.

        The fact ``commits`` (name on the Hub -> commit) says what was taken from the Hub.
        """
        ...

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open what `fit` wrote. Asserts the kind; sets the library's threads. No default."""
        ...

    @classmethod
    def modules(cls, params: Any) -> tuple[str, ...]:
        """Modules whose code decides the result. Default: the module of the class."""
        ...

    @classmethod
    def libraries_with(cls, params: Any) -> tuple[str, ...]:
        """Distributions whose versions decide what an encoder with these settings makes. Default: `libraries`."""
        ...

    def params_on(self, collection: str, task: str | None) -> Any:
        """Its settings for the texts of one collection, such as prefixes that depend on the task. Default: `params`.

        Args:
            collection: Its name in the spec; empty for texts that belong to no task.
            task: The mteb task that it is; None for other collections.

        Raises:
            UserError: The settings leave something open that this collection does not tell.
        """
        ...

    def needs(self) -> FitInput:
        """What `fit` reads: nothing, the corpus of the collection that is searched, or pairs. Default: nothing."""
        ...

    def learned(self) -> bool:
        """Whether there is a model that checks apply to. Default: unless `needs` is the corpus, as of BM25."""
        ...

    def encodes(self) -> bool:
        """Whether it encodes texts. Default: yes.

        An encoder whose vectors were made elsewhere gives a `StoredRows`; nothing that encodes is then measured.
        """
        ...

    def fingerprint(self) -> str:
        """Digest of outside files that decide the result (weights in a wheel or folder). Default: "", there are none.

        Raises:
            UserError: The source is missing or cannot be had offline.
        """
        ...

    def width(self) -> int | None:
        """Vocabulary or dimensions where they are known before any work. Default: None, `fit` tells."""
        ...

    def announced(self) -> ModelSize | None:
        """Size and work of the model before its weights are here. Default: None, not known."""
        ...

    def training_memory(self) -> Mapping[str, Memory]:
        """Phase -> memory of one accelerator that `fit` needs for it. Default: none, nothing is trained.

        Raises:
            UserError: It is trained, and the shape of the model is not known; the key is the encoder's setting.
        """
        ...

    def gpus(self) -> int:
        """Accelerators that one process of it uses. Default: 0."""
        ...

    def processes(self) -> int:
        """Processes that share `fit`, started by torchrun where there are several. Default: 1."""
        ...

    def hub_names(self) -> Sequence[HubName]:
        """What it takes from the Hugging Face Hub, the model itself first. Default: nothing."""
        ...

    def revision(self, commits: Mapping[str, str]) -> str | None:
        """Commit of the model, given the commits that `fit` took from the Hub. Default: None, there is none."""
        ...

    def declared(self) -> Declared:
        """What its settings say of the model, for the checks. Default: nothing but arithmetic in float32."""
        ...


class EncoderBase:
    """The defaults of `Encoder`: inherit from it, and write the rest."""

    def count_flops(self, tokens: int) -> float:
        """0.0: nothing that is worth counting."""
        return 0.0

    def count_query_flops(self, tokens: int) -> float:
        """As of a document: one model encodes both sides."""
        return self.count_flops(tokens)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """No names, as of dense vectors."""
        return []

    def parameters(self) -> Mapping[str, float | str]:
        """No facts."""
        return {}

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Does nothing: this encoder tokenises nothing ahead."""

    def probe(self) -> Probe | None:
        """None: the vectors alone are checked."""
        return None


class EncoderTypeBase:
    """The defaults of `EncoderType`: inherit from it, and write the rest."""

    libraries: ClassVar[tuple[str, ...]]
    checkpoints: Path | None = None

    def __init__(self, params: Any) -> None:
        self.params = params

    @classmethod
    def modules(cls, params: Any) -> tuple[str, ...]:
        """The module of the class."""
        return (cls.__module__,)

    @classmethod
    def libraries_with(cls, params: Any) -> tuple[str, ...]:
        """Those that the class declares."""
        return cls.libraries

    def params_on(self, collection: str, task: str | None) -> Any:
        """The same on all collections."""
        return self.params

    def needs(self) -> FitInput:
        """Nothing is read."""
        return "nothing"

    def learned(self) -> bool:
        """Whatever is not made of the corpus it searches."""
        return self.needs() != "corpus"

    def encodes(self) -> bool:
        """There is a model."""
        return True

    def fingerprint(self) -> str:
        """No outside files."""
        return ""

    def width(self) -> int | None:
        """`fit` tells."""
        return None

    def announced(self) -> ModelSize | None:
        """Not known."""
        return None

    def training_memory(self) -> Mapping[str, Memory]:
        """Nothing is trained."""
        return {}

    def gpus(self) -> int:
        """No accelerator."""
        return 0

    def processes(self) -> int:
        """This process alone."""
        return 1

    def hub_names(self) -> Sequence[HubName]:
        """Nothing from the Hub."""
        return ()

    def revision(self, commits: Mapping[str, str]) -> str | None:
        """It has no commit."""
        return None

    def declared(self) -> Declared:
        """Nothing but arithmetic in float32."""
        return Declared()
