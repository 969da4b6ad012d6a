"""The commands on models and vectors: check-model, mine, vectors, ciff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_STORE, AsJson, Overrides, SpecFile, StoreFolder, file_to_write
from harness.cli.tables import show
from harness.errors import UserError

VECTORS = "give a folder that `harness.vectors` wrote, such as `files` of an encode stage in the store"
app = typer.Typer()


@app.command(name="check-model")
def check_model(
    spec_file: SpecFile,
    encoder: Annotated[str, typer.Argument(help="Name of an encoder of the spec.")],
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check that a model is what the spec says it is; exit 1 if not. Make the model if it is not stored."""
    from harness.pipeline.executors.local import Executor
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import check_stages
    from harness.pipeline.stage_outcome import RETRIED
    from harness.pipeline.steps.check import Checked
    from harness.pipeline.store.local import Store
    from harness.pipeline.stored_result import stored_result
    from harness.spec.load import load_spec
    from harness.typed_json import to_json

    spec = load_spec(spec_file, REGISTRIES, overrides or ())
    stages = check_stages(spec, encoder)
    with Lines() as lines:
        done = Executor(Store(store), spec.head.measure, lines, retry=RETRIED).run(stages)[stages[-1].key]
    if done.artefact is None:
        raise typer.Exit(1)
    checks = stored_result(done.artefact, Checked).checks
    if as_json:
        typer.echo(json.dumps(to_json(checks), ensure_ascii=False))
    else:
        rows = [
            (
                "ok" if check.passed else "bad",
                check.name,
                check.text,
                "" if check.passed else check.meaning,
            )
            for check in checks
        ]
        show(("verdict", "check", "result", "what it means"), rows, verdicts=(0,))
    if not all(check.passed for check in checks):
        raise typer.Exit(1)


@app.command()
def mine(
    spec_file: SpecFile,
    system: Annotated[str, typer.Argument(help="Name of a system of the spec; it searches for the negatives.")],
    collection: Annotated[
        str, typer.Argument(help="Name of a collection of the spec; its training pairs get negatives.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write: pairs as JSON lines.")],
    count: Annotated[int, typer.Option(min=1, help="Largest number of negatives for a pair.")] = 15,
    depth: Annotated[int, typer.Option(min=1, help="Number of passages to consider for a query.")] = 100,
    skip: Annotated[int, typer.Option(min=0, help="Number of best ranks to leave out.")] = 0,
    share: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="A passage that scores above this share of the pair's own passage is an answer."
        ),
    ] = 0.95,
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
) -> None:
    """Add hard negatives that a system finds to training pairs; leave out passages that likely answer the query."""
    from harness.pipeline.executors.local import Executor
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import mining_stages
    from harness.pipeline.stage_outcome import RETRIED
    from harness.pipeline.steps.mine import Mined
    from harness.pipeline.steps.prepare import open_pairs, pair_line
    from harness.pipeline.store.local import Store
    from harness.pipeline.stored_result import stored_result
    from harness.spec.load import load_spec

    file_to_write(out)
    spec = load_spec(spec_file, REGISTRIES, overrides or ())
    settings = {"count": count, "depth": depth, "skip": skip, "share": share}
    stages = mining_stages(spec, system, collection, settings)
    with Lines() as lines:
        done = Executor(Store(store), spec.head.measure, lines, retry=RETRIED).run(stages)[stages[-1].key]
    if done.artefact is None:
        raise typer.Exit(1)
    with out.open("wb") as file:
        file.writelines(map(pair_line, open_pairs(done.artefact.files)))
    mined = stored_result(done.artefact, Mined)
    typer.echo(f"{out}: {mined.pairs} pairs with {mined.negatives:.1f} negatives each")


@app.command()
def vectors(
    spec_file: SpecFile,
    encoder: Annotated[str, typer.Argument(help="Name of an encoder of the spec.")],
    collection: Annotated[str, typer.Argument(help="Name of a collection of the spec.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder to write, in the layout of lsr-benchmark.")],
    store: StoreFolder = DEFAULT_STORE,
    overrides: Overrides = None,
) -> None:
    """Encode a collection and write its vectors, which an encoder of type vectors takes on another machine."""
    from harness.encoders.precomputed.write import write_side
    from harness.pipeline.executors.local import Executor
    from harness.pipeline.executors.progress import Lines
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.plan.systems import encoding_stages
    from harness.pipeline.stage_outcome import RETRIED
    from harness.pipeline.steps.passages import encoded_texts
    from harness.pipeline.steps.prepare import read_texts
    from harness.pipeline.store.local import Store
    from harness.spec.load import load_spec
    from harness.vectors import load_vectors

    if out.exists():
        raise UserError("this is there already", file=out, remedy="name a new folder")
    spec = load_spec(spec_file, REGISTRIES, overrides or ())
    stages = encoding_stages(spec, encoder, collection)
    with Lines() as lines:
        done = Executor(Store(store), spec.head.measure, lines, retry=RETRIED).run(stages)
    encoded, prepared = done[stages[-1].key].artefact, done[stages[0].key].artefact
    if encoded is None or prepared is None:
        raise typer.Exit(1)
    out.mkdir(parents=True)
    for name, plural in (("doc", "documents"), ("query", "queries")):
        source = encoded_texts(prepared.files) if name == "doc" else prepared.files / "queries.jsonl"
        rows, texts = load_vectors(encoded.files / plural), read_texts(source)
        try:
            write_side(out, name, rows, (identifier for identifier, _ in texts))
        except ValueError as error:
            raise UserError(str(error), file=out, remedy="give the collection other identifiers") from None
        typer.echo(f"{out / name}: {rows.shape[0]} vectors with {rows.shape[1]} columns")


@app.command()
def ciff(
    source: Annotated[Path, typer.Argument(help="Folder of sparse vectors, or a CIFF file.")],
    target: Annotated[Path, typer.Argument(help="The CIFF file, or a new folder, to write.")],
    levels: Annotated[int, typer.Option(min=1, help="When writing: the whole number for the highest weight.")] = 255,
) -> None:
    """Write vectors as an inverted index in CIFF for other engines, or read such a file."""
    import shutil

    from harness.ciff.files import read_ciff, write_ciff
    from harness.vectors import load_vectors

    if source.is_dir():
        file_to_write(target, "target")
        try:
            vectors = load_vectors(source)
        except (OSError, ValueError) as error:
            raise UserError(f"no folder of vectors: {error}", file=source, remedy=VECTORS) from None
        scale = write_ciff(target, vectors, levels=levels)
        typer.echo(f"wrote {target}; a weight is {scale:.6g} x the number in the file")
        return
    if not source.is_file():
        raise UserError(
            "there is no such file or folder", file=source, remedy="give a CIFF file or a folder of vectors"
        )
    if target.exists():
        raise UserError("this is there already", file=target, remedy="name a new folder")
    target.mkdir(parents=True)
    try:
        info, _ = read_ciff(source, target)
    except BaseException:
        shutil.rmtree(target)
        raise
    typer.echo(f"read {info.rows} documents with {info.stored} postings of {info.columns} terms into {target}")
