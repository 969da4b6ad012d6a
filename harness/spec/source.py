"""Where a spec came from, and its tables as models: a mistake is shown with its place."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from harness.errors import MultipleUserError, UserError
from harness.spec.explain import explain
from harness.spec.params import Params
from harness.spec.toml import key_text, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from harness.spec.toml import KeyPath, TomlTable

P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Source:
    """Where the spec came from, to say where something is wrong.

    `problems` are those that `gathering` met and `settle` has not raised yet.
    """

    file: Path
    text: str
    problems: list[UserError] = field(default_factory=list, repr=False, compare=False)

    def error(self, what: str, path: KeyPath, remedy: str | None = None) -> UserError:
        """A mistake at this key path."""
        return UserError(what, file=self.file, line=line_of(self.text, path), key=key_text(path), remedy=remedy)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Store the mistake that ends this block, so that a user sees those of later blocks too."""
        try:
            yield
        except MultipleUserError as several:
            self.problems.extend(several.problems)
        except UserError as error:
            self.problems.append(error)

    def settle(self) -> None:
        """Go on only where no mistake was gathered.

        Raises:
            UserError: One was.
            MultipleUserError: Several were, in the order of the spec's lines.
        """
        problems = sorted(self.problems, key=lambda problem: problem.line or 0)
        self.problems.clear()
        if problems:
            raise MultipleUserError(problems) if len(problems) > 1 else problems[0]


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
        MultipleUserError: Several are.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        places: dict[KeyPath, UserError] = {}
        for problem in _unexplained(error.errors(include_url=False)):
            where = (*path, *(p for p in problem["loc"] if not str(p).startswith(("list[", "function-", "str"))))
            # A value that fits no member of a union has a problem for each member.
            places.setdefault(where, source.error(*explain(problem, where, model, also)))
        problems = list(places.values())
        raise (MultipleUserError(problems) if len(problems) > 1 else problems[0]) from None


def _unexplained(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The problems without the missing keys that a mistyped key of the same table explains."""
    mistyped = [problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"]

    def explained(problem: ErrorDetails) -> bool:
        if problem["type"] != "missing":  # what a whole table does wrong is at no key
            return False
        *table, key = problem["loc"]
        unknown = [str(place[-1]) for place in mistyped if list(place[:-1]) == table]
        return bool(difflib.get_close_matches(str(key), unknown, n=1, cutoff=0.5))

    return [problem for problem in problems if not explained(problem)]
