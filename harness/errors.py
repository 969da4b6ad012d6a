"""The one exception for what the user can mend."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class UserError(Exception):
    """Something the user can mend: caught once, in `harness.cli.app`, and shown without a traceback.

    Args:
        what: What was found to be wrong, one sentence.
        file: The file it was found in.
        line: The line of that file, counted from 1.
        key: The key path in that file, such as ``systems[2].index``.
        remedy: What to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.file, self.line, self.key, self.remedy = what, file, line, key, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        where = "" if self.file is None else str(self.file)
        if self.line is not None:
            where += f":{self.line}"
        place = ": ".join(part for part in (where, self.key or "") if part)
        text = f"{place}: {self.what}" if place else self.what
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.what, self.file, self.line, self.key, self.remedy))


class UnavailableError(UserError):
    """What a stage needs from its surroundings cannot be had now: network, a licence, a repository, room on a disk.

    The inputs of the stage are not at fault. The same command may succeed later, so a store never keeps this failure.
    """


class MultipleUserError(UserError):
    """Several mistakes of one file, shown together.

    Args:
        problems: Two or more, in the order in which they are shown.
    """

    def __init__(self, problems: Sequence[UserError]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems", file=self.problems[0].file)

    def __str__(self) -> str:
        listed = (str(problem).replace("\n", "\n  ") for problem in self.problems)
        return "\n".join((super().__str__(), *(f"- {text}" for text in listed)))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when the errors cross a process boundary."""
        return (type(self), (self.problems,))


def line_of(error: Exception, number: int = 0) -> str:
    """One line of another library's message, the first or that of a number; the error's type where it says nothing."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[number] if lines else type(error).__name__


def _rebuild(
    of: type[UserError], what: str, file: str | None, line: int | None, key: str | None, remedy: str | None
) -> UserError:
    return of(what, file=file, line=line, key=key, remedy=remedy)


def allowed(given: str, names: Iterable[str]) -> str:
    """Say what is allowed and which of it is nearest to what was given.

    >>> allowed("faiss-flta", ["bm25", "faiss-flat"])
    "allowed: bm25, faiss-flat; did you mean 'faiss-flat'?"
    """
    options = sorted(names)
    text = f"allowed: {', '.join(options)}" if options else "nothing is allowed here"
    nearest = difflib.get_close_matches(given, options, n=1, cutoff=0.5)
    return f"{text}; did you mean {nearest[0]!r}?" if nearest else text
