"""The experimental set-up of a run, as the paragraphs of a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.metrics import METRICS
from harness.runs.disturbed import by_system
from reports.families import FUSIONS, by_family
from reports.formatting import label
from reports.latex import Tex, escaped, render
from reports.paper.references import (
    ENCODERS,
    SOFTWARE,
    Citations,
    of_collection,
    of_encoder,
    of_index,
    of_methods,
    of_system,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.runs.facts import SystemFacts, TimedRow
    from harness.runs.read import RunData

MEASURES = {"ndcg@10": "jarvelin2002ndcg"}
MACHINE = ("processor", "cores", "memory", "hypervisor", "limits of the container")
CONDITIONS = ("frequency governor", "turbo", "transparent huge pages", "swap in use", "load average")
_FEW = 12
"""Systems that the paragraph names; where there are more, the appendix lists them."""


@dataclass(frozen=True)
class SystemLine:
    """One system: its name, and what it is made of."""

    name: str
    about: Tex


def setup_text(run: RunData, cite: Citations, first: RunData | None = None) -> str:
    """The paragraphs on collections, systems, machine, timing and measures.

    Args:
        run: The run.
        cite: Notes the references.
        first: Another run of the paper; what is as there is left out.
    """
    facts = run.facts
    groups = ("Machine", "Conditions", "Software")
    machine, conditions, software = (facts["environment"].get(name, {}) for name in groups)
    timed = [row for own in by_system(run.conditions).values() for row in own]
    return render(
        "setup.tex",
        run=facts,
        cite=cite,
        provenance=facts["provenance"],
        collections=Tex(", ".join(_collection(run, name, cite) for name in run.collections())),
        families=_families(run, cite),
        known_machine=first is not None and _machine(run) == _machine(first),
        machine=_listed(machine, MACHINE),
        conditions=_listed(conditions, CONDITIONS),
        software=[
            (name, version, cite([SOFTWARE.get(name, "")]))
            for name, version in software.items()
            if name not in ("system", "Python")
        ],
        system=software.get("system", ""),
        python=software.get("Python", ""),
        measure=facts.get("measure", {}),
        latency=bool(run.latency),
        timed=len(timed),
        turns=_in_turns(timed),
        disturbed=sum(bool(row["disturbance"] or row["violation"]) for row in timed),
        quality=[(label(name), cite([MEASURES.get(name, "")])) for name in _quality(run)],
        methods=cite(of_methods(row.method for row in run.records if "ir_measures" in row.method)[:1]),
        intervals=_intervals(run, cite),
        confidence=f"{100 * run.confidence:g}",
        tested=cite(["student1908mean", "holm1979multiple"]) if len(run.quality) > 1 else Tex(""),
        others=[(label(name), METRICS[name].definition) for name in _stated(run)],
    )  # fmt: skip


def _in_turns(timed: Sequence[TimedRow]) -> bool:
    """Whether every timed process took turns with one of another system."""
    systems: dict[tuple[str, str], set[str]] = {}
    for row in timed:
        systems.setdefault((row["collection"], row.get("round", "")), set()).add(row["system"])
    return bool(timed) and all(round and len(names) > 1 for (_, round), names in systems.items())


def system_lines(run: RunData, cite: Citations) -> dict[str, list[SystemLine]]:
    """Every system by family, with encoder, index and settings."""
    rows = {row["name"]: row for row in run.systems}
    return {
        title: [SystemLine(name, _made_of(rows[name], cite)) for name in names]
        for title, names in by_family(run).items()
    }


def _made_of(row: SystemFacts, cite: Citations) -> Tex:
    if row.get("fusion"):
        return Tex(escaped(row["fusion"]) + cite(of_system(row)))
    facts = row.get("facts", {})
    kind = row.get("encoder_type", "")
    parts = [f"encoder {ENCODERS.get(kind, (kind, ''))[0]}"]
    parts += [text for text in (facts.get("width", ""), _parameters(facts)) if text]
    parts.append(f"index {row.get('index_type', '')}")
    params = row.get("index_params", {})
    parts += [f"{name} {value}" for name, value in params.items() if name != "build_threads" and value is not None]
    if row.get("codec") and row["codec"] not in map(str, params.values()):
        parts.append(f"stored as {row['codec']}")
    return Tex(escaped(", ".join(parts)) + cite(of_system(row)))


def _parameters(facts: dict[str, str]) -> str:
    return f"{facts['parameters']} parameters" if "parameters" in facts else ""


def _collection(run: RunData, name: str, cite: Citations) -> Tex:
    about = run.facts["collections"].get(name, {})
    counts = [f"{about[key]:,} {key}" for key in ("documents", "queries", "judgements") if key in about]
    words = [about.get("description", {}).get(key, "") for key in ("task", "source", "sampling")]
    text = "; ".join(part for part in (", ".join(counts), *words) if part)
    return Tex(rf"\emph{{{escaped(name)}}}{cite(of_collection(run, name))}" + (f" ({escaped(text)})" if text else ""))


def _families(run: RunData, cite: Citations) -> list[tuple[str, int, Tex]]:
    """Title, number and names of the systems of each family."""
    rows = {row["name"]: row for row in run.systems}
    families = by_family(run)
    few = sum(map(len, families.values())) <= _FEW
    texts = []
    for title, names in families.items():
        own = [rows[name] for name in names]
        if few or title == FUSIONS:
            text = Tex(", ".join(escaped(row["name"]) + cite(of_system(row)) for row in own))
        else:
            encoders = {row.get("encoder_base", row.get("encoder", row["name"])): row for row in own}
            named = ", ".join(escaped(name) + cite(of_encoder(row)) for name, row in encoders.items())
            engines: dict[str, list[str]] = {}
            for row in own:
                engines.setdefault(row.get("index_type", ""), []).extend(of_index(row))
            text = Tex(
                f"{named}, with the indexes {', '.join(escaped(name) + cite(keys) for name, keys in engines.items())}"
            )
        texts.append((title.lower(), len(names), text))
    return texts


def _machine(run: RunData) -> tuple[dict[str, str], ...]:
    return tuple(run.facts["environment"].get(name, {}) for name in ("Machine", "Software"))


def _listed(facts: dict[str, str], names: Iterable[str]) -> str:
    return ", ".join(f"{name} {facts[name]}" for name in names if name in facts)


def _quality(run: RunData) -> list[str]:
    """The measures of ir_measures that the run has, those of the table of metrics first."""
    names = dict.fromkeys(row.metric for row in run.records if "ir_measures" in row.method)
    return [*(name for name in METRICS if name in names), *(name for name in names if name not in set(METRICS))]


def _stated(run: RunData) -> list[str]:
    """The metrics of the tables that are no quality and whose definition a reader needs."""
    return [name for name in ("index_bytes_per_document", "latency_total") if name in METRICS and any(
        row.metric.partition("/")[0] == name for row in run.records)]  # fmt: skip


def _intervals(run: RunData, cite: Citations) -> Tex:
    """How the intervals of quality were computed, as the records say."""
    ways = dict.fromkeys(
        row.method.partition(", ")[2] for row in run.records if "ir_measures" in row.method and row.ci_low is not None
    )
    return Tex("; ".join(escaped(way) + cite(of_methods([way])) for way in ways if way))
