"""What a store writes beside the files of an artefact: all that decided it, what its stage returned, and checksums."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness.typed_json import JsonTypeError, from_json

FORMAT = 1


class DamagedError(Exception):
    """A stored artefact does not hold what its manifest says; the message names file and fault."""


@dataclass(frozen=True)
class FileEntry:
    """Size and SHA-256 of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``.

    Attributes:
        format: `FORMAT` of the version that wrote it.
        key: Of the artefact.
        kind: Of its stage.
        label: Of its stage.
        recipe: All that decides the artefact; JSON.
        result: What its stage returned; JSON.
        seconds: That the process took.
        peak_bytes: Highest resident size of the process.
        created: Time in UTC, ISO 8601.
        files: By their paths in the artefact's folder.
    """

    format: int
    key: str
    kind: str
    label: str
    recipe: object
    result: object
    seconds: float
    peak_bytes: int
    created: str
    files: dict[str, FileEntry]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(entry.bytes for entry in self.files.values())

    def text(self) -> str:
        """The manifest as it is written.

        Raises:
            TypeError: Recipe or result are not JSON.
            ValueError: They hold NaN or an infinite number.
        """
        table = {**vars(self), "files": {name: vars(entry) for name, entry in self.files.items()}}
        return json.dumps(table, ensure_ascii=False, indent=1, allow_nan=False)


def read_manifest(text: str | bytes, where: str) -> Manifest:
    """What `Manifest.text` wrote.

    Args:
        text: Of the file.
        where: What an error calls it.

    Raises:
        DamagedError: It is no manifest.
    """
    try:
        return from_json(Manifest, json.loads(text))
    except JsonTypeError as error:
        raise DamagedError(f"{where}: not a manifest ({error})") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{where}: {error}") from None
