"""Plug points by name: a module in the axis' package, or an entry point, is all that an addition needs."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import lru_cache
from importlib.metadata import entry_points
from types import FunctionType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoints

T = TypeVar("T")


def hooks_of(protocol: type) -> tuple[str, ...]:
    """Names of all that a class must have for a protocol: methods of each kind, properties, and ClassVar attributes.

    What the protocol inherits from other protocols counts too.
    """
    kinds = (FunctionType, classmethod, staticmethod, property)
    names: dict[str, None] = {}
    for part in reversed([base for base in protocol.__mro__ if base not in {object, Protocol, Generic}]):
        annotations = vars(part).get("__annotations__", {})
        names |= dict.fromkeys(name for name, kind in annotations.items() if "ClassVar" in str(kind))
        names |= dict.fromkeys(name for name, value in vars(part).items() if isinstance(value, kinds))
    return tuple(name for name in names if not name.startswith("_"))


def points_of(group: str) -> EntryPoints:
    """The entry points of a group, in all distributions that can be imported."""
    return _points(tuple(sys.path))(group)


@lru_cache(maxsize=1)
def _points(path: tuple[str, ...]) -> Callable[[str], EntryPoints]:
    """Those of a group: to read what all distributions declare takes as long for one group as for all."""
    points = entry_points()
    return lambda group: points.select(group=group)


class Registry(Generic[T]):
    """The implementations of one axis (collections, encoders, indexes) by name.

    The first look-up imports every public module of `package` (each registers what it defines) and the entry points of
    `group`, so that adding an implementation touches one new file. Such a module imports heavy libraries
    (torch, faiss, numba) inside its functions.

    Args:
        axis: What is registered, in the singular; used in messages.
        package: The package whose modules register themselves.
        group: The entry point group through which another distribution adds to the axis.
        hooks: Names that every implementation must have; see `hooks_of`.
    """

    def __init__(self, axis: str, package: str, group: str, *, hooks: tuple[str, ...] = ()) -> None:
        self.axis, self.package, self.group, self.hooks = axis, package, group, hooks
        self._items: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate an implementation with the name under which specs ask for it.

        Raises:
            UserError: It lacks a hook.
            ValueError: Another one has the name.
        """

        def add(item: T) -> T:
            if missing := [hook for hook in self.hooks if not hasattr(item, hook)]:
                raise UserError(
                    f"the {self.axis} {name!r} has no {', '.join(missing)}",
                    remedy=f"write what is missing, or inherit the defaults; {self.package}.base describes each",
                )
            if name in self._items and self._items[name] is not item:
                raise ValueError(f"{self.axis} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._items)

    def get(self, name: str) -> T:
        """The implementation of this name; a `UserError` with the nearest name where there is none."""
        self._load()
        try:
            return self._items[name]
        except KeyError:
            raise UserError(f"there is no {self.axis} {name!r}", remedy=allowed(name, self._items)) from None

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg and not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        for point in points_of(self.group):
            self.register(point.name)(point.load())
