"""Training in several processes: each runs the same `fit`, and the first one writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.errors import UnavailableError, UserError

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable, JsonValue

WORKER = "harness.pipeline.steps.torchrun_worker"
"""The module that each process runs; named, not imported, because it imports what calls this one."""


def fit_in_processes(arguments: JsonTable, processes: int, report: Progress) -> JsonValue:
    """Run `harness.pipeline.steps.fit.fit` in several processes of this machine, started by torchrun.

    Args:
        arguments: Of `fit`, without `report`.
        processes: How many.
        report: Called with the first process's progress.

    Returns:
        What the first process's `fit` returned, as JSON.

    Raises:
        UserError: The `fit` of the first process raised it, or its subclass UnavailableError.
        RuntimeError: A process ended without a result.
    """
    with TemporaryDirectory() as name:
        job, result = Path(name) / "job.json", Path(name) / "result.json"
        job.write_text(json.dumps(arguments), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        with subprocess.Popen(
            [*command, "--local-ranks-filter=0", "-m", WORKER, str(job), str(result)],
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            for line in running.stdout or ():
                if line.startswith("{"):
                    report(*json.loads(line)["progress"])
        ended: dict[str, JsonValue] = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        if "error" in ended:
            raise (UnavailableError if ended.get("unavailable") else UserError)(str(ended["error"]))
        if running.returncode or "result" not in ended:
            raise RuntimeError(f"torchrun ended with exit status {running.returncode}")
        return ended["result"]
