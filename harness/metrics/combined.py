"""How the values of a metric on several collections become one value of their suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from harness.metrics.base import Metric

Combination: TypeAlias = Literal["mean", "sum", "per document", ""]
ADDED = ("index_bytes", "index_file_bytes", "index_plain_bytes", "identifier_bytes", "resident_bytes")
"""Bytes that each collection needs for itself: all of them take the sum."""


def over_suite(name: str, kind: Metric) -> Combination:
    """How a metric's values on the collections of a suite are combined.

    mean: Of quality and of counts of a query, over the tasks; of a task of several parts, over the parts first.
    sum: Of bytes of the index: what serving all collections takes.
    per document: All bytes over all documents, which weighs each collection by its size.
    "": The metric has no such value. The encoder of a service serves all collections, and times are of one machine
    with one index.

    Args:
        name: Of the metric, with a component after a slash where one applies.
        kind: What the name means.
    """
    base = name.partition("/")[0]
    if base == "index_bytes_per_document":
        return "per document"
    if base in ADDED:
        return "sum"
    return "mean" if kind.sampled or (kind.unit, kind.direction) == ("fraction", "higher") else ""
