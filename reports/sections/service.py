"""What begins the parts on memory and latency: the service as a whole, in a sentence and a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.figures.base import under
from reports.figures.components import Parts, service_parts, time_parts
from reports.figures.texts import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.runs.read import RunData
    from reports.figures.base import Panel

HALF = 0.5
"""Search is not where the time goes if encoding takes more than this share of a query."""


@dataclass(frozen=True)
class Opening:
    """What a part of the page begins with; the sentence is empty where there is nothing to say."""

    sentence: str
    figure: Panel


def openings(run: RunData, collection: str) -> dict[str, Opening]:
    """By the heading of the part; a part whose metrics the run lacks has none."""
    drawn = {
        "Memory": (memory_sentence(run, collection), under(run, collection, "Whole service")),
        "Latency": (time_sentence(run, collection), under(run, collection, "Whole query")),
    }
    return {heading: Opening(sentence, panels[0]) for heading, (sentence, panels) in drawn.items() if panels}


def memory_sentence(run: RunData, collection: str) -> str:
    """Which share of a service's memory the encoder has."""
    shares = _first_shares(service_parts(run, collection))
    if not shares:
        return ""
    text = f"The encoder takes {_range(shares)} of the memory of a whole service."
    if max(shares.values()) > HALF:
        text = f"{text[:-1]}; a claim on the index alone leaves this out."
    return text


def time_sentence(run: RunData, collection: str) -> str:
    """In which systems the search is not where the time goes; empty where it is in all."""
    shares = _first_shares(time_parts(run, collection))
    slow = {system: share for system, share in shares.items() if share > HALF}
    if not slow:
        return ""
    count = f"any of the {len(slow)}" if len(slow) == len(shares) else f"{len(slow)} of {len(shares)}"
    where = "" if len(shares) == 1 else f" in {count} systems"
    return f"The search is not where the time goes{where}: encoding takes {_range(slow)} of the mean time of a query."


def _first_shares(parts: Parts) -> dict[str, float]:
    """The share that the first part has of each system's sum."""
    first = next(iter(parts.values()))
    totals = {system: sum(values.get(system, 0.0) for values in parts.values()) for system in first}
    return {system: first[system] / total for system, total in totals.items() if total > 0}


def _range(shares: Mapping[str, float]) -> str:
    least, most = min(shares, key=lambda system: shares[system]), max(shares, key=lambda system: shares[system])
    ends = [f"{_percent(shares[system])} ({shortened(system)})" for system in dict.fromkeys((least, most))]
    return " to ".join(ends)


def _percent(share: float) -> str:
    """Only the whole is 100 %, and only nothing is 0 %."""
    if 0.995 <= share < 1:
        return "over 99%"
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"
