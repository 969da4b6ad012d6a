"""A collection inside of another one's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from harness.collections import registry
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.collections.base import Collection
    from harness.jsonvalue import JsonTable
    from harness.spec.params import Params
    from harness.spec.toml import TomlTable


def named(table: JsonTable, barred: tuple[str, ...] = ()) -> tuple[type[Collection], Params]:
    """The type and the parameters that a table names as it would stand in a spec, by its `type` and its other keys.

    Args:
        table: The table.
        barred: Types that cannot stand there.

    Raises:
        UserError: There is no such type here, a parameter is wrong, or it stands for several collections.
    """
    settings = dict(table)
    kind = settings.pop("type", None)
    known = [name for name in registry.names() if name not in barred]
    if not isinstance(kind, str) or kind not in known:
        raise UserError(
            f"a collection of type {kind!r} cannot be a source",
            key="collection.type",
            remedy=f"one of {', '.join(known)}",
        )
    source = registry.get(kind)
    if source.expanded(cast("TomlTable", settings), {})[1]:  # it was part of a spec
        raise UserError("this names several collections", key="collection", remedy="name one of them")
    try:
        return source, source.Params.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("collection", *first["loc"]))
        raise UserError(
            f"found {first['input']!r:.80}: {first['msg']}", key=where, remedy="correct the value"
        ) from None


def opened(table: JsonTable, barred: tuple[str, ...] = ()) -> Collection:
    """The collection of a table; arguments and errors as of `named`."""
    source, params = named(table, barred)
    return source(params)
