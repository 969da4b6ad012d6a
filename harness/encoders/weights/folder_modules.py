"""The modules of a model's folder in the layout of sentence-transformers, with those of a Router's routes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.encoders.weights.configuration import FILE as CONFIG
from harness.encoders.weights.inside import is_below
from harness.encoders.weights.sentence_transformers_folder import read_modules
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = "modules.json"
ROUTES = ("router_config.json", CONFIG)
"""Where a Router says of which modules its routes are made: the present name of the file and the older one."""


@dataclass(frozen=True)
class FolderModule:
    """A module of a model's folder.

    Attributes:
        type: Dotted name of its class.
        folder: Where its files lie.
    """

    type: str
    folder: Path

    @property
    def name(self) -> str:
        """Name of its class."""
        return self.type.rpartition(".")[2]


def modules_of(folder: Path) -> list[FolderModule]:
    """The modules of a model, a Router followed by the modules of all its routes; none without a modules.json.

    Raises:
        UserError: modules.json or the Router's file is damaged.
    """
    file = folder / MODULES
    if not file.is_file():
        return []
    listed = [FolderModule(module["type"], folder / module["path"]) for module in read_modules(file)]
    return [each for module in listed for each in (module, *_routed(module))]


def _routed(module: FolderModule) -> Iterator[FolderModule]:
    if module.name not in {"Router", "Asym"}:
        return
    file = next(
        (module.folder / name for name in ROUTES if (module.folder / name).is_file()), module.folder / ROUTES[0]
    )
    try:
        types = json.loads(file.read_text(encoding="utf-8"))["types"]
        if not all(is_below(name) for name in types):
            raise ValueError("a route leads out of the model's folder")
        yield from (FolderModule(str(type), module.folder / name) for name, type in types.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            "this does not say of which modules the model's two sides are made",
            file=file,
            key="model",
            remedy="get the file again, or save the model again with sentence-transformers",
        ) from None
