"""The command that writes a run's figures to files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.tables import say

app = typer.Typer()


@app.command()
def figures(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this kind (list figures) or this one figure. May be repeated."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="pdf, pgf, svg or png")] = "pdf",
    width: Annotated[
        str, typer.Option("--width", help="column (3.3 inches), text (6.9 inches) or a number of inches")
    ] = "column",
    style: Annotated[
        str | None, typer.Option("--style", help="File of matplotlib's settings (.mplstyle), or the name of a style.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; by default figures in the run folder.")
    ] = None,
) -> None:
    """Write every figure of a run to a file of its own, for papers and slides."""
    from harness.runs.read import load_run
    from reports.exports.figure_files import write_figures

    run = load_run(run_folder)
    for path in write_figures(run, out or run_folder / "figures", form, width, only=only or (), style=style):
        say(path)
