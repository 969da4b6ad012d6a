"""The verdicts on a run's claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from harness.claims.evidence import Evidence
from harness.claims.judge import judge
from harness.errors import UserError
from harness.runs.layout import RUN
from harness.runs.suites import documents_of
from harness.spec.claim import ClaimSpec

if TYPE_CHECKING:
    from harness.claims.verdict import Verdict
    from harness.runs.read import RunData


def verdicts(run: RunData, baseline: RunData | None = None) -> list[Verdict]:
    """Every claim of a run, judged.

    Args:
        run: The run whose claims are judged.
        baseline: Another run that has the baselines; `run` itself where None.
    """
    theirs = None if baseline is None else evidence(baseline)
    claims = claims_of(run)
    ours = evidence(run)
    return [verdict for claim in claims for verdict in judge(claim, ours, theirs)]


def claims_of(run: RunData) -> list[ClaimSpec]:
    """The claims that a run folder names.

    Raises:
        UserError: They are none that a spec can state.
    """
    try:
        return [ClaimSpec.model_validate(claim) for claim in run.facts["claims"]]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(
            f"a claim is none that a spec can state: {first['msg']}",
            file=run.folder / RUN,
            key=".".join(("claims", *map(str, first["loc"]))),
            remedy="run the experiment again",
        ) from None


def evidence(run: RunData) -> Evidence:
    """The evidence of a run's verdicts."""
    measure = run.facts.get("measure", {})
    known = {name: measure.get(name) for name in ("k", "depth", "threads")} | {"machine": run.facts.get("machine")}
    if "queries" in measure:
        known["timed queries"] = "all" if measure["queries"] is None else measure["queries"]
    statuses, codecs, settings = {}, {}, {}
    for system in run.systems:
        cell = (system["collection"], system["name"])
        statuses[cell] = (str(system["status"]), str(system["reason"]))
        codecs[cell] = str(system.get("codec", ""))
        data = run.facts["collections"].get(system["collection"], {}).get("revision")
        settings[cell] = {name: str(value) for name, value in {"data": data, **known}.items() if value is not None}
    return Evidence(
        run.cells(),
        statuses,
        run.quality,
        run.latency,
        run.disturbances,
        run.processes,
        codecs=codecs,
        settings=settings,
        confidence=run.confidence,
        suites={suite.name: suite for suite in run.suites},
        documents=documents_of(run),
        only=measure.get("only") or (),
    )
