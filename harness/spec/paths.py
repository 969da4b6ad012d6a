"""Paths that a spec names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from harness.errors import UserError

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")


def expanded(text: str | Path, key: str) -> Path:
    """A path with ``~``, ``${VARIABLE}`` and ``$VARIABLE`` expanded.

    Args:
        text: The path.
        key: The setting that names it.

    Raises:
        UserError: A variable is not set; or the user has no home, as in a container that gives him a number alone.
    """

    def value(variable: re.Match[str]) -> str:
        name = variable[1] or variable[2]
        try:
            return os.environ[name]
        except KeyError:
            raise UserError(
                f"the environment variable {name} is not set", key=key, remedy=f"export {name}=FOLDER"
            ) from None

    try:
        return Path(VARIABLE.sub(value, str(text))).expanduser()
    except RuntimeError:
        raise UserError(f"{str(text)!r}: there is no home for ~", key=key, remedy="write the whole path") from None


def variables(text: str) -> set[str]:
    """The names of all variables in a text, whether they are set or not."""
    return {variable[1] or variable[2] for variable in VARIABLE.finditer(text)}
