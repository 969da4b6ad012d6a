"""The commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.pipeline.execute import Done
    from harness.pipeline.graph import Stage

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure learned sparse against dense retrieval on a CPU.",
)

SpecFile = Annotated[Path, typer.Argument(help="The experiment, a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value; changes the spec.")]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="LACONIC_BENCH_STORE", help="Where artefacts are kept.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Run this system alone; may be repeated.")]
DEFAULT_STORE = Path(".laconic-bench")


class Lines:
    """One line a stage on standard error."""

    def begin(self, stage: Stage, number: int, total: int) -> None:
        """Say what begins."""
        self._say(f"[{number}/{total}] {stage.label} ...")

    def progress(self, done: int, total: int | None, text: str) -> None:
        """Overwrite one line, on a terminal only."""
        if sys.stderr.isatty():
            print(
                f"\r    {text} {done}{'' if total is None else f' of {total}'}\x1b[K",
                end="\r",
                file=sys.stderr,
                flush=True,
            )

    def end(self, done: Done, number: int, total: int) -> None:
        """Say how it ended."""
        how = "from the store" if done.reused and done.status == "ok" else f"{done.status} in {done.seconds:.1f} s"
        self._say(f"[{number}/{total}] {done.stage.label}: {how}{f': {done.reason}' if done.reason else ''}")

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _load(file: Path, overrides: list[str] | None, only: list[str] | None) -> Any:
    from harness.errors import allowed
    from harness.measure.environment import machine_fingerprint
    from harness.pipeline.axes import REGISTRIES
    from harness.pipeline.graph import in_order, system_stages
    from harness.spec.load import load_spec

    spec = load_spec(file, REGISTRIES, overrides or ())
    names = [system.name for system in spec.systems]
    for name in only or ():
        if name not in names:
            raise UserError(
                f"--only {name!r}: there is no such system in this spec", file=file, remedy=allowed(name, names)
            )
    systems = system_stages(spec, machine_fingerprint(), only or ())
    return spec, systems, in_order(systems, spec.head.seed)


@app.command()
def plan(
    spec_file: SpecFile, store: StoreFolder = DEFAULT_STORE, overrides: Overrides = None, only: Only = None
) -> None:
    """Show the stages and which are stored already; do nothing."""
    from harness.pipeline.store import Store

    _, _, stages = _load(spec_file, overrides, only)
    kept = Store(store)
    for stage in stages:
        typer.echo(f"{'stored ' if kept.has(stage.key) else 'to do  '} {stage.key[:12]}  {stage.label}")
    typer.echo(f"{sum(kept.has(s.key) for s in stages)} of {len(stages)} stages are stored")


@app.command()
def run(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    only: Only = None,
    retry: Annotated[str | None, typer.Option("--retry", help="failed: try again what failed before.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make everything anew.")] = False,
) -> None:
    """Run an experiment and write its report; what is stored already is reused."""
    from harness.pipeline.execute import KEPT, Executor
    from harness.pipeline.results import write_run
    from harness.pipeline.store import Store
    from reports.html import write_report

    if retry not in (None, "failed"):
        raise UserError(f"--retry {retry!r} is unknown", remedy="allowed: failed")
    spec, systems, stages = _load(spec_file, overrides, only)
    executor = Executor(Store(store), spec.head.measure, Lines(), fresh=fresh, retry=KEPT if retry else ())
    done = executor.run(stages)
    folder = out or Path("runs") / spec.name
    write_run(folder, spec, systems, stages, done)
    reused = sum(d.reused and d.status == "ok" for d in done.values())
    bad = [d for d in done.values() if d.status != "ok"]
    typer.echo(
        f"{len(done)} stages: {reused} reused from the store, {len(done) - reused - len(bad)} done now, {len(bad)} not ok"
    )
    typer.echo(write_report(folder))
    if bad:
        raise typer.Exit(1)


@app.command()
def report(run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")]) -> None:
    """Write the report of a finished run anew."""
    from reports.html import write_report

    typer.echo(write_report(run_folder))


@app.command()
def claims(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Print the verdicts; exit 0 if all are supported, 1 if one is contradicted, 2 otherwise."""
    from harness.claims import exit_code
    from reports.load import load_run

    verdicts = load_run(run_folder).verdicts()
    if as_json:
        typer.echo(json.dumps([vars(verdict) for verdict in verdicts], ensure_ascii=False))
    else:
        for verdict in verdicts:
            typer.echo(f"{verdict.word.upper()}: {verdict.claim}\n  {verdict.sentence}")
        if not verdicts:
            typer.echo("the spec makes no claims")
    raise typer.Exit(exit_code(verdicts))


@app.command()
def tables(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    form: Annotated[str, typer.Option("--format", help="latex, markdown or csv")] = "markdown",
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="May be repeated.")] = None,
    decimals: Annotated[int, typer.Option(min=0, max=8)] = 3,
) -> None:
    """Print a paper table."""
    from reports.load import load_run
    from reports.tables import DEFAULT, table

    typer.echo(table(load_run(run_folder), tuple(metrics or DEFAULT), form, decimals), nl=False)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Say whether this machine is fit to time on; change nothing."""
    from harness.measure.doctor import examine

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
def list_names(what: Annotated[str, typer.Argument(help="collections, encoders, indexes or metrics")]) -> None:
    """List what specs can name."""
    from harness.errors import allowed
    from harness.pipeline.axes import REGISTRIES
    from harness.records import METRICS

    known = {axis: getattr(REGISTRIES, axis).names for axis in ("collections", "encoders", "indexes")} | {
        "metrics": lambda: list(METRICS)
    }
    if what not in known:
        raise UserError(f"there is no list of {what!r}", remedy=allowed(what, known))
    typer.echo("\n".join(known[what]()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec."""
    from harness.pipeline.axes import REGISTRIES
    from harness.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(REGISTRIES), indent=1))


def main() -> None:
    """Run a command; a mistake the user can mend is one message and exit code 2."""
    try:
        app()
    except UserError as error:
        sys.exit(_failed(str(error)))
    except OSError as error:
        sys.exit(
            _failed(
                f"{error.filename or ''}: {error.strerror}\n  remedy: free space or mend the permissions; what was finished is kept"
            )
        )
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _failed(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201
    return 2
