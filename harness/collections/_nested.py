"""A collection inside of another one's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.collections import registry
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.collections.base import Collection


def opened(table: Mapping[str, Any], barred: tuple[str, ...] = ()) -> Collection:
    """The collection that a table names as it would stand in a spec, by its `type` and parameters.

    Args:
        table: The table.
        barred: Types that cannot stand there.

    Raises:
        UserError: There is no such type here, a parameter is wrong, or it stands for several collections.
    """
    settings = dict(table)
    kind = settings.pop("type", None)
    known = [name for name in registry.names() if name not in barred]
    if kind not in known:
        raise UserError(
            f"no collection of type {kind!r} can be a source",
            key="collection.type",
            remedy=f"one of {', '.join(known)}",
        )
    source: Any = registry.get(kind)
    if source.expanded(settings, {})[1]:
        raise UserError("this names several collections", key="collection", remedy="name one of them")
    try:
        collection: Collection = source(source.Params.model_validate(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("collection", *first["loc"]))
        raise UserError(
            f"found {first['input']!r:.80}: {first['msg']}", key=where, remedy="correct the value"
        ) from None
    return collection
