"""The commands that estimate: memory of trainings, cost of encoding."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli.options import AsJson, Only, Overrides, SpecFile
from harness.cli.tables import show

app = typer.Typer()


@app.command()
def fits(
    spec_file: SpecFile,
    memory: Annotated[float, typer.Option("--memory", min=0, help="Memory of one accelerator in GB.")] = 80.0,
    overrides: Overrides = None,
) -> None:
    """Estimate the memory that a spec's trainings need; train nothing. Exit 1 if one does not fit."""
    from harness.estimates.training_memory import memory_table, phases
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    estimated = phases(load_spec(spec_file, REGISTRIES, overrides or ()))
    typer.echo("Estimated memory of one process and its accelerator, and of the machine's for it (host), in GB:\n")
    show(*memory_table(estimated, memory), numbers=range(2, 8), verdicts=(8,))
    if any(phase.memory.total > memory * 1e9 for phase in estimated):
        raise typer.Exit(1)


@app.command()
def costs(
    spec_file: SpecFile,
    speed: Annotated[
        float,
        typer.Option(min=1.0, help="Assumed speed of the encoding machine, in floating point operations a second."),
    ] = 2e14,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="Price of an hour of that machine, in any currency.")
    ] = None,
    overrides: Overrides = None,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what encoding a spec's collections costs; fetch and run nothing."""
    from harness.estimates.encoding_cost import CHARACTERS, cost_table
    from harness.estimates.encoding_cost import costs as costs_of
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    estimated = costs_of(load_spec(spec_file, REGISTRIES, overrides or ()).only(only or ()))
    if as_json:
        typer.echo(json.dumps([vars(cost) for cost in estimated], indent=2))
        return
    head, rows = cost_table(estimated, speed, price)
    if rows:
        typer.echo(
            f"Estimated, nothing was run: {CHARACTERS:g} characters a token, 2 operations a weight and token, "
            f"{speed:.3g} of them a second.\n"
        )
        show(head, rows, numbers=range(1, len(head)))
    unknown = [cost for cost in estimated if cost.why]
    if rows and unknown:
        typer.echo("")
    for cost in unknown:
        typer.echo(f"not known: {cost.encoder} / {cost.collection}: {cost.why}")
    if not estimated:
        typer.echo("no encoder of this spec is a model: nothing to estimate")
