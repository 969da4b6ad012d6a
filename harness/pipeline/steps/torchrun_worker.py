"""One of the processes of a training that torchrun started."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UnavailableError, UserError
from harness.pipeline.steps.fit import fit
from harness.pipeline.steps.torchrun import PATIENCE, nodes
from harness.training.devices import writes
from harness.typed_json import to_json

if TYPE_CHECKING:
    from harness.jsonvalue import JsonValue

JOB = "laconic-bench/job"
"""Where the processes of other machines find what is to be done."""


def main() -> int:
    """Read the job, do it, and write the result if this is the first process."""

    def report(done: int, total: int | None, text: str) -> None:
        sys.stdout.write(json.dumps({"progress": [done, total, text]}) + "\n")
        sys.stdout.flush()

    job = _job(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    ended: dict[str, JsonValue]
    try:
        ended = {"result": to_json(fit(**json.loads(job), report=report))}
    except UserError as error:
        ended = {"error": str(error), "unavailable": isinstance(error, UnavailableError)}
    if writes():
        Path(sys.argv[2]).write_text(json.dumps(ended), encoding="utf-8")
    elif len(sys.argv) == 1 and "error" in ended:  # on another machine, where nobody reads a result
        sys.stderr.write(f"{ended['error']}\n")
        return 1
    return 0


def _job(file: Path | None) -> str:
    """What is to be done: from the file, or where another machine runs the spec, from its first process."""
    text = None if file is None else file.read_text(encoding="utf-8")
    if text is None or (writes() and nodes().count > 1):
        from torch.distributed import TCPStore

        store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=timedelta(seconds=PATIENCE))
        if text is None:
            text = store.get(JOB).decode()
        else:
            store.set(JOB, text)
    return text


if __name__ == "__main__":
    sys.exit(main())
