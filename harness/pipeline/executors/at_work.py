"""A stage at work as those who show it know it: how far it is, how long it still takes, how much memory it holds."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.terminal_text import clean

if TYPE_CHECKING:
    from harness.pipeline.stage import Stage

PERIOD_SECONDS = 60.0
"""The time left comes from what was counted in this time."""


@dataclass
class AtWork:
    """A stage at work.

    Attributes:
        stage: The stage.
        number: Of the stage, from 1.
        total: Stages in all.
        expected: Seconds that the same stage took before; None where it never ran.
        began: When it began, in seconds of `time.monotonic`.
        done: How much it has counted; 0 before it counted.
        of: How much there is to count; None where that is not known.
        text: What it counts or does.
        memory: Bytes that its process holds resident; 0 where that is not known.
    """

    stage: Stage
    number: int
    total: int
    expected: float | None = None
    began: float = field(default_factory=lambda: time.monotonic())
    done: int = 0
    of: int | None = None
    text: str = ""
    memory: int = 0
    _counted: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=1000))

    @property
    def label(self) -> str:
        """The stage in words, in one line that is safe for a terminal."""
        return clean(self.stage.label)

    @property
    def counts(self) -> bool:
        """Whether it counts more than its own end."""
        return bool(self.text) and (self.of is None or self.of > 1)

    def count(self, done: int, of: int | None, text: str, memory: int) -> None:
        """Take what it reports."""
        if of != self.of or done < self.done:  # it counts something else
            self._counted.clear()
        now = time.monotonic()
        while len(self._counted) > 2 and now - self._counted[0][0] > PERIOD_SECONDS:
            self._counted.popleft()
        self._counted.append((now, done))
        self.done, self.of, self.text, self.memory = done, of, clean(text), memory

    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def left(self) -> float | None:
        """Estimated seconds until it ends; None where nothing tells.

        What it counts tells: its speed over the last `PERIOD_SECONDS`. The time that the same stage took before tells
        where it counts nothing, and until two counts tell a speed.
        """
        if self.counts and self.of is not None and len(self._counted) > 1:
            (first, before), (last, done) = self._counted[0], self._counted[-1]
            if done > before and last > first:
                waited = time.monotonic() - last
                return max(0.0, (self.of - done) * (last - first) / (done - before) - waited)
        if self.expected is None:
            return None
        left = self.expected - self.seconds()
        return None if self.counts and left <= 0 else max(0.0, left)
