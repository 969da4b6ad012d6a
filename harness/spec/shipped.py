"""The experiments that ship with the program: their specs by name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from harness.errors import UserError, allowed

_HERE = Path(__file__).resolve().parents[1]
FOLDERS = (_HERE / "experiments", _HERE.parent / "experiments")
"""Where an installed program has its experiments, and where a checkout has them."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def shipped_specs() -> dict[str, Path]:
    """The file of each spec by its name, sorted."""
    files = (file for folder in reversed(FOLDERS) for file in folder.glob("*.toml"))
    return dict(sorted((file.stem, file) for file in files))


def title_of(file: Path) -> str:
    """The title that a shipped spec has."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return str(content.get("title", content["name"]))


def spec_path(given: Path) -> Path:
    """The file that a user means: a path, or the name of a shipped spec such as ``quickstart``.

    A path that exists always wins.

    Raises:
        UserError: It is no path, and no shipped spec has this name.
    """
    if given.exists() or not _NAME.fullmatch(str(given)):
        return given
    known = shipped_specs()
    if str(given) not in known:
        remedy = f"give the path of a .toml file, or the name of a shipped spec; {allowed(str(given), known)}"
        raise UserError("there is no such file and no shipped spec of this name", file=given, remedy=remedy)
    return known[str(given)]
