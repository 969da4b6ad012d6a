"""Code that a published model brings: whether it needs it, and a copy of it where the spec pins its commit."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, TypeAlias

from harness.encoders.weights.configuration import FILE as CONFIG
from harness.encoders.weights.hub_files import commit_of, from_hub
from harness.encoders.weights.sentence_transformers_folder import LIBRARY
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from harness.encoders.weights.folder_modules import FolderModule

Settings: TypeAlias = "dict[str, JsonValue]"

ELSEWHERE = "--"
"""Stands between a repository and a class of it, in references to code that lies in another repository."""


def needed_code(folder: Path, modules: Sequence[FolderModule]) -> list[str]:
    """Classes outside transformers and sentence-transformers that a model cannot be loaded without.

    A configuration may point to code although transformers has the model; that code is then not needed. It is needed
    where transformers does not know the type of the model, or not the class whose weights the folder holds: a model of
    a known type, but of another build, would be loaded with random weights in place of those that do not fit.

    Args:
        folder: Of the model.
        modules: Of it, with those of a Router's routes.
    """
    foreign = [module.type for module in modules if not module.type.startswith(LIBRARY)]
    for _, settings in _configurations(folder, modules):
        if _references(settings) and not _in_transformers(settings):
            foreign += [name for name in _references(settings) if name not in foreign]
    return foreign


def check_code(folder: Path, modules: Sequence[FolderModule], pinned: str | None) -> None:
    """Refuse code that the spec does not pin.

    Args:
        folder: Of the model.
        modules: Of it.
        pinned: The commit that the spec names.

    Raises:
        UserError: The model needs code, and the spec pins none or another commit; or the spec pins code, and there is
            none.
    """
    if pinned is None:
        if needed := needed_code(folder, modules):
            raise UserError(
                f"the model needs code of its own ({', '.join(needed)}), which is not run unless the spec pins it",
                file=folder,
                key="code_revision",
                remedy=f"read the code; if you trust it, code_revision = {_commit(folder, needed)}",
            )
        return
    references = needed_code(folder, modules)
    references += [name for _, settings in _configurations(folder, modules) for name in _references(settings)]
    places = {name.partition(ELSEWHERE)[0] if ELSEWHERE in name else "" for name in references}
    if len(places) != 1:
        what = f"lies in several repositories ({', '.join(sorted(references))})" if places else "is not there"
        raise UserError(
            f"the code of the model {what}",
            file=folder,
            key="code_revision",
            remedy="use another model" if places else "leave code_revision out: this model needs no code of its own",
        )
    if places == {""} and commit_of(folder) != pinned:
        raise UserError(
            f"the code of the model lies in its own folder, which is of commit {commit_of(folder) or 'unknown'}",
            file=folder,
            key="code_revision",
            remedy="give code_revision the commit of the model (revision); download a folder by hf download OWNER/NAME "
            "--revision COMMIT --local-dir FOLDER, so that its commit is known",
        )


def copy_code(folder: Path, modules: Sequence[FolderModule], pinned: str) -> dict[str, str]:
    """Put code of another repository beside the configurations that refer to it, and let them refer to the copy.

    Args:
        folder: A copy of the model's, which was checked.
        modules: Of it.
        pinned: Commit of the other repository.

    Returns:
        The other repository -> its commit; nothing where the code is the model's.

    Raises:
        UserError: The code cannot be had.
    """
    fetched = {}
    for file, settings in _configurations(folder, modules):
        outside = [name.partition(ELSEWHERE)[0] for name in _references(settings) if ELSEWHERE in name]
        if not outside:
            continue
        # All references are to one repository: `check_code` refuses others.
        for code in from_hub(outside[0], pinned, "code_revision", "code").glob("*.py"):
            shutil.copy(code, file.parent / code.name)
        text = file.read_text(encoding="utf-8").replace(f"{outside[0]}{ELSEWHERE}", "")
        file.write_text(text, encoding="utf-8")
        fetched[outside[0]] = pinned
    return fetched


def _commit(folder: Path, needed: Sequence[str]) -> str:
    other = next((name.partition(ELSEWHERE)[0] for name in needed if ELSEWHERE in name), None)
    if other is not None:
        return f"'COMMIT' of {other}"
    commit = commit_of(folder)
    return "'COMMIT' of the model" if commit is None else f"'{commit}'"


def _configurations(folder: Path, modules: Sequence[FolderModule]) -> Iterator[tuple[Path, Settings]]:
    """File and content of each config.json of a model; damaged ones are left to whoever reads them."""
    for place in dict.fromkeys((folder, *(module.folder for module in modules))):
        file = place / CONFIG
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(settings, dict):
            yield file, settings


def _references(settings: Settings) -> list[str]:
    """The classes that a configuration points to: of itself and of the network."""
    given = settings.get("auto_map")
    return [name for name in given.values() if isinstance(name, str)] if isinstance(given, dict) else []


def _in_transformers(settings: Settings) -> bool:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    classes = settings.get("architectures") or []
    known = isinstance(classes, list) and all(hasattr(transformers, str(name)) for name in classes)
    return known and str(settings.get("model_type")) in CONFIG_MAPPING_NAMES
