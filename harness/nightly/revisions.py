"""Two revisions of anything installed, each in a virtual environment of its own, measured in turns in one job."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from harness.errors import UserError
from harness.measure.workers.environment import scrubbed_environment
from harness.pipeline.store.local import Store
from harness.runs import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.nightly.timing_process import Order

RUN = """
try:
    from harness.start import main
except ImportError:  # a revision before it
    from harness.cli import main
main()
"""
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(==|@|>=|<=|~=)")
TIMED_PARTS = ("prepare", "fit", "build")
"""The parts of a system that made what a timer loads."""
QUICK = ("measure.processes=1", "measure.repeats=1", "measure.also=[]")
"""The untimed part is run like this; times are taken in turns afterwards."""


@dataclass(frozen=True)
class Side:
    """One revision, ready to be run.

    `python` is the interpreter of its environment, `overrides` what it changes in the spec, `folder` gets its run.
    """

    name: str
    python: Path
    overrides: tuple[str, ...]
    folder: Path


def prepare(revision: str, name: str, work: Path, repository: Path) -> Side:
    """Make the environment of a revision.

    Args:
        revision: A requirement (``faiss-cpu==1.9.0``) or a wheel, which is installed; a folder of Python packages or a
            git revision of `repository`, which is put first on the path; or ``key=value``, which changes the spec
            (another model, say).
        name: base or head.
        work: Folder to make it in.
        repository: Where git revisions are looked up.

    Raises:
        UserError: It is none of these, or cannot be installed.
    """
    environment, tree = work / name / "env", None
    overrides: tuple[str, ...] = ()
    shutil.rmtree(work / name, ignore_errors=True)
    _call([sys.executable, "-m", "venv", "--without-pip", str(environment)], f"no environment for {revision!r}")
    python = environment / "bin/python"
    if REQUIREMENT.match(revision) or revision.endswith(".whl"):
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", revision]
        _call(pip, f"cannot install {revision!r}")
    elif Path(revision).is_dir():
        tree = Path(revision).absolute()
    elif "=" in revision:
        overrides = (revision,)
    else:
        tree = _checked_out(revision, work / name / "tree", repository)
    # What the revision does not have comes from here. Its own modules stand before.
    paths = [str(tree)] if tree else []
    paths += [str(Path(path).absolute()) for path in sys.path if path and Path(path).is_dir()]
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "inherited.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")
    return Side(revision, python, overrides, work / name / "run")


def run_untimed(side: Side, spec: Path, overrides: Sequence[str], store: Path) -> None:
    """Make all artefacts of a spec with this side's code and write its run; what both sides share is made once.

    Raises:
        UserError: It wrote no run.
    """
    options = [part for text in (*overrides, *QUICK, *side.overrides) for part in ("--set", text)]
    command = [*_python(side), "-c", RUN, "run", str(spec), "--store", str(store), "--out", str(side.folder), "-q"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=_environment(), check=False)
    if not layout.is_finished(side.folder):
        raise UserError(
            f"{side.name} could not be run: {done.stderr.strip()[-2000:]}", remedy="run it alone to see why"
        )


class Folders(TypedDict):
    """Folders of the artefacts of one system on one collection."""

    collection: str
    collection_name: NotRequired[str]
    model: str
    index: str


def folders_of(side: Side, store: Path) -> dict[tuple[str, str], Folders]:
    """The folders of each system that is ok, by (collection, system).

    Raises:
        UserError: The side's run does not say which stage made one of them, or is of a later layout.
    """
    objects = Store(store)
    folders: dict[tuple[str, str], Folders] = {}
    for system in layout.read_facts(side.folder)["systems"]:
        if system["status"] != "ok":
            continue
        keys = system["stages"]
        missing = [part for part in TIMED_PARTS if part not in keys]
        if missing:
            raise UserError(
                f"the run of {side.name} names no stage {', '.join(missing)} of {system['name']}",
                file=side.folder / layout.RUN,
                remedy="compare a revision that writes the keys of its stages",
            )
        prepare, fit, build = (str(objects.files(keys[part]).absolute()) for part in TIMED_PARTS)
        folders[system["collection"], system["name"]] = {
            "collection": prepare,
            "collection_name": system["collection"],
            "model": fit,
            "index": build,
        }
    return folders


class Timer:
    """A process that times queries with one side's code, a batch on each call.

    Args:
        side: The revision.
        order: What `timing_process.serve` needs.
        threads: For the libraries.
    """

    def __init__(self, side: Side, order: Order, threads: int) -> None:
        self.side = side
        command = [*_python(side), str(Path(__file__).with_name("timing_process.py")), json.dumps(order)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=_environment(threads),
        )  # fmt: skip

    def ready(self) -> tuple[int, int]:
        """Wait until it is: the number of queries, and nanoseconds that one took of the processor (median).

        Raises:
            UserError: It ended before.
        """
        ready: dict[str, int] = json.loads(self._line())
        return ready["queries"], ready["nanoseconds"]

    def bind(self, processor: int) -> None:
        """Keep the thread that times on one processor (Linux)."""
        os.sched_setaffinity(self.process.pid, {processor})

    def time(self, places: Sequence[int]) -> list[list[int]]:
        """A row of nanoseconds for each of these queries: [encode, search] by the clock, the same of the processor."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(json.dumps(list(places)) + "\n")
        self.process.stdin.flush()
        rows: list[list[int]] = json.loads(self._line())
        return rows

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        line = self.process.stdout.readline()
        if not line:
            errors = self.process.communicate()[1].strip()
            raise UserError(f"{self.side.name} could not be timed: {errors[-2000:]}", remedy="run it alone to see why")
        return line


def _python(side: Side) -> list[str]:
    return [str(side.python), "-P"]


def _environment(threads: int = 1) -> dict[str, str]:
    """Without PYTHONPATH and VIRTUAL_ENV: they would put this revision before the side's own."""
    return {name: value for name, value in scrubbed_environment(threads).items() if name != "VIRTUAL_ENV"}


def _checked_out(revision: str, tree: Path, repository: Path) -> Path:
    git = shutil.which("git") or "git"
    done = subprocess.run([git, "-C", str(repository), "archive", "--", revision], capture_output=True, check=False)
    if done.returncode:
        raise UserError(
            f"{revision!r} is not a folder, a requirement, key=value or a git revision of {repository}",
            remedy="give the folder of a finished run, NAME==VERSION, a wheel, a folder, a revision, or key=value",
        )
    tree.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def _call(command: list[str], problem: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
    if done.returncode:
        # pip writes its warnings there, too.
        errors = [line for line in done.stderr.split("\n") if line.startswith("ERROR: ")] or [
            done.stderr.strip()[-1000:]
        ]
        raise UserError(f"{problem}: {errors[-1]}", remedy="check the name, and the network")
