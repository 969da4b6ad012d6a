"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UserError
from harness.spec.shipped import spec_path

SpecFile = Annotated[
    Path, typer.Argument(help="The experiment: a TOML file, or the name of a shipped one.", callback=spec_path)
]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value; changes the spec. May be repeated.")]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="LACONIC_BENCH_STORE", help="Folder of the store.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only this system, or all named so. May be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsEvents = Annotated[
    bool, typer.Option("--json", help="Print what happens as JSON, one object a line, for other programs.")
]
DEFAULT_STORE = Path(".laconic-bench")


def file_to_write(path: Path, key: str = "--out") -> Path:
    """Check before any work that a file can be made; its content does not matter.

    Args:
        path: Of the file.
        key: The option that gave it.

    Raises:
        UserError: A folder has this name, or the folder that the file belongs in is not there.
    """
    if path.is_dir():
        raise UserError("this is a folder", file=path, key=key, remedy="give the path of a file")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is no folder", file=path, key=key, remedy="make it first, or give another path")
    return path
