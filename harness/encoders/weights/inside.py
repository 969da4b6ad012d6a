"""What a model's folder may name and link to: files of its own alone."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from harness.errors import UserError


def is_own_file(name: object) -> bool:
    """Whether this is the plain name of a file in a folder."""
    return isinstance(name, str) and name not in {"", ".", ".."} and not set(name) & {"/", "\\", "\0"}


def is_below(path: str) -> bool:
    """Whether a path leads to a folder or to something below it, by its text."""
    parts = PurePosixPath(path).parts
    return not path.startswith(("/", "\\")) and ".." not in parts and "\0" not in path


def check_links(folder: Path, key: str) -> None:
    """Refuse a folder with symbolic links that lead out of it, or to a folder, or nowhere.

    In the cache of the Hub's client the files of a snapshot are links to the repository's blobs, which stay in it.

    Args:
        folder: Of a model, an adapter or a tokenizer.
        key: The setting that names it.

    Raises:
        UserError: One does.
    """
    root = folder.resolve()
    whole = next((place.parent for place in root.parents if place.name == "snapshots"), root)
    for place, folders, files in os.walk(root):
        for path in (Path(place) / name for name in (*folders, *files)):
            if not path.is_symlink():
                continue
            try:
                target = path.resolve(strict=True)
            except (OSError, RuntimeError):
                raise _refused("the link leads nowhere", path, key) from None
            if target.is_dir():
                raise _refused(f"the link leads to the folder {target}", path, key)
            if not target.is_relative_to(whole):
                raise _refused(f"the link leads out of the model's folder, to {target}", path, key)


def _refused(what: str, path: Path, key: str) -> UserError:
    return UserError(what, file=path, key=key, remedy="put the file itself there if you trust it, or remove the link")
