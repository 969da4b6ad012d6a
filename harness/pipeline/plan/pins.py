"""Commits for names of a spec whose content may change on the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.encoders.weights.hub_files import commit_on_hub
from harness.pipeline.plan.shared_stages import encoder_type
from harness.pipeline.steps.fit import Fitted
from harness.pipeline.stored_result import stored_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.encoders.base import HubName
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage_outcome import Done
    from harness.spec.models import Part, Spec


def moving(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A sentence for each name on the Hub that was taken as it was, without a commit of the spec."""
    notes = []
    for stages in {stages.system.encoder.name: stages for stages in systems}.values():
        encoder = stages.system.encoder
        fitted = done[stages.fit.key].artefact
        taken = stored_result(fitted, Fitted).commits if fitted is not None else {}
        for hub in _names(encoder):
            if hub.revision is None and hub.name in taken:
                notes.append(
                    f"{encoder.name}: {hub.name} is named without a commit and may change; this run "
                    f"used {taken[hub.name]} (to pin it: {hub.key})."
                )
    return notes


def used(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A setting for each commit that the encoders of a run were taken from: ``encoders.x.revision=COMMIT``."""
    settings: dict[str, None] = {}
    for stages in systems:
        encoder, fitted = stages.system.encoder, done[stages.fit.key].artefact
        taken = stored_result(fitted, Fitted).commits if fitted is not None else {}
        for hub in _names(encoder):
            if hub.name in taken:
                settings[f"encoders.{encoder.base}.{hub.key}={taken[hub.name]}"] = None
    return list(settings)


def pins(spec: Spec) -> list[str]:
    """A setting for each name on the Hub that the spec gives no revision for: ``encoders.x.revision=COMMIT``.

    Raises:
        UserError: The Hub does not answer, as where there is no network.
    """
    settings = []
    for part in {part.base: part for part in spec.encoders.values()}.values():
        for hub in _names(part):
            if hub.revision is None:
                place = f"encoders.{part.base}.{hub.key}"
                settings.append(f"{place}={commit_on_hub(hub.name, place)}")
    return settings


def _names(encoder: Part) -> Sequence[HubName]:
    return encoder_type(encoder).hub_names()
