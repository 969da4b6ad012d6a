"""One run as the history keeps it: its records, and the facts that decide what they may be compared with."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.records import Record, read_records
from harness.runs import layout

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.facts import Facts

STABLE_FACTS = ("processor", "cores", "memory")
"""From these a fingerprint is made for runs that did not write one."""


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        id: Digest of the run's own files: adding the same folder twice adds it once.
        created: When the run ended, UTC.
        spec: Short name of the experiment; `spec_hash` is the SHA-256 of its text.
        run: The run's own name.
        revision: Git revision, "" where there was none; `changes` says whether the tree had uncommitted changes.
        version: Of this package.
        machine: Fingerprint; times of different machines are never put into one series.
        conditions: JSON of what was read about machine, conditions and software.
        folder: Where the run's files lay, for links.
        systems: JSON list of name, collection, status and reason, failed ones too.
        state: The verdict of the nightly run: good, regressed, incomplete, or "" where none judged it.
        confirms: Id of the run that this one is a second measurement of, "" for a run of its own.
        data: Revision of each collection's content.
        definitions: Digest of what the spec says of each system: a system that is defined anew begins a new series.
        records: All rows.
    """

    id: str
    created: datetime
    spec: str
    spec_hash: str
    run: str
    revision: str
    changes: bool
    version: str
    machine: str
    conditions: str
    folder: str
    systems: str
    state: str
    confirms: str
    data: dict[str, str]
    definitions: dict[str, str]
    records: tuple[Record, ...]

    @property
    def file_name(self) -> str:
        """Sorts by time, and is the same for the same content."""
        return f"{self.created.astimezone(UTC):%Y%m%dT%H%M%S}-{self.id}.parquet"


FACTS = tuple(field.name for field in fields(Entry) if field.name not in ("data", "definitions", "records"))


def entry_of(folder: Path, *, state: str = "", confirms: str = "") -> Entry:
    """Read a finished run's folder.

    Raises:
        UserError: ``run.json`` or ``records.jsonl`` is missing, broken, or of a later schema.
    """
    path = folder / layout.RUN
    facts = layout.read_facts(folder)
    records = read_records(folder / layout.RECORDS)
    body = path.read_bytes()
    digest = hashlib.sha256(body + (folder / layout.RECORDS).read_bytes()).hexdigest()[:16]
    try:
        return replace(_entry(folder, facts, records, digest), state=state, confirms=confirms)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"not a whole run: {error!r}", file=path, remedy="run the experiment again") from None


def _entry(folder: Path, facts: Facts, records: list[Record], digest: str) -> Entry:
    provenance = facts["provenance"]
    revision = str(provenance.get("git revision", ""))
    created = datetime.fromisoformat(facts["created"])
    return Entry(
        id=digest,
        created=created if created.tzinfo else created.replace(tzinfo=UTC),
        spec=facts["name"],
        spec_hash=facts["spec_hash"],
        run=facts["run"],
        revision="" if " " in revision else revision,
        changes=provenance.get("git changes", "none") not in ("none", "not a git checkout"),
        version=str(provenance.get("laconic-bench", "")),
        machine=machine_of(facts),
        conditions=json.dumps(facts["environment"], ensure_ascii=False, sort_keys=True),
        folder=str(folder.absolute()),
        systems=json.dumps(
            [
                {"name": s["name"], "collection": s["collection"], "status": s["status"], "reason": s["reason"]}
                for s in facts["systems"]
            ],
            ensure_ascii=False,
        ),
        state="",
        confirms="",
        definitions=definitions_of(facts),
        data={name: str(collection.get("revision", "")) for name, collection in facts["collections"].items()},
        records=tuple(records),
    )


def machine_of(facts: Facts) -> str:
    """The machine's fingerprint; for a run that wrote none, a digest of the stable facts that it did write."""
    if facts.get("machine"):
        return str(facts["machine"])
    machine = facts["environment"].get("Machine", {})
    text = "|".join(str(machine.get(name, "")) for name in STABLE_FACTS)
    return "facts-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def definitions_of(facts: Facts) -> dict[str, str]:
    """Digest of each system's own tables in the spec and of how it is measured; overrides count for all systems."""
    try:
        spec = tomllib.loads(facts["spec_text"])
    except tomllib.TOMLDecodeError:
        spec = {}
    digests: dict[str, str] = {}
    for system in facts["systems"]:  # fusions come after the systems that they fuse
        if "fused" in system:
            own = [table for table in spec.get("fusions", ()) if table.get("name") == system["name"]]
            whole = [own, [digests.get(name) for name in system["fused"]], facts["overrides"]]
            digests[system["name"]] = hashlib.sha256(json.dumps(whole, default=str).encode()).hexdigest()[:12]
            continue
        names = [system.get("encoder"), system.get("index")]
        parts = [
            spec.get(axis, {}).get(str(name or "").partition("[")[0])
            for axis, name in zip(("encoders", "indexes"), names, strict=True)
        ]
        text = json.dumps([parts, names, spec.get("measure"), facts["overrides"]], sort_keys=True, default=str)
        digests[str(system["name"])] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return digests
