"""TOML with places: read a spec, say on which line a key stands, apply ``--set key=value``."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, time
    from pathlib import Path

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys of tables and places in lists."""
TomlValue: TypeAlias = "str | int | float | date | time | list[TomlValue] | dict[str, TomlValue]"
"""What `tomllib` reads; a bool is an int, a datetime a date."""
TomlTable: TypeAlias = "dict[str, TomlValue]"
MAX_BYTES = 4 << 20

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def read_toml(file: Path, what: str = "the spec") -> tuple[str, TomlTable]:
    """Text and content of a TOML file.

    Args:
        file: Its path.
        what: What it is, for messages.

    Raises:
        UserError: The file is missing, too large, not UTF-8 or not TOML; the line is named.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{what} is larger than {MAX_BYTES} bytes", file=file, remedy="give the path of a .toml file"
            )
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot read {what}: {error.strerror}", file=file, remedy="give the path of a .toml file"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not UTF-8 (byte {error.start})", file=file, remedy="save it as UTF-8") from None
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"line (\d+)", str(error))
        raise UserError(
            f"not TOML: {error}", file=file, line=int(place[1]) if place else None, remedy="correct this line"
        ) from None


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line on which the longest known beginning of a key path stands; None where the text has nothing of it."""
    places: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    # Not splitlines: a form feed, U+0085 or U+2028 in a string or comment ends no line of TOML.
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _keys(header[2])
            if header[1] == "[[":
                position = counts[table] = counts.get(table, -1) + 1
                table = (*table, position)
            else:
                table = _inside_last(table, counts)
            for end in range(1, len(table) + 1):
                places.setdefault(table[:end], number)
        elif key := _KEY.match(line):
            places.setdefault((*table, *_keys(key[1])), number)
    for end in range(len(path), 0, -1):
        if (place := places.get(tuple(path[:end]))) is not None:
            return place
    return None


def _keys(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _inside_last(table: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """``[systems.x]`` below ``[[systems]]`` belongs to the last of them."""
    for end in range(len(table), 0, -1):
        if table[:end] in counts:
            return (*table[:end], counts[table[:end]], *table[end:])
    return table


def key_text(path: Sequence[str | int]) -> str:
    """A key path as people write it: ``systems[2].index``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def apply_overrides(content: TomlTable, overrides: Sequence[str]) -> None:
    """Set ``a.b[0].c=VALUE`` in place. VALUE is read as TOML, and as text where it is not TOML.

    Raises:
        UserError: It is not ``key=value``, or the path leads through something that is not a table.
    """
    for override in overrides:
        dotted, equals, value_text = override.partition("=")
        path = [int(p[1:-1]) if p.startswith("[") else p for p in re.findall(r"\[\d+\]|[^.\[\]]+", dotted.strip())]
        if not equals or not path:
            raise UserError(f"--set {override!r} is not key=value", remedy="for example --set measure.repeats=5")
        try:
            value: TomlValue = tomllib.loads(f"value = {value_text}")["value"]
        except tomllib.TOMLDecodeError:
            value = value_text
        node: TomlValue = content
        for position, part in enumerate(path[:-1]):
            if isinstance(node, dict) and isinstance(part, str):
                node = node.setdefault(part, {})
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                node = node[part]
            else:
                raise UserError(
                    f"--set {override!r}: {key_text(path[: position + 1])} does not exist",
                    remedy="name a key that the spec has",
                )
        last = path[-1]
        if isinstance(node, dict) and isinstance(last, str):
            node[last] = value
            continue
        if not isinstance(node, list) or not isinstance(last, int) or last >= len(node):
            raise UserError(
                f"--set {override!r}: {key_text(path)} cannot be set", remedy="name a key that the spec has"
            )
        node[last] = value
