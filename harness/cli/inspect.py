"""The commands that look and change nothing: plan, pin, doctor, list, schema."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, SpecFile, StoreFolder
from harness.cli.run import load_stages
from harness.errors import UserError

app = typer.Typer()


@app.command()
def plan(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Show the stages, which are stored already, and what the others may take; do nothing."""
    from harness.pipeline.executors.progress import clock
    from harness.pipeline.executors.timings import estimate
    from harness.pipeline.store.local import Store

    _, _, stages = load_stages(spec_file, overrides, only)
    found = estimate(Store(store), stages)
    if as_json:
        rows = [{"key": e.stage.key, "kind": e.stage.kind, "label": e.stage.label, **_numbers(e)} for e in found]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        guess = one.basis if one.basis in ("stored", "unknown") else f"about {clock(one.seconds)} ({one.basis})"
        typer.echo(f"{one.stage.key[:12]}  {one.stage.label}: {guess}")
    waiting = [one for one in found if one.basis != "stored"]
    unknown = sum(one.basis == "unknown" for one in waiting)
    typer.echo(f"{len(found) - len(waiting)} of {len(found)} stages are stored.")
    typer.echo(
        f"Estimate for the other {len(waiting)}: {clock(sum(e.seconds for e in waiting))} of time, "
        f"{max((e.peak_bytes for e in waiting), default=0) >> 20} MiB of memory at most, "
        f"{sum(e.disk_bytes for e in waiting) >> 20} MiB of disk"
        + (f"; {unknown} of them were never run here and are not counted." if unknown else ".")
    )


def _numbers(one: Any) -> dict[str, Any]:
    return {"basis": one.basis, "seconds": one.seconds, "peak_bytes": one.peak_bytes, "disk_bytes": one.disk_bytes}


@app.command()
def pin(spec_file: SpecFile, overrides: Overrides = None) -> None:
    """Look up the commits of models that the spec names without one; print the settings that pin them."""
    from harness.pipeline.plan.pins import pins
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    found = pins(load_spec(spec_file, REGISTRIES, overrides or ()))
    typer.echo("\n".join(f"--set {one}" for one in found) or "every model is pinned, or lies in a folder or a wheel")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say whether this machine is fit to time on; change nothing."""
    from harness.measure.machine.doctor import examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(
                f"{finding.level:4}  {finding.what}: {finding.found}{f' -> {finding.remedy}' if finding.remedy else ''}"
            )
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command(name="list")
def list_names(
    what: Annotated[str, typer.Argument(help="collections, encoders, indexes, measurements or metrics")],
    as_json: AsJson = False,
) -> None:
    """List what specs can name."""
    from harness.errors import allowed
    from harness.metrics import METRICS
    from harness.pipeline.plan.registries import REGISTRIES

    known = {
        axis: getattr(REGISTRIES, axis).names for axis in ("collections", "encoders", "indexes", "measurements")
    } | {"metrics": lambda: list(METRICS)}
    if what not in known:
        raise UserError(f"there is no list of {what!r}", remedy=allowed(what, known))
    typer.echo(json.dumps(known[what]()) if as_json else "\n".join(known[what]()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec."""
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(REGISTRIES), indent=1))
