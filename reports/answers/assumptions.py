"""The assumptions of a verdict: what was searched, how the vectors are stored, and how it was counted or timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formatting import label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.answers.scope import Scope


def assumptions(scope: Scope) -> str:
    """One sentence; what the run does not state is left out."""
    claim = scope.claim
    sides = [claim.system] if claim.baseline is None else [claim.system, claim.baseline]
    parts = [_searched(scope), *(_stored(scope, system) for system in sides), *_how(scope)]
    text = "; ".join(filter(None, parts))
    return f"{text[0].upper()}{text[1:]}." if text else "The run does not state them."


def _searched(scope: Scope) -> str:
    known = [facts for name in scope.collections if (facts := scope.run.facts["collections"].get(name))]
    documents = sum(facts.get("documents", 0) for facts in known)
    queries = sum(facts.get("queries", 0) for facts in known)
    if not documents:
        return f"on {scope.where}"
    tasks = f", {len(scope.suite.tasks)} tasks" if scope.suite is not None else ""
    return f"{documents:,} documents and {queries:,} queries of {scope.where}{tasks}"


def _stored(scope: Scope, system: str) -> str:
    """How many numbers a vector has and in what they are stored."""
    collection = scope.collections[0] if scope.collections else scope.where
    cells = scope.run.cells()
    terms = cells.get((collection, system, "active_terms_document"))
    dimensions = cells.get((collection, system, "dimensions"))
    first = f" ({collection})" if len(scope.collections) > 1 and terms is not None else ""
    size = f"{terms.value:.0f} terms a document{first}" if terms is not None else ""
    if not size and dimensions is not None:
        size = f"{dimensions.value:.0f} dimensions"
    codec = scope.facts(system).get("codec", "")
    text = " in ".join(filter(None, (size, codec)))
    return f"{system} has {text}" if size else f"{system} stores {codec}" if codec else ""


def _how(scope: Scope) -> Iterator[str]:
    """How the metric was obtained; of times, the machine and its load."""
    row = scope.record(scope.claim.system, scope.claim.metric)
    if row is None:
        return
    measure = scope.run.facts.get("measure", {})
    if scope.family == "memory":
        yield f"bytes counted: {row.method}"
    elif scope.family == "quality":
        yield f"{label(row.metric)} over the best {measure['depth']} documents" if "depth" in measure else ""
    else:
        yield f"the best {measure['k']} documents a query" if "k" in measure else ""
    if scope.family == "time":
        threads = measure.get("threads", 0)
        yield f"{threads} thread{'s' if threads > 1 else ''}" if threads else ""
        processes = measure.get("processes", 0)
        yield f"{processes} process{'es' if processes > 1 else ''}" if processes else ""
        yield str(scope.run.facts.get("environment", {}).get("Machine", {}).get("processor", ""))[:80]
    if row.source != "measured":
        yield f"the value is {row.source}"
