"""What a spec must know of the implementations that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    from harness.metrics import Group
    from harness.spec.params import Params as Settings
    from harness.spec.toml import TomlTable
    from harness.vectors import Kind

T_co = TypeVar("T_co", covariant=True)
AXES: tuple[str, ...] = ("collections", "encoders", "indexes")
SINGULAR = {"collections": "collection", "encoders": "encoder", "indexes": "index"}


class PartType(Protocol):
    """A class that a spec can name on an axis."""

    @property
    def Params(self) -> type[Settings]:  # noqa: N802 - the name that implementations give it
        """Its settings in a spec."""
        ...


class CollectionType(PartType, Protocol):
    """A kind of collection."""

    def expanded(self, settings: TomlTable, matrix: TomlTable) -> tuple[TomlTable, TomlTable]:
        """A table of a spec and its matrix as they are meant."""
        ...

    def suite_task(self, settings: TomlTable, params: Settings) -> tuple[str, str] | None:
        """The suite that a table names, and which task of it these parameters are."""
        ...


class EncoderType(Protocol):
    """A kind of encoder. It is made from its settings alone; a model comes later."""

    Params: ClassVar[type[Settings]]
    """Its settings in a spec."""
    kind: ClassVar[Kind]
    """Sparse or dense."""

    def __init__(self, params: Settings) -> None: ...

    def needs(self) -> str:
        """What a model is made from: nothing, corpus or pairs."""
        ...

    def width(self) -> int | None:
        """Columns of its vectors where they are known before any work."""
        ...


class Supported(Protocol):
    """Which vectors an index takes."""

    @property
    def kind(self) -> str:
        """Sparse or dense."""
        ...

    @property
    def max_width(self) -> int | None:
        """Most columns; None without a bound."""
        ...

    @property
    def exact(self) -> bool:
        """Whether it gives the true top k of the vectors as stored."""
        ...


class IndexType(PartType, Protocol):
    """A kind of index."""

    @property
    def supports(self) -> Supported:
        """Which vectors it takes."""
        ...

    @property
    def search_params(self) -> tuple[str, ...]:
        """Parameters of the search alone."""
        ...


class MeasurementType(Protocol):
    """A further measurement."""

    @property
    def group(self) -> Group:
        """The group that it belongs to, of those that `measure.only` names."""
        ...


class Axis(Protocol[T_co]):
    """What the spec must know of a registry."""

    def names(self) -> list[str]:
        """All names that `type` may have."""
        ...

    def get(self, name: str) -> T_co:
        """The implementation.

        Raises:
            UserError: None has this name.
        """
        ...


class Registries(Protocol):
    """The implementations that a spec names: on three axes, and the measurements of `measure.also`."""

    @property
    def collections(self) -> Axis[CollectionType]:
        """Kinds of collections."""
        ...

    @property
    def encoders(self) -> Axis[type[EncoderType]]:
        """Kinds of encoders."""
        ...

    @property
    def indexes(self) -> Axis[IndexType]:
        """Kinds of indexes."""
        ...

    @property
    def measurements(self) -> Axis[MeasurementType]:
        """Further measurements."""
        ...
