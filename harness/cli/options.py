"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[Path, typer.Argument(help="The experiment, a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value; changes the spec.")]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="LACONIC_BENCH_STORE", help="Where artefacts are kept.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Run this system alone; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
DEFAULT_STORE = Path(".laconic-bench")
