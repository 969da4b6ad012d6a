"""Artefacts kept under the hash of all that decides them; written whole or not at all, verified on reading."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
FILES = "files"
_BLOCK = 1 << 22


class DamagedError(Exception):
    """A stored artefact does not hold what its manifest says; the message names file and fault."""


@dataclass(frozen=True)
class Artefact:
    """A finished artefact: a folder, and what its stage said about the making of it.

    `result` is JSON that the stage returned; `seconds` and `peak_bytes` are of the process that made it.
    """

    key: str
    kind: str
    label: str
    directory: Path
    bytes: int
    result: Any
    seconds: float
    peak_bytes: int
    created: str

    @property
    def files(self) -> Path:
        """The folder of the artefact's own files."""
        return self.directory / FILES


class Store:
    """A folder of artefacts.

    ``objects/ab/abcdef.../`` holds a finished one (``manifest.json`` and ``files/``), ``unfinished/`` what is being
    written, ``locks/`` one lock a key, ``failures/`` why a stage failed. An artefact appears by one rename, after all
    of it was flushed: a process killed at any moment leaves whole artefacts and rubbish in ``unfinished/``, never a
    half artefact. Two runs on one store exclude each other stage by stage; locks end with their process.

    Args:
        root: The folder; made if missing.

    Raises:
        UserError: The folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._verified: set[str] = set()
        try:
            for name in ("objects", "unfinished", "locks", "failures"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / "unfinished" / f"probe-{uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"cannot write the store: {error.strerror}",
                file=self.root,
                remedy="give a folder of yours with --store",
            ) from None

    def directory(self, key: str) -> Path:
        """Where the artefact of this key lies, or would."""
        return self.root / "objects" / key[:2] / key

    def files(self, key: str) -> Path:
        """The folder of the own files of the artefact with this key, whether it is there or not."""
        return self.directory(key) / FILES

    def has(self, key: str) -> bool:
        """Whether it is stored; its content is not looked at."""
        return (self.directory(key) / MANIFEST).exists()

    def get(self, key: str) -> Artefact | None:
        """The artefact of this key, verified once by this object; None where there is none.

        Raises:
            DamagedError: A file is missing, has another size or another checksum.
        """
        directory = self.directory(key)
        try:
            manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DamagedError(f"{directory / MANIFEST}: {error}") from None
        try:
            if key not in self._verified:
                _verify(directory, key, manifest)
                self._verified.add(key)
            return Artefact(
                key,
                manifest["kind"],
                manifest["label"],
                directory,
                sum(entry["bytes"] for entry in manifest["files"].values()),
                manifest["result"],
                manifest["seconds"],
                manifest["peak_bytes"],
                manifest["created"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{directory / MANIFEST}: not a manifest ({error!r})") from None

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the key: no other process makes this artefact meanwhile. Released by the kernel if this one dies."""
        with (self.root / "locks" / key).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def unfinished(self, key: str) -> Iterator[Path]:
        """A new folder to write the artefact's files into; gone afterwards unless `commit` moved it."""
        directory = self.root / "unfinished" / f"{key[:16]}-{os.getpid()}-{uuid4().hex[:8]}"
        (directory / FILES).mkdir(parents=True)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def commit(
        self,
        directory: Path,
        *,
        key: str,
        kind: str,
        label: str,
        recipe: Mapping[str, object],
        result: object,
        seconds: float,
        peak_bytes: int,
    ) -> Artefact:
        """Make what was written under `unfinished` the artefact of this key, replacing one that is there."""
        files = {}
        for path in sorted((directory / FILES).rglob("*")):
            if path.is_symlink():
                raise UserError("a stage wrote a symbolic link", file=path)
            if path.is_file():
                files[str(path.relative_to(directory))] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
                _flush(path)
        manifest = {
            "format": FORMAT,
            "key": key,
            "kind": kind,
            "label": label,
            "recipe": recipe,
            "result": result,
            "seconds": seconds,
            "peak_bytes": peak_bytes,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": files,
        }
        body = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False)
        sealed = {"sha256": hashlib.sha256(body.encode()).hexdigest()}
        (directory / MANIFEST).write_text(body, encoding="utf-8")
        (directory / "manifest.sha256").write_text(sealed["sha256"])
        _flush(directory / MANIFEST)
        _flush(directory / "manifest.sha256")
        _flush(directory)
        target = self.directory(key)
        target.parent.mkdir(exist_ok=True)
        self.remove(key)
        directory.rename(target)
        _flush(target.parent)
        self.clear_failure(key)
        self._verified.add(key)
        found = self.get(key)
        assert found is not None  # noqa: S101 - it was renamed into place two lines above
        return found

    def remove(self, key: str) -> None:
        """Take an artefact away by one rename; a reader that has mapped it keeps what it mapped."""
        self._verified.discard(key)
        rubbish = self.root / "unfinished" / f"removed-{uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):
            self.directory(key).rename(rubbish)
            shutil.rmtree(rubbish, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what processes that no longer live left unfinished."""
        for path in (self.root / "unfinished").iterdir():
            owner = path.name.split("-")[1] if path.name.count("-") == 2 else ""
            if owner.isdigit() and not (owner == str(os.getpid()) or _alive(int(owner))):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def note_failure(self, key: str, status: str, reason: str) -> None:
        """Remember why a stage failed."""
        path = self.root / "failures" / f"{key}.json"
        partial = path.with_suffix(f".{uuid4().hex}")
        partial.write_text(json.dumps({"status": status, "reason": reason}), encoding="utf-8")
        partial.replace(path)

    def failure(self, key: str) -> tuple[str, str] | None:
        """(status, reason) of the stage's last failure, None where it did not fail."""
        try:
            note = json.loads((self.root / "failures" / f"{key}.json").read_text(encoding="utf-8"))
            return str(note["status"]), str(note["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def clear_failure(self, key: str) -> None:
        """Forget a failure."""
        (self.root / "failures" / f"{key}.json").unlink(missing_ok=True)


def _verify(directory: Path, key: str, manifest: Any) -> None:
    body = (directory / MANIFEST).read_bytes()
    try:
        sealed = (directory / "manifest.sha256").read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{directory / 'manifest.sha256'}: {error}") from None
    if hashlib.sha256(body).hexdigest() != sealed:
        raise DamagedError(f"{directory / MANIFEST}: its checksum differs")
    if manifest["key"] != key or manifest["format"] != FORMAT:
        raise DamagedError(f"{directory / MANIFEST}: it is of another artefact or format")
    for name, entry in manifest["files"].items():
        path = directory / name
        try:
            if path.stat().st_size != entry["bytes"]:
                raise DamagedError(f"{path}: {path.stat().st_size} bytes, not {entry['bytes']}")
            if _digest(path) != entry["sha256"]:
                raise DamagedError(f"{path}: its checksum differs")
        except OSError as error:
            raise DamagedError(f"{path}: {error.strerror}") from None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    """Whether a process of this number exists, no matter whose it is."""
    import psutil

    return bool(psutil.pid_exists(pid))
