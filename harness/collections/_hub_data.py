"""Data sets from the Hugging Face Hub: whole, or refused with one message."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.hub import Wanted, damage, remove_damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def fetching(path: str, revision: str | None, key: str) -> Iterator[None]:
    """Turn what a client of the Hub raises inside into one message, and refuse damaged files.

    Neither the client nor parquet checks what came. So the large files in the Hub's cache are held against their
    SHA-256. Where one differs, it is removed, and the tables that the client may have made of it are, too.

    Args:
        path: OWNER/NAME of the data set.
        revision: Its commit.
        key: The setting that names it.

    Raises:
        UnavailableError: The data cannot be had, or came damaged.
        UserError: It is no name that a data set can have.
    """
    elsewhere = (
        "elsewhere: load it where there is network and copy the Hub's cache (HF_HOME); a BEIR folder needs none "
        "(type = 'beir')"
    )
    wanted = Wanted("dataset", path, revision, key, elsewhere)
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    if damaged := remove_damaged(wanted.cached):
        shutil.rmtree(_tables(path), ignore_errors=True)
        raise damage(damaged, wanted) from None
    if failed is not None:
        raise wanted.failure(failed) from None


def snapshot(path: str, revision: str, files: Sequence[str], key: str) -> Path:
    """The folder of a data set in the Hub's cache, with the files that these patterns name; downloaded where missing.

    Args:
        path: OWNER/NAME of the data set.
        revision: Its commit.
        files: Patterns as `fnmatch` has them, over whole paths.
        key: The setting that names it.

    Raises:
        UnavailableError: The data cannot be had, or came damaged.
        UserError: It is no name that a data set can have.
    """
    from huggingface_hub import snapshot_download

    at = "elsewhere: load it where there is network and copy the Hub's cache (HF_HOME)"
    wanted = Wanted("dataset", path, revision, key, at)
    try:
        folder = snapshot_download(path, repo_type="dataset", revision=revision, allow_patterns=list(files))
    except Exception as error:
        raise wanted.failure(error) from None
    if damaged := remove_damaged(wanted.cached):
        raise damage(damaged, wanted)
    return Path(folder)


def listed(path: str, revision: str, key: str) -> list[str]:
    """Names of a data set's files, sorted; the Hub is asked, and nothing is downloaded.

    Args:
        path: OWNER/NAME of the data set.
        revision: Its commit.
        key: The setting that names it.

    Raises:
        UnavailableError: The Hub does not say.
        UserError: It is no name that a data set can have.
    """
    from huggingface_hub import HfApi

    try:
        return sorted(HfApi().list_repo_files(path, repo_type="dataset", revision=revision))
    except Exception as error:
        raise Wanted("dataset", path, revision, key, "leave out the limit").failure(error) from None


def _tables(path: str) -> Path:
    """Where the client keeps the tables that it makes of a data set's files."""
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    owner, _, name = path.rpartition("/")
    return Path(config.HF_DATASETS_CACHE) / f"{owner}___{camelcase_to_snakecase(name)}"
