"""Processes that live on and take one order after another, because each would import the same libraries again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.workers.worker_process import Worker

if TYPE_CHECKING:
    from harness.measure.workers.worker_process import Order, Outcome

MOST_HELD = 1 << 30
"""A process that holds more anonymous bytes than this after an order is ended: a fresh one costs less than its memory.
"""


class WarmWorkers:
    """Kept workers that are idle, and those that are at work.

    An order goes to an idle process with the same environment and processors; where there is none a fresh one begins.
    A process is ended after an order that did not end well, and after one that left it too large. All end with `close`,
    or with the thread that made them (Linux).

    Args:
        most_idle: Processes that may wait for an order; the one that has waited longest is ended.
        most_held: Anonymous bytes that a process may hold while it waits.
    """

    def __init__(self, most_idle: int = 1, most_held: int = MOST_HELD) -> None:
        self.most_idle, self.most_held = most_idle, most_held
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()

    def begin(self, order: Order) -> Worker:
        """The process that works on this order.

        Raises:
            ValueError, TypeError, UserError: As for `Worker`.
        """
        for worker in reversed(self._idle):
            if worker.take(order):
                self._idle.remove(worker)
                break
        else:
            worker = Worker(order, keep=True)
        self._busy.add(worker)
        return worker

    def end(self, worker: Worker, outcome: Outcome) -> None:
        """Let a process wait for its next order, or end it where it did not do well or holds too much."""
        self._busy.discard(worker)
        if outcome.status != "ok" or worker.held() > self.most_held:
            worker.close(at_once=True)
            return
        self._idle.append(worker)
        while len(self._idle) > self.most_idle:
            self._idle.pop(0).close(at_once=True)

    def close_idle(self, most_held: int = 0) -> None:
        """End the processes that wait and hold more anonymous bytes than this."""
        for worker in [worker for worker in self._idle if worker.held() > most_held]:
            self._idle.remove(worker)
            worker.close(at_once=True)

    def close(self) -> None:
        """End all, whatever they do."""
        while self._idle:
            self._idle.pop().close(at_once=True)
        while self._busy:
            self._busy.pop().close(at_once=True)
