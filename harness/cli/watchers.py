"""How commands show long work: to people as bars and lines, to programs as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.pipeline.executors.events import JsonLines
    from harness.pipeline.executors.progress import Lines


def watcher_for(*, as_events: bool, quiet: bool = False) -> Lines | JsonLines:
    """The watcher that the options of a command ask for; a context that ends what it shows.

    Args:
        as_events: JSON lines on standard output.
        quiet: Only what failed, on standard error.

    Raises:
        UserError: Both are asked for.
    """
    if as_events:
        from harness.pipeline.executors.events import JsonLines

        if quiet:
            raise UserError("events are not left out", key="--quiet", remedy="leave out --quiet or --json")
        return JsonLines()
    from harness.pipeline.executors.progress import Lines

    return Lines(quiet=quiet)
