"""The family of a system: lexical, learned sparse, dense, or a fusion of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

FUSIONS = "Fusions"
FAMILIES = ("Lexical", "Learned sparse", "Sparse", "Dense", FUSIONS, "Other")
"""In the order of tables. "Sparse" are vectors of which the run does not say whether a model made them; "Other" are
systems without any vectors, because they failed."""


def by_family(run: RunData) -> dict[str, list[str]]:
    """The systems of each family that the run has, in the order of `FAMILIES` and of the spec.

    A system that failed everywhere is of the family that its encoder has in other systems.
    """
    systems, encoders = {}, {}
    for row in run.systems:
        if kind := _measured(run, row):
            systems[row["name"]] = encoders[_encoder(row)] = kind
    families: dict[str, list[str]] = {name: [] for name in FAMILIES}
    for name, row in {row["name"]: row for row in run.systems}.items():
        kind = systems.get(name) or encoders.get(_encoder(row), "Other")
        families[FUSIONS if row.get("fused") else kind].append(name)
    return {name: systems for name, systems in families.items() if systems}


def _encoder(row: SystemFacts) -> tuple[str, str]:
    return row.get("encoder_type", ""), row.get("encoder_base", row.get("encoder", row["name"]))


def _measured(run: RunData, row: SystemFacts) -> str:
    """The family that a system's records show; empty where it has none."""
    cells, cell = run.cells(), (row["collection"], row["name"])
    if (*cell, "dimensions") in cells:
        return "Dense"
    if (*cell, "active_terms_document") not in cells:
        return ""
    if row.get("encoder_type") == "bm25":
        return "Lexical"
    return "Learned sparse" if (*cell, "model_parameters") in cells else "Sparse"
