"""Versions of installed distributions, read from their metadata; nothing is imported."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

PACKAGE = "laconic-bench"


@cache
def installed(distribution: str) -> str:
    """Version of an installed distribution, "none" where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def required(distribution: str = PACKAGE) -> tuple[str, ...]:
    """Names of the distributions that an installed one needs everywhere, sorted; its extras are left out.

    Empty where it is not installed.
    """
    try:
        requirements = requires(distribution) or ()
    except PackageNotFoundError:
        return ()
    names = (re.match(r"[\w.-]+", text) for text in requirements if ";" not in text)
    return tuple(sorted(name[0] for name in names if name))
