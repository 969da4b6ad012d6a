"""A claim and its verdict."""

from __future__ import annotations

from harness.claims.evidence import Evidence
from harness.claims.judge import judge
from harness.claims.verdict import Verdict, exit_code

__all__ = ["Evidence", "Verdict", "exit_code", "judge"]
