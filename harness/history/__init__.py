"""What was measured before: an append-only history of runs, and what a new run says against it."""

from __future__ import annotations

from harness.history.entry import Entry, entry_of
from harness.history.store import History

__all__ = ["Entry", "History", "entry_of"]
