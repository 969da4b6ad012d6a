"""The commands history, compare and nightly."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_STORE, AsEvents, AsJson, Overrides, SpecFile, StoreFolder
from harness.cli.plain_help import PlainGroup
from harness.cli.tables import say, show
from harness.errors import UserError
from harness.nightly import PAIRS, ROUNDS
from harness.spec.shipped import spec_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from harness.history import History
    from harness.nightly.changes import Change

app = typer.Typer()
history = typer.Typer(cls=PlainGroup, no_args_is_help=True, help="Add, list, query and prune the runs of the history.")

HistoryFolder = Annotated[
    Path, typer.Option("--history", envvar="LACONIC_BENCH_HISTORY", help="Folder of the history.")
]
AcceptedFile = Annotated[Path, typer.Option("--accepted", help="Accepted regressions, a TOML file.")]
ONE_LINE = str.maketrans("\t\n\r", "   ")
"""Keeps a cell in its line and its column."""
DEFAULT_HISTORY = Path("history")
DEFAULT_ACCEPTED = Path("accepted-regressions.toml")


@history.command()
def add(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs, or files of pyperf.")],
    folder: HistoryFolder = DEFAULT_HISTORY,
    suite: Annotated[
        str, typer.Option("--suite", help="Name of the suite of a file of pyperf; that in the file, or the file's.")
    ] = "",
    accepted: AcceptedFile = DEFAULT_ACCEPTED,
) -> None:
    """Add finished runs and files of pyperf; skip those that the history has. Files are judged as a night is."""
    from harness.history import History, entry_of
    from harness.history.pyperf_entry import entry_of_pyperf
    from harness.nightly.accepted import read_accepted
    from harness.nightly.benchmarks import judged

    target, allowances = History(folder), read_accepted(accepted)
    added = sum(target.add(entry_of(run)) for run in runs if not run.is_file())
    files = sorted((entry_of_pyperf(run, suite) for run in runs if run.is_file()), key=lambda entry: entry.created)
    sentences = []
    for entry in files:
        entry, findings = judged(entry, target, {}, allowances)
        if target.add(entry):
            added += 1
            sentences += [f"{finding.sentence}{' (accepted)' if finding.accepted else ''}" for finding in findings]
    say(f"{added} added, {len(runs) - added} were there already")
    for sentence in sentences:
        say(sentence)


@history.command(name="list")
def list_runs(folder: HistoryFolder = DEFAULT_HISTORY, as_json: AsJson = False) -> None:
    """List the runs, oldest first."""
    runs = _existing(folder).summaries()
    if as_json:
        rows = [{**run._asdict(), "created": run.created.isoformat()} for run in runs]
        say(json.dumps(rows, ensure_ascii=False))
        return
    if not runs:
        say("the history is empty")
        return
    cells = [
        (
            f"{run.created:%Y-%m-%d %H:%M}",
            run.id,
            run.spec,
            (run.revision[:10] or "none") + ("+changes" if run.changes else ""),
            run.machine,
            str(run.records),
        )
        for run in runs
    ]
    show(("ended (UTC)", "id", "spec", "revision", "machine", "records"), cells, numbers=(5,))


@history.command()
def query(
    sql: Annotated[str, typer.Argument(help="SQL over the table records, in DuckDB's dialect.")],
    folder: HistoryFolder = DEFAULT_HISTORY,
    as_json: AsJson = False,
) -> None:
    """Run SQL over all records; it cannot change them."""
    names, rows = _existing(folder).query(sql)
    if as_json:
        say(json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False, default=str))
        return
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        show(names, cells)
    else:  # tabs, so that `cut` and `awk` tell an empty cell from a space
        for line in (names, *cells):
            say("\t".join(cell.translate(ONE_LINE) for cell in line))


@history.command()
def prune(
    folder: HistoryFolder = DEFAULT_HISTORY,
    before: Annotated[
        str | None, typer.Option("--before", help="Remove runs older than this day, for example 2026-01-31.")
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Keep this many of the newest runs.")] = None,
    pretend: Annotated[bool, typer.Option("--dry-run", help="Only list the runs that would be removed.")] = False,
) -> None:
    """Remove old runs; this cannot be undone."""
    if (before is None) == (keep is None):
        raise UserError("no runs to remove are named", remedy="give either --before DAY or --keep NUMBER")
    day = _day(before) if before else None

    def goes(created: datetime, newer: int) -> bool:
        return created < day if day else newer >= (keep or 0)

    gone = _existing(folder).prune(goes, pretend=pretend)
    if pretend:
        for path in gone:
            say(path.stem)
    say(f"{len(gone)} runs {'would go' if pretend else 'removed'}")


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="Earlier finished run (folder), file of pyperf, or revision.")],
    head: Annotated[str, typer.Argument(help="Later finished run (folder), file of pyperf, or revision.")],
    spec_file: Annotated[
        Path | None, typer.Option("--spec", help="The experiment, as for run; only for revisions.")
    ] = None,
    repository: Annotated[Path, typer.Option("--repo", help="Repository of the git revisions.")] = Path(),
    store: StoreFolder = DEFAULT_STORE,
    work: Annotated[Path, typer.Option("--work", help="Folder for environments; its content is replaced.")] = Path(
        "compare"
    ),
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of fresh processes.")] = PAIRS,
    rounds: Annotated[int, typer.Option(min=1, help="Passes over the queries in each process.")] = ROUNDS,
    overrides: Overrides = None,
    force: Annotated[bool, typer.Option("--force", help="Compare runs even if data or machine differ.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also show what did not change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how each metric changed; exit 0 if nothing regressed, 1 if something regressed, 2 if not known.

    BASE and HEAD are folders of finished runs, files of pyperf, or (with --spec) revisions that are measured in turns:
    NAME==VERSION, a wheel, a folder of Python packages, a git revision of --repo, or key=value of the spec.
    """
    from harness.nightly.compare_pyperf import compare_pyperf
    from harness.nightly.compare_runs import compare_runs

    if spec_file is None and (Path(base).is_file() or Path(head).is_file()):
        changes = compare_pyperf(Path(base), Path(head), force=force)
    elif spec_file is None:
        changes = compare_runs(Path(base), Path(head), force=force)
    else:
        from harness.nightly.compare_revisions import compare_revisions

        changes = compare_revisions(
            base, head, spec_path(spec_file), work=work.absolute(), store=store, repository=repository,
            overrides=overrides or (), pairs=pairs, rounds=rounds, report=lambda text: typer.echo(text, err=True),
        )  # fmt: skip
    _show(changes, everything=everything, as_json=as_json)


@app.command()
def nightly(
    spec_file: SpecFile,
    folder: HistoryFolder = DEFAULT_HISTORY,
    store: StoreFolder = DEFAULT_STORE,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the pages; nightly/NAME by default.")] = None,
    accepted: AcceptedFile = DEFAULT_ACCEPTED,
    overrides: Overrides = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the summary.")] = False,
    as_events: AsEvents = False,
) -> None:
    """Run an experiment and judge it by its history; exit 0 if good, 1 if something regressed, 2 if not known."""
    from harness.cli.watchers import watcher_for
    from harness.history import History
    from harness.nightly.accepted import read_accepted
    from harness.nightly.run_nightly import run_nightly
    from harness.nightly.summaries import markdown
    from harness.pipeline.executors.events import JsonLines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.store.local import Store
    from harness.spec.load import load_spec

    spec, allowances = load_spec(spec_file, REGISTRIES, overrides or ()), read_accepted(accepted)
    pages = out or Path("nightly") / spec.name
    with watcher_for(as_events=as_events, quiet=quiet) as watcher:
        night = run_nightly(spec, History(folder), Store(store), pages, allowances, watcher)
    page = (pages / "index.html").resolve()
    if isinstance(watcher, JsonLines):
        watcher.finish("nightly", night.exit_code, {"summary": markdown(night), "page": str(page)})
    else:
        say(markdown(night), nl=False)
        typer.echo(page)
    raise typer.Exit(night.exit_code)


def _show(changes: Sequence[Change], *, everything: bool, as_json: bool) -> None:
    from harness.nightly.compare_runs import exit_code, lines

    if as_json:
        rows = [{**vars(change), "key": list(change.key), "sentence": change.sentence} for change in changes]
        say(json.dumps(rows, ensure_ascii=False))
    else:
        say("\n".join(lines(changes, all_metrics=everything)))
    raise typer.Exit(exit_code(changes))


def _day(text: str) -> datetime:
    from datetime import UTC, datetime

    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UserError(f"--before {text!r} is not a day", remedy="write it as 2026-01-31") from None


def _existing(folder: Path) -> History:
    from harness.history import History

    present = History(folder)
    if not present.runs.is_dir():
        raise UserError("there is no history", file=folder, remedy="give its folder with --history, or add a run first")
    return present
