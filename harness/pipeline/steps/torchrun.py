"""Training in several processes, on one machine or on several: each runs the same `fit`, and the first one writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.errors import UnavailableError, UserError

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable, JsonValue

WORKER = "harness.pipeline.steps.torchrun_worker"
"""The module that each process runs; named, not imported, because it imports what calls this one."""
NODES, RENDEZVOUS = "LACONIC_BENCH_NODES", "LACONIC_BENCH_RENDEZVOUS"
"""Environment variables: how many machines share a training, and HOST:PORT of the one that runs the spec. They are no
settings of a spec, because they decide nothing of the model."""
PATIENCE = 3600
"""Seconds that machines wait for each other."""


@dataclass(frozen=True)
class Nodes:
    """The machines of a training.

    Attributes:
        count: How many.
        rank: Number of this one; 0 runs the spec.
        rendezvous: HOST:PORT of the first, where there are several.
    """

    count: int = 1
    rank: int = 0
    rendezvous: str | None = None

    def command(self, processes: int, *arguments: str) -> list[str]:
        """Torchrun with this machine's share of the processes.

        Args:
            processes: Of all machines.
            arguments: Of the worker.

        Raises:
            UserError: The machines would have different numbers of processes.
        """
        if processes % self.count:
            raise UserError(
                f"{processes} processes are not shared evenly by {self.count} machines",
                key="processes",
                remedy=f"give a multiple of {self.count}, or another {NODES}",
            )
        where = ["--standalone"]
        if self.rendezvous is not None:
            where = [
                f"--nnodes={self.count}", f"--node-rank={self.rank}", "--rdzv-backend=static",
                f"--rdzv-endpoint={self.rendezvous}", f"--rdzv-conf=timeout={PATIENCE}",
            ]  # fmt: skip
        share = f"--nproc-per-node={processes // self.count}"
        started = [sys.executable, "-m", "torch.distributed.run", *where, share, "--local-ranks-filter=0"]
        return [*started, "-m", WORKER, *arguments]


def nodes() -> Nodes:
    """As the environment says; one machine where it says nothing.

    Raises:
        UserError: It does not say where they meet, or is malformed.
    """
    number, place = os.environ.get(NODES, "1"), os.environ.get(RENDEZVOUS)
    if not number.isdecimal() or int(number) < 1:
        raise UserError(f"{number!r} is no number of machines", key=NODES, remedy="give a whole number of at least 1")
    if int(number) == 1:
        return Nodes()
    return Nodes(int(number), 0, endpoint(place or ""))


def endpoint(text: str) -> str:
    """HOST:PORT.

    Raises:
        UserError: It is not of this form.
    """
    if re.fullmatch(r"\S+:\d{1,5}", text) is None:
        raise UserError(
            f"{text!r} does not say where the machines of a training meet",
            key=RENDEZVOUS,
            remedy="give HOST:PORT of the machine that runs the spec, such as node0:29500",
        )
    return text


def fit_in_processes(arguments: JsonTable, processes: int, report: Progress) -> JsonValue:
    """Run `harness.pipeline.steps.fit.fit` in several processes that torchrun starts, here and on other machines.

    Args:
        arguments: Of `fit`, without `report`. Their paths lead to the same files on all machines.
        processes: How many, on all machines.
        report: Called with the first process's progress.

    Returns:
        What the first process's `fit` returned, as JSON.

    Raises:
        UserError: The `fit` of the first process raised it, or its subclass UnavailableError; or see `nodes`.
        RuntimeError: A process ended without a result.
    """
    with TemporaryDirectory() as name:
        job, result = Path(name) / "job.json", Path(name) / "result.json"
        job.write_text(json.dumps(arguments), encoding="utf-8")
        command = nodes().command(processes, str(job), str(result))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout or ():
                if line.startswith("{"):
                    report(*json.loads(line)["progress"])
        ended: dict[str, JsonValue] = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        if "error" in ended:
            raise (UnavailableError if ended.get("unavailable") else UserError)(str(ended["error"]))
        if running.returncode or "result" not in ended:
            raise RuntimeError(f"torchrun ended with exit status {running.returncode}")
        return ended["result"]


def join(place: Nodes, processes: int) -> None:
    """Be one of the other machines of a training that `fit_in_processes` runs elsewhere, until it ends.

    Args:
        place: With the rank of this machine.
        processes: Of all machines.

    Raises:
        UserError: The training failed, or the first machine was not reached.
    """
    done = subprocess.run(place.command(processes), check=False)
    if done.returncode:
        raise UserError(
            f"the training ended with exit status {done.returncode}",
            remedy="see the messages of the machine that runs the spec; start both again, and it goes on from its "
            "last checkpoint",
        )
