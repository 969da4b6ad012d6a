"""The commands that look and change nothing: pin, doctor, list, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import AsJson, Overrides
from harness.cli.tables import say, show
from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from harness.spec.registries import Axis, PartType

app = typer.Typer()


@app.command()
def pin(
    source: Annotated[Path, typer.Argument(help="The experiment, a TOML file; or the folder of a finished run.")],
    overrides: Overrides = None,
) -> None:
    """Print the settings that pin models: to their commits of today, or to those that a finished run used."""
    if source.is_dir():
        _pins_of_run(source, overrides)
        return
    from harness.pipeline.plan.pins import pins
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    settings = pins(load_spec(source, REGISTRIES, overrides or ()))
    typer.echo(
        "\n".join(f"--set {setting}" for setting in settings) or "every model is pinned, or lies in a folder or a wheel"
    )


def _pins_of_run(folder: Path, overrides: list[str] | None) -> None:
    """The settings for the models of a run, then its data as comments: mteb pins these itself."""
    from harness.runs.read import load_run
    from harness.runs.sources import sources

    if overrides:
        raise UserError("--set changes a spec, and this is a finished run", file=folder, remedy="leave it out")
    run = load_run(folder)
    lines = [f"--set {setting}" for setting in run.facts.get("pins", [])]
    lines += [f"# {source.name}: {source.commit}" for source in sources(run)]
    say("\n".join(lines) or "this run took no model and no data set from the Hub")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say whether this machine is quiet enough for timing; change nothing."""
    from harness.measure.machine.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([finding.as_json() for finding in findings]))
    else:
        rows = [(finding.level, finding.what, finding.reading, finding.remedy) for finding in findings]
        show(("level", "what", "reading", "remedy"), rows, verdicts=(0,))
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command(name="list")
def list_names(
    what: Annotated[
        str | None,
        typer.Argument(
            help="collections, encoders, indexes, measurements, metrics, figures or experiments (shipped ones); "
            "left out: list these"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="Of a collection, an encoder or an index: list the keys that it takes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the types that specs can name, with one line for each; or the keys of one type."""
    from harness.metrics import METRICS
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.shipped import shipped_specs, title_of
    from reports.figures.base import KINDS

    axes: dict[str, Axis[object]] = {
        "collections": REGISTRIES.collections,
        "encoders": REGISTRIES.encoders,
        "indexes": REGISTRIES.indexes,
        "measurements": REGISTRIES.measurements,
        "figures": KINDS,
    }
    if what is None:
        _list_lists([*axes, "metrics", "experiments"], as_json=as_json)
        return
    if what not in (*axes, "metrics", "experiments"):
        raise UserError(f"there is no list of {what!r}", remedy=allowed(what, (*axes, "metrics", "experiments")))
    if name is not None:
        _list_keys(what, name, as_json=as_json)
        return
    if what == "metrics":
        described = {name: f"{metric.label} ({metric.unit})" for name, metric in METRICS.items()}
    elif what == "experiments":
        described = {name: title_of(file) for name, file in shipped_specs().items()}
    else:
        described = {name: _first_line(axes[what].get(name)) for name in axes[what].names()}
    if as_json:
        typer.echo(json.dumps(list(described)))
    else:
        show(("name", "what it is"), list(described.items()))


def _list_lists(names: list[str], *, as_json: bool) -> None:
    """What can be listed."""
    if as_json:
        typer.echo(json.dumps(names))
    else:
        say("\n".join(f"laconic-bench list {name}" for name in names))


def _list_keys(what: str, name: str, *, as_json: bool) -> None:
    """The keys of a table of this type."""
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.described import parameters

    axes: dict[str, Axis[PartType]] = {
        "collections": REGISTRIES.collections,
        "encoders": REGISTRIES.encoders,
        "indexes": REGISTRIES.indexes,
    }
    if what not in axes:
        raise UserError(f"{what} have no keys", remedy=f"leave out {name!r}; keys have {', '.join(axes)}")
    registered = axes[what].get(name)
    rows = parameters(registered.Params)
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in rows], ensure_ascii=False))
        return
    typer.echo(_first_line(registered))
    show(("key", "takes", "default", "what it is"), rows)


def _first_line(implementation: object) -> str:
    return (implementation.__doc__ or "").strip().partition("\n")[0]


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec."""
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(REGISTRIES), indent=1))
