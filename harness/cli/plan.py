"""The command that says what a run will do, fetch and take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_STORE, AsJson, Only, Overrides, SpecFile, StoreFolder
from harness.cli.tables import say, show

if TYPE_CHECKING:
    from harness.pipeline.executors.timings import Estimate
    from harness.pipeline.plan.fetches import Fetch
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.store.local import Store
    from harness.spec.models import Spec

app = typer.Typer()
FEW = 5
"""Up to this many stages of which nothing is known are listed without --all."""
HINT = "--all lists them, and --probe measures samples."


@app.command()
def plan(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    as_json: AsJson = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Prepare, encode and index a small sample to estimate what was never run.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="List also each stage of which nothing is known.")] = False,
) -> None:
    """Show the stages, what they will fetch, and the expected time of those that are not stored; run nothing."""
    from harness.experiment import plan_experiment
    from harness.pipeline.executors.timings import estimate
    from harness.pipeline.plan.fetches import fetches
    from harness.pipeline.store.local import Store

    spec, systems, stages = plan_experiment(spec_file, overrides=overrides or (), only=only or ())
    artefacts = Store(store)
    estimates, wanted, notes = estimate(artefacts, stages), fetches(spec, systems, artefacts), list[str]()
    if probe:
        estimates, notes = _probed(spec, systems, artefacts, estimates, wanted)
    if as_json:
        rows = [{"key": e.stage.key, "kind": e.stage.kind, "label": e.stage.label, **_numbers(e)} for e in estimates]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    folded = not every and sum(e.basis == "unknown" for e in estimates) > FEW
    cells = [_cells(e) for e in estimates if not (folded and e.basis == "unknown")]
    if cells:
        show(("key", "stage", "time", "from", "to", "memory", "basis"), cells, numbers=(2, 3, 4, 5), verdicts=(6,))
    _show_fetches(wanted)
    _show_sums(estimates, "" if not folded else " --all lists them." if probe else f" {HINT}")
    for note in notes:
        say(f"not tried: {note}")


def _probed(
    spec: Spec, systems: list[SystemStages], store: Store, estimates: list[Estimate], wanted: list[Fetch]
) -> tuple[list[Estimate], list[str]]:
    """The estimates with those of samples in place of what never ran, and what was not tried."""
    from harness.estimates.probe import probe
    from harness.pipeline.executors.progress import Lines

    missing = frozenset(user for fetch in wanted if fetch.bytes != 0 for user in fetch.users)
    with Lines() as lines:
        sampled, notes = probe(spec, systems, store, missing, lines)
    better = ("unknown", "stages of this kind before")
    return [sampled.get(e.stage.key, e) if e.basis in better else e for e in estimates], notes


def _show_fetches(wanted: list[Fetch]) -> None:
    from harness.pipeline.executors.progress import size

    rows = []
    for fetch in wanted:
        if fetch.bytes == 0:
            continue  # all of it is in the cache
        least = "" if fetch.bytes is None else f"{'at most ' if fetch.upper else ''}{size(fetch.bytes)}"
        revision = fetch.revision or (f"newest: {fetch.commit}" if fetch.commit else "newest")
        name = fetch.name if fetch.kind == "model" else f"{fetch.name} (data)"
        rows.append((name, revision, ", ".join(fetch.users), least or f"unknown: {fetch.unknown}"))
    if rows:
        typer.echo("\nFrom the Hugging Face Hub:")
        show(("name", "revision", "for", "to fetch"), rows)
        typer.echo("")
    elif wanted:
        typer.echo("Nothing is fetched: what comes from the Hugging Face Hub is in its cache.")
    else:
        typer.echo("Nothing is fetched.")


def _show_sums(estimates: list[Estimate], hint: str) -> None:
    """What is stored, what the others take and how sure that is, and what is not known, with a hint."""
    from harness.pipeline.executors.progress import clock, size

    waiting = [e for e in estimates if e.basis != "stored"]
    known = [e for e in waiting if e.basis != "unknown"]
    typer.echo(f"{len(estimates) - len(waiting)} of {len(estimates)} stages are stored.")
    if known:
        times = clock(sum(e.seconds for e in known))
        span = f"{clock(sum(e.low for e in known))} to {clock(sum(e.high for e in known))}"
        typer.echo(
            f"Estimate for {len(known)} of the other {len(waiting)}, one after another: {times} of time (from {span}), "
            f"{size(max(e.peak_bytes for e in known))} of memory at most, {size(sum(e.disk_bytes for e in known))} of "
            "disk."
        )
        if other := sum(e.basis == "stages of this kind before" for e in known):
            typer.echo(
                f"{other} of these times are medians over stages of the same kind, perhaps of other models and "
                "collections."
            )
        if sampled := sum(e.basis.startswith("a sample") for e in known):
            typer.echo(f"{sampled} of these times come from samples. Their memory and disk are those of the samples.")
    if len(known) < len(waiting):
        kinds = ", ".join(dict.fromkeys(e.stage.kind for e in waiting if e.basis == "unknown"))
        say(
            f"{len(waiting) - len(known)} stages are of kinds that never ran with this store ({kinds}): what they take "
            f"is not known.{hint}"
        )


def _numbers(estimate: Estimate) -> dict[str, str | float]:
    return {
        "basis": estimate.basis,
        "seconds": estimate.seconds,
        "peak_bytes": estimate.peak_bytes,
        "disk_bytes": estimate.disk_bytes,
        "low_seconds": estimate.low,
        "high_seconds": estimate.high,
        "runs": estimate.runs,
    }


def _cells(estimate: Estimate) -> list[str]:
    """A row of the plan; a stage that is stored or unknown has no time and no memory."""
    from harness.pipeline.executors.progress import clock, size

    label, key = estimate.stage.label, estimate.stage.key[:12]
    if estimate.basis in ("stored", "unknown"):
        return [key, label, "", "", "", "", estimate.basis]
    times = [clock(seconds) for seconds in (estimate.seconds, estimate.low, estimate.high)]
    runs = "" if estimate.runs == 1 else f" ({estimate.runs} times)"
    return [key, label, *times, size(estimate.peak_bytes), f"{estimate.basis}{runs}"]
