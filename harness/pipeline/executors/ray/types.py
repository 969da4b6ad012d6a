"""What this package uses of Ray's remote functions and actors, as types: Ray itself declares none of them."""

from __future__ import annotations

from typing import NewType, Protocol

Answer = NewType("Answer", object)
"""What a remote call will return (Ray's ObjectRef); it can be a key of a dictionary."""


class Remote(Protocol):
    """A function, or a method of an actor, that runs on the cluster."""

    def remote(self, *arguments: object) -> Answer:
        """Call it; returns at once."""
        ...


class Actor(Protocol):
    """A `Holder` that lives on the cluster."""

    @property
    def begun(self) -> Remote:
        """As `Holder.begun`."""
        ...

    @property
    def make(self) -> Remote:
        """As `Holder.make`."""
        ...


class ActorMaker(Protocol):
    """The class `Holder`, with the resources that each of its actors keeps."""

    def remote(self, *arguments: object) -> Actor:
        """Make an actor; returns at once, even where the cluster has no place for it yet."""
        ...
