"""The command that runs an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_STORE, Only, Overrides, SpecFile, StoreFolder
from harness.errors import UserError

app = typer.Typer()


def load_stages(
    file: Path, overrides: list[str] | None, only: list[str] | None, null: bool = False, machine: str | None = None
) -> Any:
    """A spec, the stages of its systems, and all stages in the order in which they run.

    Raises:
        UserError: The spec is wrong, or `only` names a system that it does not have.
    """
    from harness.errors import allowed
    from harness.measure.machine.environment import machine_fingerprint
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import in_order, system_stages
    from harness.spec.load import load_spec

    spec = load_spec(file, REGISTRIES, overrides or ())
    names = [system.name for system in spec.systems]
    for name in only or ():
        if name not in names:
            raise UserError(
                f"--only {name!r}: there is no such system in this spec", file=file, remedy=allowed(name, names)
            )
    wanted = list(only or ())
    if null:
        from harness.measure.null_control import doubled, twin_of

        spec = doubled(spec, wanted)
        wanted += [twin_of(name) for name in wanted]
    systems = system_stages(spec, machine or machine_fingerprint(), wanted)
    return spec, systems, in_order(systems, spec.head.seed)


@app.command()
def run(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME[-null] by default.")] = None,
    overrides: Overrides = None,
    only: Only = None,
    retry: Annotated[
        str | None, typer.Option("--retry", help="Do these again: failed, disturbed, or not-in-turns.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make everything anew.")] = False,
    null: Annotated[
        bool, typer.Option("--null", help="Time each system (with --only: that one) twice, under two names.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed, and the report's path.")] = False,
    executor: Annotated[str, typer.Option("--executor", help="Where stages run: local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="Of a Ray cluster; without it Ray is started here.")
    ] = None,
    artefacts: Annotated[
        str | None, typer.Option("--artefacts", help="URL (fsspec) of the store that all nodes of a cluster reach.")
    ] = None,
) -> None:
    """Run an experiment and write its report; what is stored already is reused."""
    from harness.pipeline.executors.choose import place
    from harness.pipeline.executors.local import NOT_IN_TURNS
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.results.gather import write_run
    from harness.pipeline.stage_outcome import KEPT
    from harness.pipeline.store.local import Store
    from reports.pages.run_page import write_report

    again: dict[str | None, tuple[str, ...]] = {
        None: (), "failed": KEPT, "disturbed": ("disturbed",), NOT_IN_TURNS: (NOT_IN_TURNS,)
    }  # fmt: skip
    retry = NOT_IN_TURNS if retry == "apart" else retry  # its name in versions before
    if retry not in again:
        raise UserError(f"--retry {retry!r} is unknown", remedy="allowed: failed, disturbed, not-in-turns")
    # A system and its twin say nothing of the machine unless they were timed in turns.
    again[retry] = (*again[retry], *((NOT_IN_TURNS,) if null else ()))
    kept = Store(store)
    where = place(executor, kept, address=address, artefacts=artefacts)
    spec, systems, stages = load_stages(spec_file, overrides, only, null, where.machine)
    done = where.make(kept, spec.head.measure, Lines(quiet=quiet), fresh=fresh, retry=again[retry]).run(stages)
    folder = out or Path("runs") / (f"{spec.name}-null" if null else spec.name)
    write_run(folder, spec, systems, stages, done)
    reused = sum(d.reused and d.status == "ok" for d in done.values())
    bad = [d for d in done.values() if d.status != "ok"]
    typer.echo(
        f"{len(done)} stages: {reused} reused from the store, {len(done) - reused - len(bad)} done now, "
        f"{len(bad)} not ok"
    )
    typer.echo(write_report(folder))
    if bad:
        raise typer.Exit(1)
