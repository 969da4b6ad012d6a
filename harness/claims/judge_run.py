"""The verdicts on a run's claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.evidence import Evidence
from harness.claims.judge import judge
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
    claims = [ClaimSpec.model_validate(claim) for claim in run.facts["claims"]]
    ours = evidence(run)
    return [verdict for claim in claims for verdict in judge(claim, ours, theirs)]


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
