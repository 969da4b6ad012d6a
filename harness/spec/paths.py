"""Paths that a spec names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from harness.errors import UserError


def at_home(text: str | Path, key: str) -> Path:
    """A path with ``~`` expanded.

    Args:
        text: The path.
        key: The setting that names it.

    Raises:
        UserError: The user has no home, as in a container that gives him a number alone.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{str(text)!r}: there is no home for ~", key=key, remedy="write the whole path") from None


def expanded(text: str, key: str) -> Path:
    """A path with ``~`` and ``${VARIABLE}`` expanded.

    Args:
        text: The path.
        key: The setting that names it.

    Raises:
        UserError: A variable is not set, or there is no home.
    """

    def value(variable: re.Match[str]) -> str:
        try:
            return os.environ[variable[1]]
        except KeyError:
            raise UserError(
                f"the environment variable {variable[1]} is not set", key=key, remedy=f"export {variable[1]}=FOLDER"
            ) from None

    return at_home(re.sub(r"\$\{(\w+)\}", value, text), key)
