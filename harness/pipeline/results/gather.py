"""From finished stages to a run directory: records, samples, TREC runs, and what the report needs to know."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import numpy as np

from harness.indexes import codec
from harness.measure.machine.environment import environment, machine_fingerprint
from harness.measure.memory import UNREADABLE
from harness.pipeline.plan.fusion_stages import fusion_stages
from harness.pipeline.plan.pins import moving, used
from harness.pipeline.plan.shared_stages import encoder_type
from harness.pipeline.results.accelerators import accelerated
from harness.pipeline.results.conditions import builds_of, conditions_of, notes_of
from harness.pipeline.results.energy import cost_records
from harness.pipeline.results.finished_system import FinishedSystem, failed_stage
from harness.pipeline.results.fused_system import FusedSystem, described_fusion, fusion_failure
from harness.pipeline.results.null_control import null_records
from harness.pipeline.results.optional_records import extra_notes, extra_records
from harness.pipeline.results.system_records import SystemRecords, samples_of
from harness.pipeline.steps.check import Checked
from harness.pipeline.steps.encode import Encoded
from harness.pipeline.steps.evaluate import Quality
from harness.pipeline.steps.fit import Fitted
from harness.pipeline.steps.prepare import Prepared
from harness.pipeline.stored_result import stored_result
from harness.runs.write import RunContents, provenance, write_run_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.jsonvalue import JsonTable
    from harness.metrics import Group
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.pipeline.stored_result import R
    from harness.records import Record
    from harness.runs.facts import ClaimFacts, CollectionFacts, Facts, MeasureFacts, SystemFacts
    from harness.spec.models import Part, Spec


def write_run(
    out: Path,
    spec: Spec,
    systems: Sequence[SystemStages],
    stages: Sequence[Stage],
    done: Mapping[str, Done],
    *,
    only: Sequence[str] = (),
    null: bool = False,
) -> None:
    """Gather what the finished stages of a run measured, and write it as a run folder.

    Args:
        out: The run folder.
        spec: The spec with the fusions that were asked for.
        systems: The stages of each system on each collection.
        stages: All of them.
        done: How each ended, by key.
        only: Names of the systems that were asked for; empty for all.
        null: Whether each of them was timed under two names.
    """
    run = f"{spec.name}-{hashlib.sha256(''.join(stage.key for stage in stages).encode()).hexdigest()[:12]}"
    records: list[Record] = []
    latencies: dict[str, NDArray[np.generic]] = {}
    timed: dict[tuple[str, str], dict[str, NDArray[np.generic]]] = {}
    active: dict[str, NDArray[np.generic]] = {}
    finished = {
        number: FinishedSystem(stages_of_one, done)
        for number, stages_of_one in enumerate(systems)
        if failed_stage(stages_of_one, done) is None
    }
    for number, system in finished.items():
        own = SystemRecords(run, system)
        records += own.all()
        records += extra_records(run, system.stages, done, spec.head.measure.confidence)
        if system.measures("quality"):
            active |= _active(number, system)
        if not system.measures("latency"):
            continue
        records += own.latency()
        if system.summary.total is not None:
            seconds = system.summary.total["mean"][0]
            records += cost_records(run, system.collection, system.name, seconds, system.latencies, spec.head.measure)
            timed[system.collection, system.name] = samples = samples_of(system)
            latencies |= {f"{number}/{name}": array for name, array in samples.items()}
    fusions = fusion_stages(spec, systems)
    fused = {
        number: FusedSystem(stages_of_one, done, spec.head.measure.confidence)
        for number, stages_of_one in enumerate(fusions, start=len(systems))
        if fusion_failure(stages_of_one, done) is None
    }
    for number, fusion in fused.items():
        records += fusion.records(run)
        if fusion.stages.measures("summary"):
            latencies |= {f"{number}/{name}": array for name, array in fusion.samples().items()}
    records += null_records(run, spec, timed)
    conditions, not_measured = conditions_of(systems, done), unmeasured(spec, systems)
    notes = [
        *notes_of(conditions),
        *accelerated(systems, done),
        *moving(systems, done),
        *_model_warnings(systems, done),
        *extra_notes(systems, done),
        *made_elsewhere(systems),
        *(f"The memory of indexes, services and builds was not measured: {why}." for why in not_measured.values()),
    ]
    facts = _facts_of_run(run, spec, systems, stages, done)
    facts["unmeasured"] = not_measured
    facts["systems"] += [described_fusion(stages_of_one, done) for stages_of_one in fusions]
    answering: dict[int, FinishedSystem | FusedSystem] = {**finished, **fused}
    judged = {number: system for number, system in answering.items() if system.stages.measures("quality")}
    contents = RunContents(
        {**facts, "only": list(only), "null": null, "notes": notes},
        records,
        per_query=(row for system in answering.values() for row in _per_query(system)),
        latencies=latencies,
        conditions=[row.as_json() for row in conditions],
        explained=(row for system in judged.values() for row in _explained(system)),
        active=active,
        training=_training(systems, done),
        trec_runs={number: system.quality_files / "run.trec.gz" for number, system in judged.items()},
    )
    write_run_folder(out, contents)


def _facts_of_run(
    run: str, spec: Spec, systems: Sequence[SystemStages], stages: Sequence[Stage], done: Mapping[str, Done]
) -> Facts:
    return {
        "run": run,
        "name": spec.name,
        "title": spec.head.title or spec.name,
        "description": spec.head.description,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec_hash": hashlib.sha256(spec.text.encode()).hexdigest(),
        "spec_text": spec.text,
        "overrides": list(spec.overrides),
        "command": " ".join(sys.argv),
        "provenance": provenance(),
        "machine": machine_fingerprint(),
        "measure": cast("MeasureFacts", spec.head.measure.model_dump(mode="json")),
        "environment": {
            **environment(library for stage in stages for library in stage.libraries),
            "Library builds": builds_of(systems, done),
        },
        "collections": {
            system.collection: _collection_facts(prepared)
            for system in systems
            for prepared in (_result(done, system.prepare, Prepared),)
            if prepared is not None
        },
        "suites": {
            suite.name: {task: list(parts) for task, parts in suite.tasks.items()} for suite in spec.suites.values()
        },
        "pins": used(systems, done),
        "systems": [_described(system, done) for system in systems],
        "stages": [
            {
                "key": s.key,
                "kind": s.kind,
                "label": s.label,
                "status": d.status,
                "reused": d.reused,
                "seconds": d.seconds,
                "peak_bytes": d.artefact.peak_bytes if d.artefact else None,
                "reason": d.reason,
            }
            for s in stages
            for d in (done[s.key],)
        ],
        "claims": [cast("ClaimFacts", claim.model_dump(mode="json")) for claim in spec.head.claims],
    }


def _collection_facts(prepared: Prepared) -> CollectionFacts:
    return {
        "documents": prepared.documents,
        "queries": prepared.queries,
        "queries_left_out": prepared.queries_left_out,
        "judgements": prepared.judgements,
        "identifier_bytes": prepared.identifier_bytes,
        "revision": prepared.revision,
        "description": {**prepared.description, **_rules(prepared)},
        "warnings": list(prepared.warnings),
    }


def _rules(prepared: Prepared) -> dict[str, str]:
    """How results are judged, where that is not as usual, for the reader."""
    rules, facts = prepared.rules, dict[str, str]()
    if rules.ignore_identical_ids:
        facts["same identifier"] = (
            f"a document with the query's own identifier is no result ({prepared.same_identifiers} queries have one); "
            "one more is searched"
        )
    elif prepared.same_identifiers:
        facts["same identifier"] = (
            f"{prepared.same_identifiers} queries have a document of their own identifier, and it is not left out "
            "(ignore_identical_ids)"
        )
    if rules.ties == "identifier":
        facts["equal scores"] = "in descending order of identifiers, as trec_eval and mteb have it"
    if rules.without_relevant == "zero":
        facts["queries without a relevant document"] = "count 0, as in mteb"
    if cut := rules.passages:
        facts["passages"] = (
            f"documents are searched as {prepared.passages} passages of {cut.words} words, one every {cut.stride}, at "
            f"most {prepared.most_passages} of one document. A document scores as its best passage. Vectors, index, "
            "memory, work and latency are of passages; a search goes so deep that its documents are sure to be enough"
        )
    if prepared.copies:
        facts["equal texts"] = (
            f"{prepared.copies} documents have the text of an earlier one; systems score them alike, and only the "
            "order of equal scores tells them apart"
        )
    if prepared.reranked:
        facts["re-ranking"] = (
            "only the candidates of each query are ranked, by exact scores of the vectors: an index neither gains nor "
            "loses quality here. Latency, work and memory are of a search of the whole corpus"
        )
    return facts


def unmeasured(spec: Spec, systems: Sequence[SystemStages]) -> dict[Group, str]:
    """Why a group that the spec measures was not measured; the system does not tell it."""
    asked = "memory" in spec.head.measure.groups
    return {"memory": UNREADABLE} if asked and not all(stages.measures("memory") for stages in systems) else {}


def made_elsewhere(systems: Sequence[SystemStages]) -> list[str]:
    """A sentence on each encoder whose vectors were made elsewhere."""
    encoders = {stages.system.encoder.name: stages.system.encoder for stages in systems}
    return [
        f"The vectors of {name} were made elsewhere. How long encoding takes is not measured, and neither is what "
        "includes it: the time of a whole query, the memory of the service, operations of encoding."
        for name, encoder in encoders.items()
        if not encoder_type(encoder).encodes()
    ]


def _described(stages: SystemStages, done: Mapping[str, Done]) -> SystemFacts:
    system, bad = stages.system, failed_stage(stages, done)
    return {
        "name": system.name,
        "collection": stages.collection,
        "encoder": system.encoder.name,
        "encoder_base": system.encoder.base,
        "encoder_type": system.encoder.type,
        "encoder_params": system.encoder.params.model_dump(mode="json"),
        "revision": _revision(system.encoder, _result(done, stages.fit, Fitted)),
        "index": system.index.name,
        "index_type": system.index.type,
        "index_params": system.index.params.model_dump(mode="json"),
        "curve": system.curve,
        "codec": codec(system.index.type, system.index.params.model_dump(mode="json")),
        "status": bad.status if bad else "ok",
        "reason": f"{bad.stage.label}: {bad.reason}" if bad else "",
        "facts": _facts(stages, done),
        "stages": stages.keys(),
    }


def _revision(encoder: Part, fitted: Fitted | None) -> str | None:
    """The commit of the model: what was taken from the Hub, else what the spec names."""
    return encoder_type(encoder).revision(fitted.commits if fitted is not None else {})


def _facts(stages: SystemStages, done: Mapping[str, Done]) -> dict[str, str]:
    """What a reader must know of a system's encoder: size, training, and where it departs from the model it is like."""
    facts: dict[str, str] = {}
    encoded, fitted = _result(done, stages.encode, Encoded), _result(done, stages.fit, Fitted)
    checked = _result(done, stages.check, Checked) if stages.check else None
    quality = _result(done, stages.quality, Quality)
    if encoded is not None:
        facts["width"] = f"{encoded.width} {'terms' if encoded.kind == 'sparse' else 'dimensions'}"
        facts |= {name: _plain(value) for name, value in encoded.parameters.items() if "departure" not in name}
    facts |= quality.facts() if quality is not None else {}
    for figure in checked.checks if checked else ():
        facts[f"check: {figure.name}"] = f"{figure.text}: {'passed' if figure.passed else 'FAILED'}"
    if fitted is not None:
        if fitted.steps is not None:
            facts["trained in this experiment"] = f"{fitted.steps} steps on {fitted.pairs_seen} of {fitted.pairs} pairs"
        facts |= {f"commit of {name}": commit for name, commit in fitted.commits.items()}
        facts |= {f"departure: {name}": f"{value:g}" for name, value in fitted.departures.items()}
    return facts


def _plain(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _model_warnings(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> Iterator[str]:
    """What a reader must know of each model."""
    for encoder, stage in {stages.system.encoder.name: stages.fit for stages in systems}.items():
        fitted = _result(done, stage, Fitted)
        for warning in fitted.warnings if fitted else ():
            yield f"{encoder}: {warning}"


def _training(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> Iterator[JsonTable]:
    """Rows of every trained encoder's curve."""
    for encoder, stage in {stages.system.encoder.name: stages.fit for stages in systems}.items():
        fitted = _result(done, stage, Fitted)
        for row in fitted.curve if fitted else ():
            yield {"encoder": encoder, **row}


def _per_query(system: FinishedSystem | FusedSystem) -> Iterator[JsonTable]:
    about = {"collection": system.collection, "system": system.name}
    for name, by_query in system.by_query():
        for query, value in by_query.items():
            yield {**about, "query": query, "metric": name, "value": value}


def _explained(system: FinishedSystem | FusedSystem) -> Iterator[JsonTable]:
    """Why the first documents of each query came first."""
    about = {"collection": system.collection, "system": system.name}
    with (system.quality_files / "explain.jsonl").open("rb") as lines:
        for line in lines:
            yield {**about, **json.loads(line.decode("utf-8", "surrogatepass"))}


def _active(number: int, system: FinishedSystem) -> dict[str, NDArray[np.generic]]:
    """How many vectors have each number of terms."""
    with np.load(system.quality_files / "active.npz") as counts:
        return {f"{number}/{name}": counts[name] for name in counts}


def _result(done: Mapping[str, Done], stage: Stage, kind: type[R]) -> R | None:
    ended = done.get(stage.key)  # None for a stage that the spec leaves out
    return None if ended is None or ended.artefact is None else stored_result(ended.artefact, kind)
