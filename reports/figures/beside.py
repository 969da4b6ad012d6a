"""Many panels drawn in processes beside each other."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as Xml

from reports.figures.panel_json import panel_from_json, panel_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reports.figures.base import Panel

EACH = 24
"""Panels that are worth a process of their own: to start one costs as much as to draw about ten."""


def draw_beside(panels: Sequence[Panel]) -> list[str]:
    """Draw panels for the page (`reports.figures.page_svg.drawings`), in this process and others.

    Args:
        panels: Whose modules a new process can import.

    Returns:
        Each drawing as XML.

    Raises:
        subprocess.CalledProcessError: A process could not draw; standard error has its reason.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = max(min(ceil(len(panels) / EACH), usable), 1)
    parts = [panels[place::count] for place in range(count)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        others = [
            stack.enter_context(_process(part, Path(folder) / str(place))) for place, part in enumerate(parts[1:])
        ]
        drawn = [drawn_here(parts[0]), *(finish() for finish in others)]
    together = [""] * len(panels)
    for place, part in enumerate(drawn):
        together[place::count] = part
    return together


def drawn_here(panels: Sequence[Panel]) -> list[str]:
    """Draw panels in this process."""
    from reports.figures.page_svg import drawings

    return [Xml.tostring(element, encoding="unicode") for element in drawings(panels)]


def main(given: str, made: str) -> None:
    """Draw the panels of one file, and write the drawings to another; both are JSON."""
    gc.disable()  # this process ends when it has drawn
    panels = cast("list[Panel]", panel_from_json(json.loads(Path(given).read_bytes())))
    Path(made).write_text(json.dumps(drawn_here(panels)), encoding="ascii")


@contextmanager
def _process(panels: Sequence[Panel], file: Path) -> Iterator[Callable[[], list[str]]]:
    """Draw panels in a fresh process meanwhile; what this yields waits for it and returns the drawings.

    The process is no copy of this one, which could inherit a lock that a thread holds.
    """
    given, made = file.with_suffix(".panels"), file.with_suffix(".drawings")
    given.write_text(json.dumps(panel_to_json(list(panels))), encoding="ascii")
    code = f"from reports.figures.beside import main; main({str(given)!r}, {str(made)!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, env=environment)

    def finish() -> list[str]:
        if code := process.wait():
            raise subprocess.CalledProcessError(code, "drawing figures")
        drawn: list[str] = json.loads(made.read_bytes())
        return drawn

    try:
        yield finish
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
