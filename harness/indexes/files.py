"""Arrays and files of a saved index with their checksums."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, TypedDict, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.jsonvalue import JsonTable, JsonValue

REMEDY = "build the index again"
S = TypeVar("S", bound=np.generic)


class Header(BaseModel):
    """What an engine writes of its index beside the arrays; each engine has one of its own, with its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


H = TypeVar("H", bound=Header)


class _Body(TypedDict):
    """The part of ``index.json`` that its checksum covers; `files` has size and SHA-256 by name."""

    engine: str
    version: int
    facts: dict[str, JsonValue]
    files: dict[str, tuple[int, str]]


def seal(directory: Path, engine: str, version: int, facts: JsonTable | Header) -> None:
    """Write ``index.json``: engine, version, facts, size and SHA-256 of every other file."""
    files = {p.name: (p.stat().st_size, digest_of(p)) for p in sorted(directory.iterdir()) if p.is_file()}
    plain = facts.model_dump(mode="json") if isinstance(facts, Header) else dict(facts)
    body: _Body = {"engine": engine, "version": version, "facts": plain, "files": files}
    text = json.dumps(body, sort_keys=True)
    (directory / "index.json").write_text(
        json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": body})
    )


def unseal(directory: Path, engine: str, version: int) -> dict[str, JsonValue]:
    """Check everything and return the facts.

    Raises:
        UserError: Missing, truncated, damaged, or of another engine or version.
    """
    path = directory / "index.json"
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        body: _Body = sealed["body"]
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
    return body["facts"]


def unseal_header(directory: Path, engine: str, version: int, kind: type[H]) -> H:
    """Check everything and return the facts as the engine's own header.

    Raises:
        UserError: As `unseal`, or the facts are not those of such a header.
    """
    facts = unseal(directory, engine, version)
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"the index is damaged: its description has a wrong {where} ({first['msg']})",
            file=directory / "index.json",
            remedy=REMEDY,
        ) from None


def save_array(directory: Path, name: str, array: NDArray[np.generic]) -> None:
    """Write one array as .npy."""
    np.save(directory / f"{name}.npy", array, allow_pickle=False)


def map_array(directory: Path, name: str, *dtypes: type[S]) -> NDArray[S]:
    """Map one array, read-only.

    Args:
        directory: Of the index.
        name: Of the file, without ``.npy``.
        dtypes: Types of number that the array may have.

    Raises:
        UserError: The file is no array, or holds numbers of another type.
    """
    path = directory / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r" if path.stat().st_size > 256 else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"the index is damaged: not an array ({error})", file=path, remedy=REMEDY) from None
    if array.dtype not in dtypes:
        wanted = " or ".join(str(np.dtype(dtype)) for dtype in dtypes)
        raise UserError(f"the index is damaged: numbers of type {array.dtype}, not {wanted}", file=path, remedy=REMEDY)
    array.flags.writeable = False
    return np.asarray(array)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        # Small blocks: malloc would keep what large ones leave behind, and it would pass for the index's memory.
        while block := file.read(1 << 16):
            digest.update(block)
    return digest.hexdigest()
