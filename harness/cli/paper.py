"""The commands for papers: a table, and a folder with all that a paper needs of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.tables import say
from harness.errors import UserError

app = typer.Typer()


@app.command()
def tables(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    form: Annotated[str, typer.Option("--format", help="latex, markdown or csv")] = "markdown",
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Metric of a column. May be repeated.")] = None,
    decimals: Annotated[int, typer.Option(min=0, max=8)] = 3,
    quoted: Annotated[
        Path | None,
        typer.Option("--quoted", help="CSV of published numbers: names, then one column for each collection or task."),
    ] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Give each part of a task a column.")] = False,
    caption: Annotated[str, typer.Option(help="Caption in LaTeX; the table floats then.")] = "",
    label: Annotated[str, typer.Option(help="Label in LaTeX; the table floats then.")] = "",
    width: Annotated[str, typer.Option(help="column or text: the room of a table in LaTeX.")] = "text",
) -> None:
    """Print a table for a paper."""
    from harness.runs.read import load_run
    from reports.exports.latex_table import Float
    from reports.exports.paper_tables import DEFAULT, table
    from reports.exports.quoted import read_quoted
    from reports.exports.table_columns import names

    around = Float(caption, label, width)
    run = load_run(run_folder)
    published = read_quoted(quoted, names(run)) if quoted else []
    wanted = tuple(metrics or (DEFAULT[:1] if quoted else DEFAULT))
    say(table(run, wanted, form, decimals, published, parts=parts, around=around), nl=False)


@app.command()
def paper(
    run_folders: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs. Macros of all but the first begin with its name.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the paper.")],
    width: Annotated[str, typer.Option(help="column or text: the room of the tables.")] = "text",
    figures: Annotated[bool, typer.Option(help="Draw the figures, which takes most of the time.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 where a macro of the paper differs from the runs.")
    ] = False,
    repeatable: Annotated[
        bool, typer.Option("--repeatable", help="With --check: leave out times and facts of the machine.")
    ] = False,
) -> None:
    """Write what a paper needs of runs: macros, tables, figures, set-up, references, reproduce.sh, main.tex."""
    from reports.paper.folder import check_paper, write_paper

    if repeatable and not check:
        remedy = "add --check, or leave out --repeatable"
        raise UserError(
            "it says what --check compares, and means nothing without it", key="--repeatable", remedy=remedy
        )
    if check:
        problems = check_paper(run_folders, out, repeatable=repeatable)
        for problem in problems:
            say(problem)
        if problems:
            raise typer.Exit(1)
        say(f"every number of {out} is that of the run{'s' if len(run_folders) > 1 else ''}")
        return
    written = write_paper(run_folders, out, width, figures=figures)
    for file in written.files:
        say(str(file))
    for file in written.untouched:
        say(f"{file} is left as it is: it is your text")
