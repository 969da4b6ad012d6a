"""The commands that estimate: memory of trainings, cost of encoding."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harness.cli.options import AsJson, Overrides, SpecFile

app = typer.Typer()


@app.command()
def fits(
    spec_file: SpecFile,
    memory: Annotated[float, typer.Option("--memory", min=0, help="GB of one accelerator.")] = 80.0,
    overrides: Overrides = None,
) -> None:
    """Estimate the memory of a spec's trainings; do nothing. Exit 1 if one does not fit."""
    from harness.estimates.training_memory import phases, printed
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    found = phases(load_spec(spec_file, REGISTRIES, overrides or ()))
    typer.echo(printed(found, memory), nl=False)
    if any(one.memory.total > memory * 1e9 for one in found):
        raise typer.Exit(1)


@app.command()
def costs(
    spec_file: SpecFile,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Floating point operations a second of what encodes: assumed, not known.")
    ] = 2e14,
    price: Annotated[float | None, typer.Option(min=0.0, help="Of an hour of it, in any currency.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what encoding a spec's collections costs; fetch and run nothing."""
    from harness.estimates.encoding_cost import costs as estimated
    from harness.estimates.encoding_cost import printed
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    found = estimated(load_spec(spec_file, REGISTRIES, overrides or ()))
    typer.echo(
        json.dumps([vars(one) for one in found], indent=2) if as_json else printed(found, speed, price), nl=as_json
    )
