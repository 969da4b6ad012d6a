"""From finished stages to a run directory: records, samples, TREC runs, and what the report needs to know."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.indexes import codec
from harness.measure.latency import METHOD as LATENCY_METHOD
from harness.measure.machine.environment import environment, machine_fingerprint
from harness.pipeline.plan.pins import moving
from harness.pipeline.plan.shared_stages import encoder_type
from harness.pipeline.results.conditions import builds_of, conditions_of, notes_of
from harness.pipeline.results.energy import cost_records
from harness.pipeline.results.null_control import null_records
from harness.pipeline.results.optional_records import extra_notes, extra_records
from harness.pipeline.steps.prepare import Prepared
from harness.pipeline.stored_result import R, stored_result
from harness.records import Record, record
from harness.runs.write import RunContents, provenance, write_run_folder
from harness.typed_json import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.pipeline.store.local import Artefact
    from harness.spec.models import Part, Spec

RESIDENT = ("anonymous", "file", "pss")
RESIDENT_METHOD = "smaps_rollup and smaps of newly mapped files, fresh process"


def write_run(
    out: Path, spec: Spec, systems: Sequence[SystemStages], stages: Sequence[Stage], done: Mapping[str, Done]
) -> None:
    """Gather what the finished stages of a run measured, and write it as a run folder."""
    run = f"{spec.name}-{hashlib.sha256(''.join(stage.key for stage in stages).encode()).hexdigest()[:12]}"
    records: list[Record] = []
    latencies: dict[str, Any] = {}
    timed: dict[tuple[str, str], dict[str, Any]] = {}
    active: dict[str, Any] = {}
    whole = {number: one for number, one in enumerate(systems) if _failed_stage(one, done) is None}
    for number, one in whole.items():
        records += _quality(run, one, done)
        records += _efficiency(run, one, done)
        records += extra_records(run, one, done)
        rows, samples = _latency(run, one, done)
        records += rows
        records += cost_records(
            run,
            one.collection,
            one.system.name,
            next(row.value for row in rows if row.metric == "latency_total/mean"),
            [_result(done, stage) for stage in one.latency],
            spec.head.measure,
        )
        timed[one.collection, one.system.name] = samples
        active |= _active(number, one, done)
        latencies |= {f"{number}/{name}": array for name, array in samples.items()}
    records += null_records(run, spec, timed)
    conditions = conditions_of(systems, done)
    notes = [*notes_of(conditions), *moving(systems, done), *extra_notes(systems, done)]
    contents = RunContents(
        {**_facts_of_run(run, spec, systems, stages, done), "notes": notes},
        records,
        per_query=(row for one in whole.values() for row in _per_query(one, done)),
        latencies=latencies,
        conditions=conditions,
        explained=(row for one in whole.values() for row in _explained(one, done)),
        active=active,
        training=_training(systems, done),
        trec_runs={number: _files(done, one.quality) / "run.trec.gz" for number, one in whole.items()},
    )
    write_run_folder(out, contents)


def _failed_stage(one: SystemStages, done: Mapping[str, Done]) -> Done | None:
    return next((done[stage.key] for stage in one.all() if done[stage.key].status != "ok"), None)


def _facts_of_run(
    run: str, spec: Spec, systems: Sequence[SystemStages], stages: Sequence[Stage], done: Mapping[str, Done]
) -> dict[str, Any]:
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
        "measure": spec.head.measure.model_dump(mode="json"),
        "environment": {
            **environment(library for stage in stages for library in stage.libraries),
            "Library builds": builds_of(systems, done),
        },
        "collections": {
            one.collection: to_json(stored_result(artefact, Prepared))
            for one in systems
            for artefact in (done[one.prepare.key].artefact,)
            if artefact is not None
        },
        "systems": [_described(one, done) for one in systems],
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
        "claims": [claim.model_dump(mode="json") for claim in spec.head.claims],
    }


def _described(one: SystemStages, done: Mapping[str, Done]) -> dict[str, Any]:
    system, bad = one.system, _failed_stage(one, done)
    return {
        "name": system.name,
        "collection": one.collection,
        "encoder": system.encoder.name,
        "encoder_base": system.encoder.base,
        "encoder_type": system.encoder.type,
        "revision": _revision(system.encoder, done[one.fit.key].artefact),
        "index": system.index.name,
        "index_type": system.index.type,
        "index_params": system.index.params.model_dump(mode="json"),
        "codec": codec(system.index.type, system.index.params.model_dump(mode="json")),
        "status": bad.status if bad else "ok",
        "reason": f"{bad.stage.label}: {bad.reason}" if bad else "",
        "facts": _facts(one, done),
        "stages": one.keys(),
    }


def _revision(encoder: Part, fitted: Artefact | None) -> str | None:
    """The commit of the model: what was taken from the Hub, else what the spec names."""
    commits = fitted.result["facts"].get("commits", {}) if fitted is not None else {}
    return encoder_type(encoder).revision(commits)


def _facts(one: SystemStages, done: Mapping[str, Done]) -> dict[str, str]:
    """What a reader must know of a system's encoder: size, training, and where it departs from the model it is like."""
    fitted, encoded = done[one.fit.key].artefact, done[one.encode.key].artefact
    found: dict[str, str] = {}
    if encoded is not None:
        found["width"] = f"{encoded.result['width']} {'terms' if encoded.result['kind'] == 'sparse' else 'dimensions'}"
        found |= {
            name: _plain(value) for name, value in encoded.result["parameters"].items() if "departure" not in name
        }
    checked = done[one.check.key].artefact if one.check else None
    for row in checked.result["checks"] if checked else ():
        found[f"check: {row['name']}"] = f"{row['text']}: {'passed' if row['passed'] else 'FAILED'}"
    if fitted is not None:
        facts = fitted.result["facts"]
        if "steps" in facts:
            found["trained in this experiment"] = (
                f"{facts['steps']} steps on {facts['pairs_seen']} of {facts['pairs']} pairs"
            )
        found |= {f"commit of {name}": commit for name, commit in facts.get("commits", {}).items()}
        found |= {f"departure: {name}": f"{value:g}" for name, value in facts.get("departures", {}).items()}
    return found


def _plain(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _training(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> Iterator[dict[str, Any]]:
    """Rows of every trained encoder's curve."""
    for encoder, stage in {one.system.encoder.name: one.fit for one in systems}.items():
        artefact = done[stage.key].artefact
        for row in artefact.result["facts"].get("curve", []) if artefact else []:
            yield {"encoder": encoder, **row}


def _quality(run: str, one: SystemStages, done: Mapping[str, Done]) -> list[Record]:
    return [
        _row(run, one, name, found["value"], found["method"], n=found["n"], interval=(found["low"], found["high"]))
        for name, found in _result(done, one.quality).items()
    ]


def _per_query(one: SystemStages, done: Mapping[str, Done]) -> Iterator[dict[str, Any]]:
    text = (_files(done, one.quality) / "per_query.json").read_text(encoding="utf-8", errors="surrogatepass")
    for name, by_query in json.loads(text).items():
        for query, value in by_query.items():
            yield {
                "collection": one.collection,
                "system": one.system.name,
                "query": query,
                "metric": name,
                "value": value,
            }


def _explained(one: SystemStages, done: Mapping[str, Done]) -> Iterator[dict[str, Any]]:
    """Why the first documents of each query came first."""
    about = {"collection": one.collection, "system": one.system.name}
    with (_files(done, one.quality) / "explain.jsonl").open("rb") as lines:
        for line in lines:
            yield {**about, **json.loads(line.decode("utf-8", "surrogatepass"))}


def _active(number: int, one: SystemStages, done: Mapping[str, Done]) -> dict[str, Any]:
    """How many vectors have so many terms."""
    with np.load(_files(done, one.quality) / "active.npz") as counts:
        return {f"{number}/{name}": counts[name] for name in counts}


def _efficiency(run: str, one: SystemStages, done: Mapping[str, Done]) -> list[Record]:
    prepared = _typed(done, one.prepare, Prepared)
    encoded, built = (_result(done, stage) for stage in (one.encode, one.build))
    served, counted = _result(done, one.memory), _result(done, one.work)
    memory, documents = built["memory"], prepared.documents
    total = sum(memory.values())
    others = served.get("elsewhere", 0)
    resident = f"{RESIDENT_METHOD}, and {others} that hold shards" if others else RESIDENT_METHOD
    rows = [
        _row(run, one, "index_bytes", total, "engine's own components"),
        *(_row(run, one, f"index_bytes/{name}", size, "engine's own components") for name, size in memory.items()),
        _row(run, one, "index_bytes_per_document", total / documents, "engine's own components"),
        _row(run, one, "index_file_bytes", built["file_bytes"], "size of the saved files"),
        _row(run, one, "identifier_bytes", prepared.identifier_bytes, "UTF-8 bytes"),
        _row(run, one, "build_seconds", built["build_seconds"], "one build, wall time"),
        _row(run, one, "build_peak_bytes", built["build_peak_bytes"], "VmHWM above the resident size before"),
        _row(run, one, "resident_bytes", max(served["anonymous"] + served["file"], 0), resident),
        *(_row(run, one, f"resident_bytes/{n}", max(served[n], 0), resident) for n in RESIDENT),
        _row(
            run,
            one,
            "encode_documents_per_second",
            documents / max(encoded["document"]["seconds"], 1e-9),
            "one pass, wall time",
        ),
        _row(
            run,
            one,
            "flops_encode_query",
            encoded["query"]["flops"],
            "formula",
            source="analytic",
            n=encoded["query"]["rows"],
        ),
        _row(
            run,
            one,
            "flops_encode_document",
            encoded["document"]["flops"],
            "formula",
            source="analytic",
            n=encoded["document"]["rows"],
        ),
    ]
    if encoded["kind"] == "sparse":
        rows.append(
            _row(
                run,
                one,
                "index_plain_bytes",
                encoded["document"]["stored"] * 3,
                "stored weights x (2 bytes of a number + 1 byte of a weight)",
                source="analytic",
            )
        )
        for side in ("document", "query"):
            mean = encoded[side]["stored"] / max(encoded[side]["rows"], 1)
            rows.append(_row(run, one, f"active_terms_{side}", mean, "mean over all vectors", n=encoded[side]["rows"]))
    else:
        rows.append(
            _row(
                run,
                one,
                "index_plain_bytes",
                documents * encoded["width"] * 4,
                "documents x dimensions x 4 bytes",
                source="analytic",
            )
        )
        rows.append(_row(run, one, "dimensions", encoded["width"], "width of the vectors"))
    if counted["work"] is not None:
        work, n = counted["work"], counted["queries"]
        searched = 2 * work["multiply_adds"] / n
        rows.append(_row(run, one, "flops_search", searched, "counted by the engine", n=n))
        both = encoded["query"]["flops"] + searched
        rows.append(_row(run, one, "flops_query", both, "formula and the engine's count", source="analytic", n=n))
        if work["postings"] is not None:
            rows.append(_row(run, one, "postings_touched", work["postings"] / n, "counted by the engine", n=n))
        for name, key in (("documents_scored", "documents"), ("bounds_evaluated", "bounds")):
            if work[key] is not None:
                rows.append(_row(run, one, name, work[key] / n, "counted by the engine", n=n))
    if counted["expected_overlap"] is not None:
        rows.append(_row(run, one, "expected_overlap", counted["expected_overlap"], "formula", source="analytic"))
    trained = _result(done, one.fit)["facts"]
    if "train_flops" in trained:
        parts, method = trained["train_flops"], "counted by torch's FlopCounterMode, attention included"
        rows.append(_row(run, one, "train_flops", sum(parts.values()), method))
        rows += [_row(run, one, f"train_flops/{part}", value, method) for part, value in parts.items()]
    if "train_seconds" in trained:
        rows.append(_row(run, one, "train_seconds", trained["train_seconds"], "one training, wall time"))
    if "parameters" in encoded["parameters"]:
        rows.append(_row(run, one, "model_parameters", encoded["parameters"]["parameters"], "sum over the weights"))
    return rows


def _latency(run: str, one: SystemStages, done: Mapping[str, Done]) -> tuple[list[Record], dict[str, Any]]:
    found = _result(done, one.summary)
    rows = [
        _row(run, one, f"latency_{side}/{name}", value, LATENCY_METHOD, n=found["n"], interval=(low, high))
        for side in ("encode", "search", "total")
        for name, (value, low, high) in found[side].items()
    ]
    rows += [
        _row(run, one, f"{side}_least", value, "shortest of a query's times, mean over queries", n=found["n"])
        for side, value in found["least"].items()
    ]
    with np.load(_files(done, one.summary) / "samples.npz") as samples:
        return rows, dict(samples) | _processor_times(one, done)


def _processor_times(one: SystemStages, done: Mapping[str, Done]) -> dict[str, Any]:
    """Seconds of a query, mean over the queries: processes x passes, by side."""
    found = [_result(done, stage) for stage in one.latency]
    names = ("encode_cpu", "search_cpu")
    return {name: np.asarray([row[name] for row in found], np.float64) for name in names if name in found[0]}


def _row(run: str, one: SystemStages, name: str, value: float, method: str, **more: Any) -> Record:
    return record(run, one.collection, one.system.name, name, value, method=method, **more)


def _files(done: Mapping[str, Done], stage: Stage) -> Path:
    artefact = done[stage.key].artefact
    assert artefact is not None  # noqa: S101 - only systems whose stages are all ok come here
    return artefact.files


def _typed(done: Mapping[str, Done], stage: Stage, kind: type[R]) -> R:
    artefact = done[stage.key].artefact
    assert artefact is not None  # noqa: S101 - as above
    return stored_result(artefact, kind)


def _result(done: Mapping[str, Done], stage: Stage) -> Any:
    artefact = done[stage.key].artefact
    assert artefact is not None  # noqa: S101 - as above
    return artefact.result
