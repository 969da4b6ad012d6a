"""The commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.nightly import compare, history, nightly
from harness.cli.results import AsJson
from harness.cli.results import app as evidence
from harness.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure learned sparse against dense retrieval on a CPU.",
)

app.add_typer(history, name="history")
app.command()(compare)
app.command()(nightly)
app.add_typer(evidence)

SpecFile = Annotated[Path, typer.Argument(help="The experiment, a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="key=value; changes the spec.")]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="LACONIC_BENCH_STORE", help="Where artefacts are kept.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Run this system alone; may be repeated.")]
DEFAULT_STORE = Path(".laconic-bench")


def _load(
    file: Path, overrides: list[str] | None, only: list[str] | None, null: bool = False, machine: str | None = None
) -> Any:
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

    _, _, stages = _load(spec_file, overrides, only)
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
def run(
    spec_file: SpecFile,
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/NAME[-null] by default.")] = None,
    overrides: Overrides = None,
    only: Only = None,
    retry: Annotated[
        str | None, typer.Option("--retry", help="failed, disturbed, or apart (not timed in turns): do those again.")
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
    from harness.pipeline.executors.local import KEPT
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.results.gather import write_run
    from harness.pipeline.store.local import Store
    from reports.pages.run_page import write_report

    again: dict[str | None, tuple[str, ...]] = {
        None: (), "failed": KEPT, "disturbed": ("disturbed",), "apart": ("apart",)
    }  # fmt: skip
    if retry not in again:
        raise UserError(f"--retry {retry!r} is unknown", remedy="allowed: failed, disturbed, apart")
    # A system and its twin say nothing of the machine unless they were timed in turns.
    again[retry] = (*again[retry], *(("apart",) if null else ()))
    kept = Store(store)
    where = place(executor, kept, address=address, artefacts=artefacts)
    spec, systems, stages = _load(spec_file, overrides, only, null, where.machine)
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


@app.command()
def pin(spec_file: SpecFile, overrides: Overrides = None) -> None:
    """Look up the commits of models that the spec names without one; print the settings that pin them."""
    from harness.pipeline.plan.pins import pins
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec

    found = pins(load_spec(spec_file, REGISTRIES, overrides or ()))
    typer.echo("\n".join(f"--set {one}" for one in found) or "every model is pinned, or lies in a folder or a wheel")


@app.command(name="check-model")
def check_model(
    spec_file: SpecFile,
    encoder: Annotated[str, typer.Argument(help="Name of an encoder of the spec.")],
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a model is what the spec says it is; exit 1 if not. Makes the model if it is not stored."""
    from harness.pipeline.executors.local import KEPT, Executor
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import check_stages
    from harness.pipeline.store.local import Store
    from harness.spec.load import load_spec

    spec = load_spec(spec_file, REGISTRIES, overrides or ())
    stages = check_stages(spec, encoder)
    done = Executor(Store(store), spec.head.measure, Lines(), retry=KEPT).run(stages)[stages[-1].key]
    if done.artefact is None:
        raise typer.Exit(1)
    checks = done.artefact.result["checks"]
    if as_json:
        typer.echo(json.dumps(checks, ensure_ascii=False))
    else:
        for row in checks:
            typer.echo(f"{'ok' if row['passed'] else 'BAD':4} {row['name']}: {row['text']}")
            if not row["passed"]:
                typer.echo(f"     {row['meaning']}")
    if not all(row["passed"] for row in checks):
        raise typer.Exit(1)


@app.command()
def mine(
    spec_file: SpecFile,
    system: Annotated[str, typer.Argument(help="System of the spec that searches.")],
    collection: Annotated[str, typer.Argument(help="Collection of the spec whose training pairs get negatives.")],
    out: Annotated[Path, typer.Option("--out", help="File of pairs to write, JSON lines.")],
    count: Annotated[int, typer.Option(min=1, help="Negatives of a pair, at most.")] = 15,
    depth: Annotated[int, typer.Option(min=1, help="Passages looked at for a query.")] = 100,
    skip: Annotated[int, typer.Option(min=0, help="Best ranks left out.")] = 0,
    share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="A passage above this share of the positive's score is an answer.")
    ] = 0.95,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
) -> None:
    """Give training pairs hard negatives that a system finds; what likely answers the query too is left out."""
    import shutil

    from harness.pipeline.executors.local import KEPT, Executor
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import mining_stages
    from harness.pipeline.store.local import Store
    from harness.spec.load import load_spec

    spec = load_spec(spec_file, REGISTRIES, overrides or ())
    settings = {"count": count, "depth": depth, "skip": skip, "share": share}
    stages = mining_stages(spec, system, collection, settings)
    done = Executor(Store(store), spec.head.measure, Lines(), retry=KEPT).run(stages)[stages[-1].key]
    if done.artefact is None:
        raise typer.Exit(1)
    shutil.copyfile(done.artefact.files / "pairs.jsonl", out)
    found = done.artefact.result
    typer.echo(f"{out}: {found['pairs']} pairs with {found['negatives']:.1f} negatives each")


@app.command()
def ciff(
    source: Annotated[Path, typer.Argument(help="Folder of sparse vectors, or a CIFF file.")],
    target: Annotated[Path, typer.Argument(help="The CIFF file, or a new folder, to write.")],
    levels: Annotated[int, typer.Option(help="Writing: the whole number that the highest weight becomes.")] = 255,
) -> None:
    """Exchange documents with other engines: vectors to an inverted index in CIFF, or back."""
    from harness.ciff.files import read_ciff, write_ciff
    from harness.vectors import load_vectors

    if source.is_dir():
        scale = write_ciff(target, load_vectors(source), levels=levels)
        typer.echo(f"wrote {target}; a weight is {scale:.6g} x the number in the file")
    else:
        target.mkdir(parents=True)
        info, _ = read_ciff(source, target)
        typer.echo(f"read {info.rows} documents with {info.stored} postings of {info.columns} terms into {target}")


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
    what: Annotated[str, typer.Argument(help="collections, encoders, indexes or metrics")], as_json: AsJson = False
) -> None:
    """List what specs can name."""
    from harness.errors import allowed
    from harness.metrics import METRICS
    from harness.pipeline.plan.registries import REGISTRIES

    known = {axis: getattr(REGISTRIES, axis).names for axis in ("collections", "encoders", "indexes")} | {
        "metrics": lambda: list(METRICS)
    }
    if what not in known:
        raise UserError(f"there is no list of {what!r}", remedy=allowed(what, known))
    typer.echo(json.dumps(known[what]()) if as_json else "\n".join(known[what]()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec."""
    from harness.pipeline.plan.registries import REGISTRIES
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
                f"{error.filename or ''}: {error.strerror}\n"
                "  remedy: free space or mend the permissions; what was finished is kept"
            )
        )


def _failed(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201
    return 2
