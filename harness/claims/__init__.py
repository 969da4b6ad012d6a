"""A claim and its verdict."""

from __future__ import annotations

from harness.claims.verdict import Evidence, Verdict, exit_code, judge

__all__ = ["Evidence", "Verdict", "exit_code", "judge"]
