"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What a file system says that has no locks, such as NFS without its lock service."""

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give another name to write under, and move that file to `path` at the end.

    A reader sees the old file or the new one, never a part. The old file stays if the writing fails. The ending of the
    name stays the same, because some libraries choose a format by it.
    """
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, errors: str = "surrogatepass") -> None:
    """Write a text file in UTF-8, whole or not at all.

    Args:
        path: Of the file.
        text: All of it.
        errors: What is done with characters that UTF-8 does not have. The default keeps a lone surrogate, so that what
            was read from JSON can be written again; a page for a browser wants ``replace``.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors=errors)
