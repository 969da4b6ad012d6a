"""The layout of a run folder: names of its files, the version of the layout, and the way from older versions.

A run folder holds:

- ``run.json``: the facts of the run (see `harness.runs.facts.Facts`); it is written last, so a folder that has it is
  finished;
- ``records.jsonl``: a `harness.records.Record` a line;
- ``per_query.jsonl``: collection, system, query, metric and value of every query, a line each;
- ``latency.npz``: arrays ``N/process``, ``N/query``, ``N/repeat`` (int32) and ``N/encode``, ``N/search`` (float64,
  seconds), one element a timed query, and ``N/encode_cpu``, ``N/search_cpu`` (float64, seconds, processes x passes),
  where N is the number of the system in run.json;
- ``conditions.jsonl``: the conditions of every timed process, a line each;
- ``explain.jsonl``: why the first documents of each query came first;
- ``active.npz``: how many vectors have how many active terms, ``N/document_terms``, ``N/document_vectors``, ...;
- ``training.jsonl``: the learning curve of every trained encoder;
- ``runs/NNN.trec.gz``: the TREC run of system N;
- ``report.html``: the page, which is made from the other files;
- ``drawings.json``: its figures by the hash of their data, so that they are drawn once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeGuard

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.facts import Facts, SystemFacts

SCHEMA = 2
"""Version of the layout. 2: every system of run.json names the keys of its stages."""
RUN = "run.json"
RECORDS = "records.jsonl"
PER_QUERY = "per_query.jsonl"
LATENCY = "latency.npz"
CONDITIONS = "conditions.jsonl"
EXPLAIN = "explain.jsonl"
ACTIVE = "active.npz"
TRAINING = "training.jsonl"
TREC_RUNS = "runs"
REPORT = "report.html"
DRAWINGS = "drawings.json"
PARTS: dict[str, type] = {
    **dict.fromkeys(("run", "name", "title", "description", "created", "spec_hash", "spec_text", "command"), str),
    **dict.fromkeys(("provenance", "environment", "collections"), dict),
    **dict.fromkeys(("overrides", "systems", "stages", "claims", "notes"), list),
}
"""Parts of run.json that the readers of a run use, with their kinds."""


def trec_run(number: int) -> str:
    """Name of the TREC run of a system, by the system's number in run.json."""
    return f"{TREC_RUNS}/{number:03d}.trec.gz"


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a finished run."""
    return (folder / RUN).is_file()


def read_facts(folder: Path) -> Facts:
    """Read run.json as the present layout has it.

    Raises:
        UserError: The file is missing or broken, or its layout is newer than this program.
    """
    path = folder / RUN
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"no finished run: {error}", file=path, remedy="give the folder that `laconic-bench run` wrote"
        ) from None
    return migrated(facts, path)


def check_whole(facts: Facts, path: Path) -> None:
    """Check that the facts have all parts that the readers of a run use.

    Raises:
        UserError: A part is missing or of another kind; it is named.
    """
    for name, kind in PARTS.items():
        if not isinstance(facts.get(name), kind):
            raise UserError(f"not a whole run: no {name!r}", file=path, remedy="run the experiment again")
    for number, system in enumerate(facts["systems"]):
        for name in ("name", "collection", "status", "reason"):
            if not isinstance(system, dict) or not isinstance(system.get(name), str):
                remedy = "run the experiment again"
                raise UserError(f"not a whole run: system {number} has no {name!r}", file=path, remedy=remedy)


def migrated(facts: object, path: Path) -> Facts:
    """The facts of an older layout as the present one has them.

    Raises:
        UserError: They are no facts of a run, or of a layout that this program does not know.
    """
    if not _is_run(facts):
        schema = facts.get("schema") if isinstance(facts, dict) else None
        raise UserError(f"not a run: its schema is {schema!r}", file=path, remedy="run the experiment again")
    if facts["schema"] > SCHEMA:
        raise UserError(
            f"a run of schema {facts['schema']}, which a later version of laconic-bench wrote; known: 1 to {SCHEMA}",
            file=path,
            remedy="use the version of laconic-bench that wrote it, or run the experiment again",
        )
    try:
        return _from_1(facts) if facts["schema"] == 1 else facts
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"not a whole run: {error!r}", file=path, remedy="run the experiment again") from None


def _is_run(value: object) -> TypeGuard[Facts]:
    """Whether this is an object with the number of a layout."""
    schema = value.get("schema") if isinstance(value, dict) else None
    return isinstance(schema, int) and not isinstance(schema, bool) and schema >= 1


def _from_1(facts: Facts) -> Facts:
    """Layout 1 named the stages of a system by their labels alone; a label that is not there gives no key."""
    keys = {stage["label"]: stage["key"] for stage in facts["stages"]}

    def with_keys(system: SystemFacts) -> SystemFacts:
        collection, encoder, index = system["collection"], system.get("encoder"), system.get("index")
        labels = {
            "prepare": [f"prepare {collection}"],
            "fit": [f"make {encoder} over {collection}", f"make {encoder}"],
            "encode": [f"join {encoder} / {collection}", f"encode {encoder} / {collection}"],
            "build": [f"build {index} over {encoder} / {collection}"],
        }
        named = {part: keys[label] for part, given in labels.items() for label in given[::-1] if label in keys}
        return {**system, "stages": named}

    return {**facts, "schema": SCHEMA, "systems": [with_keys(system) for system in facts["systems"]]}
