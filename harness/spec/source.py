"""Where a spec came from, and its tables as models: what is wrong is said with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from harness.errors import UserError
from harness.spec.explain import explain
from harness.spec.params import Params
from harness.spec.toml import key_text, line_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.spec.toml import KeyPath, TomlTable

P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Source:
    """Where the spec came from, to say where something is wrong."""

    file: Path
    text: str

    def error(self, what: str, path: KeyPath, remedy: str | None = None) -> UserError:
        """A mistake at this key path."""
        return UserError(what, file=self.file, line=line_of(self.text, path), key=key_text(path), remedy=remedy)


def validate(source: Source, model: type[P], content: TomlTable, path: KeyPath, also: Sequence[str] = ()) -> P:
    """A table of the spec as its model.

    Args:
        source: The spec.
        model: What the table must be.
        content: The table.
        path: Where it stands.
        also: Keys that the table may have beside those of the model; a mistyped key may mean one of them.

    Raises:
        UserError: A key is unknown or missing, or a value is wrong.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A mistyped key explains why another one is missing.
        first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
        where = (*path, *(p for p in first["loc"] if not str(p).startswith(("list[", "function-", "str"))))
        raise source.error(*explain(first, where, model, also, len(problems) - 1)) from None
