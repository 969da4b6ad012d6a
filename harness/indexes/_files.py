"""Arrays and files of a saved index with their checksums."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

REMEDY = "build the index again"


def seal(directory: Path, engine: str, version: int, facts: Mapping[str, Any]) -> None:
    """Write ``index.json``: engine, version, facts, size and SHA-256 of every other file."""
    files = {p.name: [p.stat().st_size, digest_of(p)] for p in sorted(directory.iterdir()) if p.is_file()}
    body = {"engine": engine, "version": version, "facts": dict(facts), "files": files}
    text = json.dumps(body, sort_keys=True)
    (directory / "index.json").write_text(
        json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": body})
    )


def unseal(directory: Path, engine: str, version: int) -> dict[str, Any]:
    """Check everything and return the facts.

    Raises:
        UserError: Missing, truncated, damaged, or of another engine or version.
    """
    path = directory / "index.json"
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        body = sealed["body"]
        if hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest() != sealed["sha256"]:
            raise UserError("the index is damaged: its description's checksum differs", file=path, remedy=REMEDY)
        if (body["engine"], body["version"]) != (engine, version):
            raise UserError(
                f"an index of {body['engine']} version {body['version']}, not {engine} version {version}",
                file=path,
                remedy=REMEDY,
            )
        for name, (size, digest) in body["files"].items():
            file = directory / name
            if not file.is_file() or file.stat().st_size != size or digest_of(file) != digest:
                raise UserError(
                    "the index is damaged: the file is missing, truncated or changed", file=file, remedy=REMEDY
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"not a saved index ({error})", file=path, remedy=REMEDY) from None
    facts: dict[str, Any] = body["facts"]
    return facts


def save_array(directory: Path, name: str, array: NDArray[Any]) -> None:
    """Write one array as .npy."""
    np.save(directory / f"{name}.npy", array, allow_pickle=False)


def map_array(directory: Path, name: str) -> NDArray[Any]:
    """Map one array, read-only."""
    found = np.load(
        directory / f"{name}.npy", mmap_mode="r" if (directory / f"{name}.npy").stat().st_size > 256 else None
    )
    found.flags.writeable = False
    return np.asarray(found)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        # Small blocks: malloc would keep what large ones leave behind, and it would pass for the index's memory.
        while block := file.read(1 << 16):
            digest.update(block)
    return digest.hexdigest()
