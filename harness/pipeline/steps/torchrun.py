"""Training in several processes: each runs the same `fit`, and the first one writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.encoders.base import Progress


def fit_together(arguments: dict[str, Any], processes: int, report: Progress) -> dict[str, Any]:
    """Run `harness.pipeline.steps.encode.fit` in so many processes of this machine, started by torchrun.

    Args:
        arguments: Of `fit`, without `report`.
        processes: How many.
        report: Called with the first process's progress.

    Returns:
        What the first process's `fit` gave.

    Raises:
        UserError: What it raised.
    """
    with TemporaryDirectory() as name:
        job, result = Path(name) / "job.json", Path(name) / "result.json"
        job.write_text(json.dumps(arguments), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        with subprocess.Popen(
            [*command, "--local-ranks-filter=0", "-m", __spec__.name, str(job), str(result)],
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            for line in running.stdout or ():
                if line.startswith("{"):
                    report(*json.loads(line)["progress"])
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        if "error" in found:
            raise UserError(found["error"])
        if running.returncode or "result" not in found:
            raise RuntimeError(f"torchrun ended with exit status {running.returncode}")
        given: dict[str, Any] = found["result"]
        return given


def main() -> int:
    """One of the processes: read the job, do it, and write the result if this is the first."""
    from harness.pipeline.steps.encode import fit
    from harness.training.devices import writes

    def report(*now: Any) -> None:
        sys.stdout.write(json.dumps({"progress": now}) + "\n")
        sys.stdout.flush()

    job, result = (Path(argument) for argument in sys.argv[1:3])
    found: dict[str, Any]
    try:
        found = {"result": fit(**json.loads(job.read_text(encoding="utf-8")), report=report)}
    except UserError as error:
        found = {"error": str(error)}
    if writes():
        result.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
