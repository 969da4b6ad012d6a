"""Queries of mteb as one text each: instructions and conversations are joined as mteb joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping


def query_text(row: Mapping[str, object]) -> str:
    """The text of a query as mteb gives it to an encoder.

    An instruction follows a text. A conversation is a list of turns: strings, or tables with ``role`` and ``content``.
    Its turns are joined by ``; ``, and an instruction stands before them.

    Args:
        row: ``id`` and ``text``, perhaps ``instruction``.

    Raises:
        UserError: The text is none, or a conversation has a turn of another form.
    """
    text, name = row.get("text"), row.get("id")
    if isinstance(text, list):
        turns = "; ".join(_turn(turn, name) for turn in text)
        return f"{row['instruction']} {turns}" if "instruction" in row else turns
    if not isinstance(text, str):
        raise UserError(
            f"the query {name!r} holds {text!r:.80}, which is no text", key="task", remedy="name another task"
        )
    instruction = row.get("instruction")
    return text if instruction is None else f"{text} {instruction}"


def _turn(turn: object, query: object) -> str:
    if isinstance(turn, str):
        return turn
    if isinstance(turn, dict) and {"role", "content"} <= turn.keys() and isinstance(turn["content"], str):
        return f"{turn['role']}: {turn['content']}"
    raise UserError(
        f"the query {query!r} is a conversation with the turn {turn!r:.80}",
        key="task",
        remedy="mteb knows turns that are strings, or tables with role and content; name another task",
    )
