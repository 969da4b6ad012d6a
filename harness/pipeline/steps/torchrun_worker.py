"""One of the processes of a training that torchrun started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.pipeline.steps.fit import fit
from harness.training.devices import writes


def main() -> int:
    """One of the processes: read the job, do it, and write the result if this is the first."""

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
