"""The hash of a panel's data and of what draws it."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reports.figures.base import Panel

HERE = Path(__file__).parent


def digest(panel: Panel) -> str:
    """32 hexadecimal digits; two panels with the same ones are drawn alike.

    Raises:
        TypeError: A field holds something else than numbers, texts, dates and arrays, or dicts, lists, tuples and
            dataclasses of these.
    """
    state = blake2b(digest_size=16)
    state.update(_code(type(panel).__module__).encode())
    _feed(state, panel)
    return state.hexdigest()


def _feed(state: blake2b, value: object) -> None:
    """Add a value, and what kind it is."""
    match value:
        case np.ndarray():
            state.update(f"a{value.dtype.str}{value.shape}".encode())
            state.update(np.ascontiguousarray(value).tobytes())
        case str():
            state.update(f"s{len(value)} {value}".encode(errors="surrogatepass"))
        case None | bool() | int() | float() | np.number() | datetime():
            state.update(f"n{value!r};".encode())
        case dict():
            state.update(f"d{len(value)};".encode())
            for name, part in value.items():
                _feed(state, name)
                _feed(state, part)
        case list() | tuple():
            state.update(f"l{len(value)};".encode())
            for part in value:
                _feed(state, part)
        case _ if is_dataclass(value):
            state.update(f"c{type(value).__module__}.{type(value).__qualname__};".encode())
            for part in fields(value):
                _feed(state, getattr(value, part.name))
        case _:
            raise TypeError(f"a panel cannot hold {type(value).__name__}")


@lru_cache
def _code(module: str) -> str:
    """Of this package's code and styles, of the module that a panel comes from, and of matplotlib's version."""
    state = blake2b(version("matplotlib").encode(), digest_size=16)
    for file in sorted(path for path in HERE.iterdir() if path.suffix in (".py", ".mplstyle")):
        state.update(file.read_bytes())
    own = getattr(sys.modules.get(module), "__file__", None)
    if own and Path(own).parent != HERE:
        state.update(Path(own).read_bytes())
    return state.hexdigest()
