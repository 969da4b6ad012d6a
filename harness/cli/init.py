"""The command that writes a first spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import file_to_write
from harness.errors import UserError

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A folder with your collections and models.")] = Path(),
    out: Annotated[
        Path | None, typer.Option("--out", help="The spec to write; experiment.toml in the folder by default.")
    ] = None,
) -> None:
    """Look for collections and models in a folder and write a spec that measures them; run nothing."""
    from harness.files import write_whole
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec
    from harness.spec.starter import entries, starter

    if not folder.is_dir():
        raise UserError(
            "there is no such folder", file=folder, remedy="give the folder that holds your data and models"
        )
    file = file_to_write(folder / "experiment.toml" if out is None else out)
    if file.exists():
        raise UserError("this file is there already", file=file, remedy="give another name with --out, or remove it")
    here = folder.resolve()
    listed = entries(here)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", here.name).strip("-_")[:60] or "first"
    write_whole(file, starter(name, listed))
    spec = load_spec(file, REGISTRIES)
    for entry in listed:
        typer.echo(entry.words)
    counts = {"collection": spec.collections, "system": spec.systems, "claim": spec.head.claims}
    words = ", ".join(f"{len(parts)} {word}{'' if len(parts) == 1 else 's'}" for word, parts in counts.items())
    typer.echo(f"{file}: {words}.")
    typer.echo(f"Next: laconic-bench plan {file}; laconic-bench run {file} --only BM25; laconic-bench run {file}")
