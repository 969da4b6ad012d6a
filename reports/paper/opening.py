"""The text that a paper begins with: it compiles, uses macros for every number, and is the author's from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from harness.runs.suites import over, suites_and_others, systems_of
from reports.families import FUSIONS, by_family
from reports.latex import Tex, escaped, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.runs.read import RunData
    from reports.paper.macros import Macro
    from reports.paper.names import Key

QUALITY, MEMORY, LATENCY = "ndcg@10", "index_bytes_per_document", "latency_total/p50"
COLLECTIONS, CLAIMS = 3, 6
"""Collections and verdicts that the text speaks of; tables and appendix have all."""


def opening(
    runs: Sequence[tuple[str, RunData]],
    macros: Sequence[Macro],
    tables: Sequence[str],
    figures: Mapping[str, Sequence[str]],
) -> str:
    """``main.tex``: title, abstract, set-up, results and appendix of runs.

    Args:
        runs: With a name each.
        macros: Of the runs.
        tables: Files of tables, without their ending.
        figures: Those of figures that the text shows, by the run's name.
    """
    names = {row.key: row.name for row in macros}
    parts = []
    for place, (name, run) in enumerate(runs):
        first = name if place else ""
        own = [file for file in tables if file.startswith(f"tables/{name}-")]
        parts.append(
            {
                "name": name, "title": run.facts["title"], "description": run.facts["description"],
                "tables": list(map(Tex, own)), "figures": list(map(Tex, figures[name])),
                "labels": _labels(own, figures[name]),
                "results": list(_results(run, first, names)), "claims": list(_claims(run, first, names)),
            }
        )  # fmt: skip
    return render("main.tex", title=runs[0][1].facts["title"], parts=parts, several=len(runs) > 1)


def _labels(tables: Sequence[str], figures: Sequence[str]) -> Tex:
    r"""Where the numbers stand: ``Table~\ref{tab:RUN-KIND} and Figure~\ref{fig:RUN-NAME}``."""
    texts = [f"Table~\\ref{{tab:{file.removeprefix('tables/')}}}" for file in tables]
    texts += [f"Figure~\\ref{{fig:{file.removeprefix('figures/').replace('/', '-', 1)}}}" for file in figures]
    return Tex(", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1] if texts else "")


def _results(run: RunData, first: str, names: dict[Key, str]) -> Iterator[Tex]:
    """A sentence a suite or collection and family: which system ranks best, and at what cost."""
    for place, values in _quality(run).items():
        for family, systems in by_family(run).items():
            own = [system for system in systems if system in values]
            if not own:
                continue
            best = max(own, key=values.__getitem__)
            quality = _macro(names, (first, QUALITY, best, place))
            ends = _macro(names, (first, QUALITY, best, place, "Interval"))
            memory = _macro(names, (first, MEMORY, best, place))
            latency = _macro(names, (first, LATENCY, best, place))
            costs = [f"{memory} of index a document" if memory else "",
                     f"{latency} for a median query" if latency else ""]  # fmt: skip
            cost = " and ".join(filter(None, costs))
            group = family.lower() if family == FUSIONS else f"{family.lower()} systems"
            yield Tex(
                f"On {escaped(place)}, the best of the {escaped(group)} is {escaped(best)}: "
                f"nDCG@10 {quality}{f' {ends}' if ends else ''}" + (f", with {cost}." if cost else ".")
            )


def _quality(run: RunData) -> dict[str, dict[str, float]]:
    """nDCG@10 by system, for each suite, or for the first collections where there is none."""
    suites, others = suites_and_others(run)
    rows: dict[str, dict[str, float]] = {
        suite.name: {
            system: row.value
            for system in systems_of(run, suite)
            if (row := over(run, suite, system, QUALITY)) is not None
        }
        for suite in suites
    }
    for collection in others[:COLLECTIONS]:
        rows[collection] = {row.system: row.value for row in run.records_with(collection, QUALITY)}
    return rows


def _claims(run: RunData, first: str, names: dict[Key, str]) -> Iterator[Tex]:
    for verdict in verdicts(run)[:CLAIMS]:
        key = (first, "claim", verdict.claim, verdict.collection)
        word, value, ends = (_macro(names, (*key, what)) for what in ("Verdict", "Value", "Interval"))
        measured = f": {value}{f' {ends}' if ends else ''}" if value else ""
        yield Tex(f"On {escaped(verdict.collection)}, the claim ``{escaped(verdict.claim)}'' is {word}{measured}.")


def _macro(names: dict[Key, str], key: Key) -> str:
    return rf"\{names[key]}{{}}" if key in names else ""
