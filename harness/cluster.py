"""A connection to Ray, which whatever needs a cluster imports and opens in the same way."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from types import ModuleType

KNOCK_SECONDS = 5.0
"""How long a cluster's head may take to accept a connection."""


def require(key: str) -> ModuleType:
    """Import Ray.

    Args:
        key: What asks for it, as the user gave it.

    Raises:
        UserError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        remedy = 'python -m pip install "laconic-bench[ray]"'
        raise UserError("Ray is not installed", key=key, remedy=remedy) from None
    module: ModuleType = ray
    return module


def connect(address: str | None, *, needed_by: str, given_by: str) -> ModuleType:
    """Connect this process to Ray, if it is not connected yet, and return its module.

    Args:
        address: Of the cluster's head; None starts Ray on this machine.
        needed_by: What asks for it, as the user gave it.
        given_by: Where the user gave the address.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    ray = require(needed_by)
    try:
        _reach(address)
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"there is no Ray cluster at {address}: {error}", key=given_by, remedy="start it with ray start --head"
        ) from None
    return ray


def _reach(address: str | None) -> None:
    """Knock at an address with a port: Ray itself tries for minutes.

    Raises:
        OSError: Nobody answers there.
    """
    parts = re.fullmatch(r"(?:ray://)?(?P<host>[^/]+):(?P<port>\d{1,5})", address or "")
    if parts is not None:
        socket.create_connection((parts["host"].strip("[]"), int(parts["port"])), timeout=KNOCK_SECONDS).close()
