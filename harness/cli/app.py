"""The command `laconic-bench`: all groups of commands, and the message that a user gets when one fails."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.cli import estimate, figures, init, inspect, models, nightly, paper, plan, results, run
from harness.cli.plain_help import PlainGroup
from harness.errors import UserError
from harness.terminal_text import steady

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure learned sparse against dense retrieval on a CPU.",
)


def _print_version(asked: bool) -> None:
    if asked:
        from harness import __version__
        from harness.versions import PACKAGE

        typer.echo(f"{PACKAGE} {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options of the program itself."""


for group in (init, run, plan, inspect, results, figures, paper, nightly, models, estimate):
    app.add_typer(group.app)
app.add_typer(nightly.history, name="history")


def main() -> None:
    """Run a command; a mistake of the user gives one message and exit code 2."""
    try:
        app()
    except UserError as error:
        sys.exit(_failed(str(error)))
    except OSError as error:
        sys.exit(_failed(str(UserError(error.strerror or str(error), file=error.filename, remedy=_remedy(error)))))


def _remedy(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "check the path, and make its folder"
    if isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError):
        return "give another path"
    return "free space or mend the permissions; what was finished is kept"


def _failed(text: str) -> int:
    print(f"error: {steady(text)}", file=sys.stderr)  # noqa: T201
    return 2
