"""The hash of a panel's data and of what draws it."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from reports.figures.panel_json import panel_to_json

if TYPE_CHECKING:
    from reports.figures.base import Panel

HERE = Path(__file__).parent


def digest(panel: Panel) -> str:
    """32 hexadecimal digits; two panels with the same ones are drawn alike.

    Raises:
        TypeError: A field holds something else than numbers, texts, dates and arrays, or dicts, lists, tuples and
            dataclasses of these.
    """
    state = blake2b(_code(type(panel).__module__).encode(), digest_size=16)
    state.update(json.dumps(panel_to_json(panel)).encode())
    return state.hexdigest()


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
