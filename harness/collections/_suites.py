"""Official suites: the retrieval tasks of mteb's benchmarks, as mteb 2.26 names them (held against it by a test)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CQADUPSTACK = tuple(
    f"CQADupstack{part}Retrieval"
    for part in (
        "Android", "English", "Gaming", "Gis", "Mathematica", "Physics", "Programmers", "Stats", "Tex", "Unix",
        "Webmasters", "Wordpress",
    )
)  # fmt: skip
"""mteb's CQADupstackRetrieval is the mean of these."""
AGGREGATES = {"CQADupstackRetrieval": CQADUPSTACK}
"""Tasks of mteb that have no data of their own -> their parts."""


def _tasks(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: AGGREGATES.get(name, (name,)) for name in names}


BEIR = _tasks(
    "ArguAna", "ClimateFEVER", "CQADupstackRetrieval", "DBPedia", "FEVER", "FiQA2018", "HotpotQA", "MSMARCO",
    "NFCorpus", "NQ", "QuoraRetrieval", "SCIDOCS", "SciFact", "Touche2020", "TRECCOVID",
)  # fmt: skip
SUITES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "MTEB(eng, v1)": BEIR,
    "MTEB(eng, v2)": _tasks(
        "ArguAna", "CQADupstackGamingRetrieval", "CQADupstackUnixRetrieval", "ClimateFEVERHardNegatives",
        "FEVERHardNegatives", "FiQA2018", "HotpotQAHardNegatives", "SCIDOCS", "TRECCOVID", "Touche2020Retrieval.v3",
    ),
    "BEIR": BEIR,
    "NanoBEIR": _tasks(
        "NanoArguAnaRetrieval", "NanoClimateFeverRetrieval", "NanoDBPediaRetrieval", "NanoFEVERRetrieval",
        "NanoFiQA2018Retrieval", "NanoHotpotQARetrieval", "NanoMSMARCORetrieval", "NanoNFCorpusRetrieval",
        "NanoNQRetrieval", "NanoQuoraRetrieval", "NanoSCIDOCSRetrieval", "NanoSciFactRetrieval",
        "NanoTouche2020Retrieval",
    ),
}  # fmt: skip


def tasks_of(suite: object, task: object) -> Mapping[str, tuple[str, ...]]:
    """Tasks and their parts, of a table's values of `suite` and `task`; empty where they name no several tasks."""
    if suite is None and isinstance(task, str) and task in AGGREGATES:
        return {task: AGGREGATES[task]}
    return SUITES.get(suite, {}) if isinstance(suite, str) and task is None else {}
