"""The command that runs an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_STORE, AsEvents, Only, Overrides, SpecFile, StoreFolder
from harness.errors import UserError

app = typer.Typer()


@app.command()
def run(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME[-null] by default.")] = None,
    overrides: Overrides = None,
    only: Only = None,
    retry: Annotated[
        str | None, typer.Option("--retry", help="Run these stages again: failed, disturbed or not-in-turns.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again.")] = False,
    null: Annotated[
        bool, typer.Option("--null", help="Time each system (with --only: that one) under two names.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only failures and the path of the report.")
    ] = False,
    executor: Annotated[str, typer.Option("--executor", help="Where stages run: local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="Address of a Ray cluster; by default Ray starts on this machine.")
    ] = None,
    artefacts: Annotated[
        str | None, typer.Option("--artefacts", help="URL (fsspec) of the store that all nodes of the cluster share.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Stages at a time; those that measure time run alone. By default by processors and memory.",
        ),
    ] = None,
    as_events: AsEvents = False,
) -> None:
    """Run an experiment and write its report; reuse what is stored."""
    from harness.cli.watchers import watcher_for
    from harness.experiment import run_experiment
    from harness.pipeline.executors.events import JsonLines

    with watcher_for(as_events=as_events, quiet=quiet) as watcher:
        run = run_experiment(
            spec_file, overrides=overrides or (), store=store, out=out, only=only or (), retry=retry, fresh=fresh,
            null=null, executor=executor, address=address, artefacts=artefacts, jobs=jobs, progress=watcher,
        )  # fmt: skip
    outcomes, failed, page = run.outcomes.values(), len(run.failed), run.report()
    reused = sum(done.reused and done.status == "ok" for done in outcomes)
    made = len(outcomes) - reused - failed
    if isinstance(watcher, JsonLines):
        counts = {"stages": len(outcomes), "reused": reused, "done_now": made, "not_ok": failed}
        watcher.finish("run", 1 if failed else 0, {**counts, "folder": str(run.folder.absolute()), "report": str(page)})
    else:
        typer.echo(f"{len(outcomes)} stages: {reused} reused from the store, {made} done now, {failed} not ok")
        typer.echo(page)
    if failed:
        raise typer.Exit(1)


@app.command()
def join(
    rendezvous: Annotated[str, typer.Argument(help="HOST:PORT of the machine that runs the spec.")],
    nodes: Annotated[int, typer.Option(min=2, help="Number of machines.")],
    node: Annotated[int, typer.Option(min=1, help="Number of this machine; 0 runs the spec.")],
    processes: Annotated[int, typer.Option(min=1, help="Processes of all machines, as in the spec.")],
    trainings: Annotated[
        int, typer.Option(min=1, help="Number of trainings to take part in, one after the other.")
    ] = 1,
) -> None:
    """Take part in trainings that another machine runs, as one of several machines."""
    from harness.pipeline.steps import torchrun

    if node >= nodes:
        raise UserError(f"of {nodes} machines, none has number {node}", key="--node", remedy=f"1 to {nodes - 1}")
    place = torchrun.Nodes(nodes, node, torchrun.endpoint(rendezvous))
    for _ in range(trainings):
        torchrun.join(place, processes)
