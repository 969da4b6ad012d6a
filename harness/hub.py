"""The Hugging Face Hub as a run meets it: each way in which it gives nothing has one message, key and remedy."""

from __future__ import annotations

import errno
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import UnavailableError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHA256 = re.compile(r"[0-9a-f]{64}")
"""Name of a large file in the Hub's cache: the SHA-256 of its content. Small ones have Git's own hash."""
UNREACHABLE = {"ConnectError", "TimeoutException", "ProxyError", "ConnectionError", "OfflineModeIsEnabled"}
BROKEN = {"RemoteProtocolError", "ReadError", "ReadTimeout", "IncompleteRead", "ChunkedEncodingError"}
"""Classes of httpx, requests and http.client; which of them a client uses differs by its version."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_WORDS = ("no space left on device", "not enough disk space")
"""Of clients that pass on no number of the system's error."""


@dataclass(frozen=True)
class Wanted:
    """What was asked of the Hub.

    Attributes:
        kind: Of the repository.
        name: OWNER/NAME.
        revision: Commit, branch or tag; None for the newest commit.
        key: The setting that names it.
        otherwise: What a user can do without the Hub.
    """

    kind: Literal["model", "dataset"]
    name: str
    revision: str | None
    key: str
    otherwise: str = ""

    def failure(self, error: BaseException) -> UserError:
        """Why the Hub did not give it, from what a client of the Hub raised.

        Returns:
            An UnavailableError: the Hub, the network, a licence or the disk is the cause. A UserError where no
            repository can have the name.
        """
        causes = list(_causes(error))
        text = _full_disk(causes, self) or _refusal(causes, self) or _no_answer(causes, self)
        if text is not None:
            return UnavailableError(text[0], key=self.key, remedy=text[1])
        what = f"the {self.kind} {self.name!r} cannot be had"
        what = f"{what} ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        if any("HFValidationError" in _names(cause) for cause in causes):
            return UserError(what, key=self.key, remedy="correct the name")
        return UnavailableError(what, key=self.key, remedy=self.otherwise_or("run the same command later"))

    @property
    def cached(self) -> Path:
        """Its folder in the Hub's cache, whether it is there or not."""
        return Path(_cache()) / f"{self.kind}s--{self.name.replace('/', '--')}"

    def otherwise_or(self, remedy: str) -> str:
        """A remedy, and what can be done without the Hub."""
        return f"{remedy}; {self.otherwise}" if self.otherwise else remedy


def remove_damaged(repository: Path) -> list[str]:
    """Remove from a repository of the Hub's cache the files whose content is not the one that their name promises.

    Only large files carry their SHA-256 as a name; small ones are not checked.

    Args:
        repository: Such as ``.../hub/models--OWNER--NAME``.

    Returns:
        Their names in the snapshots.
    """
    damaged = set()
    for blob in repository.glob("blobs/*"):
        if SHA256.fullmatch(blob.name):
            with blob.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            if content != blob.name:
                damaged.add(blob.resolve())
    names = []
    for place in repository.glob("snapshots/**/*") if damaged else ():
        if place.is_symlink() and place.resolve() in damaged:
            names.append(place.name)
            place.unlink()
    for blob in damaged:
        blob.unlink()
    return sorted(names)


def damage(names: list[str], wanted: Wanted) -> UnavailableError:
    """The error for files that `remove_damaged` removed."""
    return UnavailableError(
        f"what came of the {wanted.kind} {wanted.name!r} was damaged: the SHA-256 of {', '.join(names)} differs; "
        "it was removed from the cache",
        key=wanted.key,
        remedy="run the same command again, which downloads it anew",
    )


def _refusal(causes: list[BaseException], wanted: Wanted) -> tuple[str, str] | None:
    """What the Hub's own answer says: its code and its status."""
    named = {name for cause in causes for name in _names(cause)}
    status = next((code for cause in causes if (code := _status(cause)) is not None), None)
    # The client of data sets drops the Hub's answer and keeps it in words.
    words = "".join(str(cause) for cause in causes if "DatasetNotFoundError" in _names(cause))
    if "is a gated dataset" in words:
        named, status = named | {"GatedRepoError"}, 401 if "must be authenticated" in words else 403
    if "DatasetNotFoundError" in named and words.startswith("Revision "):
        named, status = named | {"RevisionNotFoundError"}, 404
    what, page = f"the {wanted.kind} {wanted.name!r}", _page(wanted)
    if "GatedRepoError" in named:
        if status == 401:
            return (
                f"{what} is given only to users who have accepted its licence, and nobody is logged in (401)",
                wanted.otherwise_or(f"accept the licence at {page}, then run hf auth login (or set HF_TOKEN)"),
            )
        return (
            f"this account has not accepted the licence of {what}, or waits for its approval ({status})",
            wanted.otherwise_or(f"accept it at {page} with the account that hf auth whoami names"),
        )
    if "RevisionNotFoundError" in named:
        return f"{what} has no revision {wanted.revision!r} ({status})", "correct the revision, or leave it out"
    if "RemoteEntryNotFoundError" in named:
        return f"{what} lacks a file that is needed ({status})", f"see its files at {page}/tree/main, or name another"
    if "RepositoryNotFoundError" in named or "DatasetNotFoundError" in named:
        if status == 401:
            return (
                f"the Hub shows no {wanted.kind} {wanted.name!r} to a user who is not logged in (401)",
                "correct the name; if it is private, run hf auth login (or set HF_TOKEN)",
            )
        return f"the Hub has no {wanted.kind} {wanted.name!r} ({status or 404})", "correct the name"
    if status in {401, 403}:
        return (
            f"the Hub does not accept the login for {what} ({status})",
            "run hf auth login with a token that may read it, or unset HF_TOKEN",
        )
    if status == 429:
        return f"the Hub limits how often it is asked, and {what} waits for it (429)", "run the same command later"
    if status is not None and status >= 500:
        return (
            f"the Hub answers with an error of its own, and {what} is not in its cache ({status})",
            wanted.otherwise_or("run the same command later"),
        )
    return None


def _no_answer(causes: list[BaseException], wanted: Wanted) -> tuple[str, str] | None:
    """What came of a connection that was not made, or that broke."""
    named = {name for cause in causes for name in _names(cause)}
    what = f"the {wanted.kind} {wanted.name!r}"
    if "IncompleteSnapshotError" in named:
        return (
            f"the Hub's cache has only a part of {what}, and the Hub is not reached",
            wanted.otherwise_or("run the same command with network, which downloads the rest"),
        )
    if "OfflineModeIsEnabled" in named or (named & UNREACHABLE and _offline()):
        return (
            f"{what} is not in the Hub's cache, and HF_HUB_OFFLINE forbids the network",
            wanted.otherwise_or("run it once with network and without HF_HUB_OFFLINE"),
        )
    if named & BROKEN or any("Consistency check failed" in str(cause) for cause in causes):
        return (
            f"the connection broke while {what} was downloaded",
            "run the same command again: files that came whole are not downloaded twice",
        )
    if named & (UNREACHABLE | {"LocalEntryNotFoundError"}):
        return (
            f"{what} is not on this machine, and the Hugging Face Hub is not reached ({_endpoint()})",
            wanted.otherwise_or("check the network and HF_ENDPOINT"),
        )
    return None


def _full_disk(causes: list[BaseException], wanted: Wanted) -> tuple[str, str] | None:
    for cause in causes:
        full = isinstance(cause, OSError) and cause.errno in FULL
        if full or any(words in str(cause).lower() for words in FULL_WORDS):
            where = getattr(cause, "filename", None) or _cache()
            return (
                f"no space is left for the {wanted.kind} {wanted.name!r} ({where})",
                "free space, or set HF_HOME to a folder on a larger disk",
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, outermost first."""
    visited: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in visited:
        visited.add(id(here))
        yield here
        here = here.__cause__ or here.__context__


def _names(error: BaseException) -> set[str]:
    return {of.__name__ for of in type(error).__mro__}


def _status(error: BaseException) -> int | None:
    """Status of the answer that a client's error carries."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _page(wanted: Wanted) -> str:
    return f"{_endpoint()}/{'datasets/' if wanted.kind == 'dataset' else ''}{wanted.name}"


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)
