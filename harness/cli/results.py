"""The commands on finished runs: reports, verdicts, tables, exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import AsJson, file_to_write
from harness.cli.tables import say

app = typer.Typer()


@app.command()
def report(
    run_folders: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs; several are shown side by side.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write; report.html by default, or compared.html for several runs."),
    ] = None,
    published_scores: Annotated[
        Path | None,
        typer.Option(
            "--published", help="CSV of published nDCG@10 by task: the report ranks each suite's means among them."
        ),
    ] = None,
) -> None:
    """Write the report of a finished run again, or a report of several runs side by side."""
    from reports.pages.run_page import write_report, write_several

    if out is not None:
        file_to_write(out)
    several = len(run_folders) > 1
    say(
        write_several(run_folders, out or Path("compared.html"), published_scores)
        if several
        else write_report(run_folders[0], out, published_scores)
    )


@app.command()
def claims(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Folder of another run that has the baselines.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the verdicts; exit 0 if all are supported, 1 if one is contradicted, 2 otherwise."""
    from harness.claims import exit_code
    from harness.claims.judge_run import verdicts
    from harness.runs.read import load_run

    judged = verdicts(load_run(run_folder), load_run(baseline) if baseline else None)
    if as_json:
        say(json.dumps([vars(verdict) for verdict in judged], ensure_ascii=False))
    else:
        for verdict in judged:
            say(f"{verdict.word.upper()}: {verdict.claim}\n  {verdict.sentence}")
        if not judged:
            say("the spec makes no claims")
    raise typer.Exit(exit_code(judged))


@app.command(name="export")
def export_run(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    form: Annotated[
        str, typer.Option("--format", help="csv, json, parquet, trec, mteb, pyperf, text, badge, md, png")
    ] = "csv",
    what: Annotated[str, typer.Option("--what", help="records, per-query or suites (csv, json, parquet)")] = "records",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; a folder for trec and mteb.")] = None,
) -> None:
    """Write a run's numbers in another format; md and png are a paragraph and a picture for a talk."""
    from harness.runs.read import load_run
    from reports.exports.export import export

    say(export(load_run(run_folder), form, what, out), nl=False)


@app.command()
def published(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    scores: Annotated[Path, typer.Argument(help="CSV: names of models, then one column of nDCG@10 for each task.")],
) -> None:
    """Compare scores with published ones, and rank means over suites; exit 1 if a score differs too much."""
    from harness.runs.read import load_run
    from reports.exports.published import beside, printed

    rows, ranks = beside(load_run(run_folder), scores)
    if rows:
        say(printed(rows), nl=False)
    for rank in ranks:
        say(rank.sentence)
    if any(row.word == "fail" for row in rows):
        raise typer.Exit(1)


@app.command()
def grid(
    dimensions: Annotated[int, typer.Option(help="Dimensions of a dense vector.")] = 4096,
    terms: Annotated[float, typer.Option(help="Mean number of terms in a document.")] = 512,
    documents: Annotated[
        int, typer.Option(help="Number of documents; by default the passages of MS MARCO.")
    ] = 8_841_823,
    vocabulary: Annotated[int, typer.Option(help="Number of terms in the vocabulary; by default Llama 3's.")] = 128_256,
    reduction: Annotated[float, typer.Option(min=0.0, max=1.0, help="The claimed reduction.")] = 0.71,
    form: Annotated[str, typer.Option("--format", help="markdown, csv or json")] = "markdown",
) -> None:
    """Print the computed memory of sparse and dense indexes, for every pair of codecs."""
    from reports.sections.memory_grid import printed

    say(printed(form, dimensions, terms, documents, vocabulary, reduction), nl=False)
