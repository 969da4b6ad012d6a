"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[Path, typer.Argument(help="The experiment, a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value; changes the spec. May be repeated.")]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="LACONIC_BENCH_STORE", help="Folder of the store.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only this system. May be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_STORE = Path(".laconic-bench")
