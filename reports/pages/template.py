"""The template environment of all pages; pages escape every value and fetch nothing."""

from __future__ import annotations

import base64
import gc
import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.files import write_whole
from reports.pages.drawings import SHAPES, Drawings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORD = 12
"""Characters of a word that no cell needs to break."""
_BREAKS = re.compile(r"(?<=[,=()\[\]])(?<!\s[(\[])(?=[^,=()\[\]\s])")
"""The places behind a comma, an equals sign or a bracket, or behind the last of several in a row.

A bracket that begins a word stays with it: a line can end before the bracket.
"""


def render(template: str, *, drawings: Path | None = None, **values: object) -> str:
    """A page from a template of `reports/templates`; style, script and figures are inside.

    Every value is escaped. A name that the template uses and `values` does not have raises jinja2's UndefinedError.

    Args:
        template: Its name. It calls `drawn` for each panel that it shows.
        drawings: File where drawings are stored from one time to the next.
        values: What the template names.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    loader = PackageLoader("reports")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    style, *scripts = (loader.get_source(environment, name)[0] for name in ("page.css", "page.js", "explore.js"))
    script = "\n".join(scripts)
    figures = Drawings(drawings)
    text = environment.get_template(template).render(
        **values,
        style=style,
        drawn=figures,
        shapes=SHAPES,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return figures.fill(text)


def breakable(name: str) -> str:
    """The name as HTML, escaped. A narrow cell breaks it after commas, equals signs and brackets first.

    A word of up to `WORD` characters stays whole: on a page of many systems such breaks are a fiftieth of the bytes.
    """
    from jinja2.filters import do_mark_safe

    parts: list[str] = []
    for part in _BREAKS.split(name):
        if parts and len(parts[-1].rpartition(" ")[2]) + len(part.partition(" ")[0]) <= WORD:
            parts[-1] += part
        else:
            parts.append(part)
    return do_mark_safe("<wbr>").join(parts)


def write_page(text: str, path: Path) -> Path:
    """Write a page whole; lone surrogates in names become question marks. Returns its absolute path."""
    write_whole(path, text, errors="replace")
    return path.resolve()


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection: a page needs its objects to the end, and collection takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
