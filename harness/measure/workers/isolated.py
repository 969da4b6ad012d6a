"""Run functions in fresh processes, one alone or several in turns, and say how each ended."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, TypedDict, Unpack

from harness.measure.workers.messages import Asked
from harness.measure.workers.worker_process import Order, Outcome, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.jsonvalue import JsonTable


class Limits(TypedDict, total=False):
    """The fields of an `Order` besides its target and arguments."""

    timeout: float | None
    memory_limit: int | None
    threads: int
    pin: Sequence[int] | None
    on_progress: Callable[[int, int | None, str, int], None] | None
    log: Path | None
    allow: Sequence[str]
    asks: bool


def run_isolated(target: str, arguments: JsonTable, **limits: Unpack[Limits]) -> Outcome:
    """Call ``function(**arguments, report=...)`` in a fresh process that inherits nothing but this order.

    Args:
        target: ``module:function``.
        arguments: JSON.
        **limits: The other fields of `Order`.

    Raises:
        ValueError: The target is not allowed.
        TypeError: The arguments are not JSON.
        UserError: A processor of `pin` is not there.
        KeyboardInterrupt: Passed on, as anything that `on_progress` raises, after the child was killed.
    """
    return run_in_turns([Order(target, arguments, **limits)])[0]


def run_in_turns(orders: Sequence[Order], *, seed: int = 0) -> list[Outcome]:
    """Call several functions, each in a fresh process, all alive at once and never two at work at the same time.

    They start one after another. One that asks ``{"turn": pass}`` waits for its turn: lower passes come first, and a
    pass has a seeded order that the next pass reverses (A B B A). A pass that one asks for once more begins again from
    the front. So whatever slows the machine for more than a moment falls on all alike. One that asks ``{"again": why}``
    (or None where it may not be done again) waits for the others: if any has a reason and all may, all do it again.

    Args:
        orders: What to call; those with `asks` take turns, others run to their end when they start.
        seed: Of the order of turns.

    Returns:
        How each ended, in the order of `orders`. One that fails does not stop the others.

    Raises:
        ValueError, TypeError, UserError, KeyboardInterrupt: As `run_isolated`; all children are ended before.
    """
    outcomes: dict[int, Outcome] = {}
    asked: dict[int, Asked] = {}
    with contextlib.ExitStack() as stack:
        workers: list[Worker] = []

        def resume(place: int, answer: bool = False) -> None:
            asked.pop(place, None)
            result = workers[place].resume(answer)
            if isinstance(result, Asked):
                asked[place] = result
            else:
                outcomes[place] = result

        for place, order in enumerate(orders):
            workers.append(stack.enter_context(Worker(order)))
            resume(place)
        while asked:
            turns = {place: question.turn for place, question in asked.items() if question.turn is not None}
            if turns:
                number = min(turns.values())
                for place in turn_order(len(orders), number, seed):
                    if turns.get(place) == number:
                        resume(place, True)
            else:
                reasons = [question.repeat for question in asked.values()]
                again = None not in reasons and any(reasons)
                for place in sorted(asked):
                    resume(place, again)
    return [outcomes[place] for place in range(len(orders))]


def turn_order(count: int, number: int, seed: int) -> list[int]:
    """Who comes when in a pass: a new seeded order for every other pass, reversed in the pass after it (A B B A)."""
    order = list(range(count))
    random.Random(f"{seed} {number // 2}").shuffle(order)  # noqa: S311 - an order, not a secret
    return order if number % 2 == 0 else order[::-1]
