"""Help that says in a word of its own what an option takes, not by a type of Python."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer._click.core import Command, Context, Parameter

WORDS = {"bool": "", "str": "text", "int": "number", "float": "number", "Path": "path"}


class PlainGroup(TyperGroup):
    """A group that shows `WORDS` in its own help and in that of its commands."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """The group's own parameters."""
        parameters = super().get_params(ctx)
        _name_types(parameters)
        return parameters

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command of a name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _name_types(command.get_params(ctx))
        return command


def _name_types(parameters: list[Parameter]) -> None:
    for parameter in parameters:
        shown = getattr(parameter, "display_type", None)  # older versions of typer have words of their own
        if shown is not None and not isinstance(shown, partial):
            parameter.__dict__["display_type"] = partial(_plain, shown)


def _plain(shown: Callable[[Context], str | None], ctx: Context) -> str | None:
    """The word for a type that is shown as ``<list[str]>`` or ``<int range>``."""
    text = shown(ctx)
    if text is None:
        return None
    bare = text.strip("<>").removeprefix("list[").removesuffix("]").removesuffix(" range")
    return WORDS.get(bare, bare)
