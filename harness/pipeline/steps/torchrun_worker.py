"""One of the processes of a training that torchrun started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UnavailableError, UserError
from harness.pipeline.steps.fit import fit
from harness.training.devices import writes
from harness.typed_json import to_json

if TYPE_CHECKING:
    from harness.jsonvalue import JsonValue


def main() -> int:
    """One of the processes: read the job, do it, and write the result if this is the first."""

    def report(done: int, total: int | None, text: str) -> None:
        sys.stdout.write(json.dumps({"progress": [done, total, text]}) + "\n")
        sys.stdout.flush()

    job, result = (Path(argument) for argument in sys.argv[1:3])
    ended: dict[str, JsonValue]
    try:
        ended = {"result": to_json(fit(**json.loads(job.read_text(encoding="utf-8")), report=report))}
    except UserError as error:
        ended = {"error": str(error), "unavailable": isinstance(error, UnavailableError)}
    if writes():
        result.write_text(json.dumps(ended), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
