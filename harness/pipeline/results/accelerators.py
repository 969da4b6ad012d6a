"""Which figures of a run are not a processor's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.pipeline.steps.encode import Encoded
from harness.pipeline.stored_result import stored_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage_outcome import Done

QUERIES = "device of queries"
"""Fact of an encoder whose queries are not encoded where its documents are."""


def accelerated(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A sentence for each encoder that did not run on the processor alone."""
    notes = []
    for stages in {stages.system.encoder.name: stages for stages in systems}.values():
        artefact = done[stages.encode.key].artefact
        if artefact is not None:
            notes += device_notes(stages.system.encoder.name, stored_result(artefact, Encoded).parameters)
    return notes


def device_notes(encoder: str, parameters: Mapping[str, float | str]) -> list[str]:
    """What a reader must know of the devices that an encoder names among its facts.

    Args:
        encoder: Its name.
        parameters: Its facts: ``device``, and `QUERIES` where that is another.
    """
    documents = str(parameters.get("device", "cpu"))
    queries = str(parameters.get(QUERIES, documents.partition(", ")[0]))
    notes = []
    if queries != "cpu":
        notes.append(
            f"{encoder}: queries were encoded on {queries}. Latency and queries per second are not those of a CPU; "
            "processor time, memory, energy and cost leave that device out."
        )
    if set(documents.split(", ")) != {"cpu"}:
        notes.append(f"{encoder}: documents were encoded on {documents}; documents per second are of that.")
    return notes
