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
from typing import TYPE_CHECKING
from uuid import uuid4

from harness.errors import UserError
from harness.files import NO_LOCKS
from harness.pipeline.store.manifest import FORMAT, DamagedError, FileEntry, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
"""SHA-256 of the manifest."""
FILES = "files"
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Artefact:
    """A finished artefact: its folder, what its stage returned, and what making it took.

    `result` is JSON that the stage returned; `seconds` and `peak_bytes` are of the process that made it.
    """

    key: str
    kind: str
    label: str
    directory: Path
    bytes: int
    result: object
    seconds: float
    peak_bytes: int
    created: str

    @property
    def files(self) -> Path:
        """The folder of the artefact's own files."""
        return self.directory / FILES


def described(manifest: Manifest, directory: Path) -> Artefact:
    """The artefact of a manifest.

    Args:
        manifest: Its own.
        directory: Where it lies, or would.
    """
    return Artefact(
        manifest.key,
        manifest.kind,
        manifest.label,
        directory,
        manifest.bytes,
        manifest.result,
        manifest.seconds,
        manifest.peak_bytes,
        manifest.created,
    )


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
            probe = self.root / "unfinished" / f"probe-{os.getpid()}-{uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"cannot write the store: {error.strerror}",
                file=self.root,
                remedy="give a folder that you can write with --store",
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
            body = (directory / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedError(f"{directory / MANIFEST}: {error}") from None
        known = key in self._verified
        if not known:
            _verify_seal(directory, body)
        manifest = read_manifest(body, str(directory / MANIFEST))
        if not known:
            _verify_files(directory, key, manifest)
            self._verified.add(key)
        return described(manifest, directory)

    @contextlib.contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the key: no other process makes this artefact meanwhile. Released by the kernel if this one dies.

        Args:
            key: Of the artefact.
            wait: Until it is free.

        Yields:
            Whether it is held; False only where another holds it and `wait` is False.

        Raises:
            UserError: The file system has no locks.
        """
        with (self.root / "locks" / key).open("w") as file:
            held = True
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = False
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                raise UserError(
                    "the file system of the store has no locks, so two runs could harm each other's artefacts",
                    file=self.root,
                    remedy="put the store on a disk of this machine with --store; the run folder may stay where it is",
                ) from None
            yield held

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
                files[str(path.relative_to(directory))] = FileEntry(path.stat().st_size, _digest(path))
                _flush(path)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(FORMAT, key, kind, label, recipe, result, seconds, peak_bytes, created, files)
        body = manifest.text().encode()
        (directory / MANIFEST).write_bytes(body)
        (directory / SEAL).write_text(hashlib.sha256(body).hexdigest())
        _flush(directory / MANIFEST)
        _flush(directory / SEAL)
        _flush(directory)
        target = self.directory(key)
        target.parent.mkdir(exist_ok=True)
        self.remove(key)
        directory.rename(target)
        _flush(target.parent)
        self.clear_failure(key)
        self._verified.add(key)
        return described(read_manifest(body, str(target / MANIFEST)), target)

    def remove(self, key: str) -> None:
        """Take an artefact away by one rename; a reader that has mapped it keeps what it mapped."""
        self._verified.discard(key)
        rubbish = self.root / "unfinished" / f"removed-{os.getpid()}-{uuid4().hex}"
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
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def clear_failure(self, key: str) -> None:
        """Forget a failure."""
        (self.root / "failures" / f"{key}.json").unlink(missing_ok=True)


def _verify_seal(directory: Path, body: bytes) -> None:
    try:
        sealed = (directory / SEAL).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{directory / SEAL}: {error}") from None
    if hashlib.sha256(body).hexdigest() != sealed:
        raise DamagedError(f"{directory / MANIFEST}: its checksum differs")


def _verify_files(directory: Path, key: str, manifest: Manifest) -> None:
    if manifest.key != key or manifest.format != FORMAT:
        raise DamagedError(f"{directory / MANIFEST}: it is of another artefact or format")
    for name, entry in manifest.files.items():
        path = directory / name
        try:
            if path.stat().st_size != entry.bytes:
                raise DamagedError(f"{path}: {path.stat().st_size} bytes, not {entry.bytes}")
            if _digest(path) != entry.sha256:
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
