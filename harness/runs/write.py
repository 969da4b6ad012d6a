"""The one writer of run folders."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.files import NO_LOCKS, replacing, write_whole
from harness.records import write_records
from harness.runs import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Record


@dataclass(frozen=True)
class RunContents:
    """All that a run folder holds; `harness.runs.layout` describes the files.

    Attributes:
        facts: Of run.json, without the schema, which the writer adds.
        records: All rows.
        per_query: collection, system, query, metric and value of each query.
        latencies: Arrays of ``latency.npz`` by name.
        conditions: A row a timed process.
        explained: Rows of ``explain.jsonl``.
        active: Arrays of ``active.npz`` by name.
        training: A row a step of a learning curve that was noted.
        trec_runs: The file to copy of each system that has one, by the system's number.
    """

    facts: Mapping[str, object]
    records: Sequence[Record]
    per_query: Iterable[Mapping[str, object]] = ()
    latencies: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    conditions: Iterable[Mapping[str, object]] = ()
    explained: Iterable[Mapping[str, object]] = ()
    active: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    training: Iterable[Mapping[str, object]] = ()
    trec_runs: Mapping[int, Path] = field(default_factory=dict)


def write_run_folder(folder: Path, contents: RunContents) -> None:
    """Write a run folder, each file whole; run.json comes last. Two writers exclude each other."""
    (folder / layout.TREC_RUNS).mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for number, source in contents.trec_runs.items():
            with replacing(folder / layout.trec_run(number)) as copy:
                shutil.copyfile(source, copy)
        with replacing(folder / layout.RECORDS) as file:
            write_records(file, contents.records)
        for name, rows in {
            layout.CONDITIONS: contents.conditions,
            layout.EXPLAIN: contents.explained,
            layout.TRAINING: contents.training,
            layout.PER_QUERY: contents.per_query,
        }.items():
            write_whole(folder / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        with replacing(folder / layout.ACTIVE) as file:
            np.savez_compressed(file, allow_pickle=False, **contents.active)
        _write_latencies(folder, contents.latencies)
        facts = {"schema": layout.SCHEMA, **contents.facts}
        write_whole(folder / layout.RUN, json.dumps(facts, ensure_ascii=False, indent=1))


def replace_latencies(folder: Path, latencies: Mapping[str, NDArray[np.generic]]) -> None:
    """Put other times into a finished run folder."""
    with _locked(folder):
        _write_latencies(folder, latencies)


def provenance() -> dict[str, str]:
    """Version of this program, and the git revision and changes of the folder that it was started in."""
    from harness import __version__

    git = shutil.which("git") or "git"
    revision, changes = (_output_of([git, *words]) for words in (["rev-parse", "HEAD"], ["status", "--porcelain"]))
    unknown = "not a git checkout"
    return {
        "laconic-bench": __version__,
        "git revision": unknown if revision is None else revision,
        "git changes": unknown if changes is None else "uncommitted changes" if changes else "none",
    }


def _output_of(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _write_latencies(folder: Path, latencies: Mapping[str, NDArray[np.generic]]) -> None:
    with replacing(folder / layout.LATENCY) as file:
        np.savez(file, allow_pickle=False, **latencies)  # times do not compress, and a report reads them


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # finished results are not lost for want of a lock
            if error.errno not in NO_LOCKS:
                raise
        yield
