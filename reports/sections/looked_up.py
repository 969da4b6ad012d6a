"""What queries without a model gain and lose: each such system against the same one with the model's queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.records import Record
    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData

HEADING = "Queries without a model"
OWN = {"queries", "lookup", "query_terms"}
"""Settings of an encoder that concern its queries alone."""
SHOWN = 4
"""Collections that an overview has sentences on."""
TIMES = (("latency_encode/p50", "encoding a query"), ("latency_total/p50", "a whole query"))


def on_all(run: RunData, collections: Sequence[str]) -> list[tuple[str, str]]:
    """`sentences` on each of the collections; of many, their own parts of the page tell."""
    if len(collections) > SHOWN:
        return []
    return [pair for name in collections for pair in sentences(run, name, f"On {name}, ")]


def sentences(run: RunData, collection: str, where: str = "") -> list[tuple[str, str]]:
    """Heading and sentence of each system with looked-up queries that has a counterpart.

    Args:
        run: With the settings of its encoders; a folder of an older version has none, and gives nothing.
        collection: Its name.
        where: What a sentence begins with.
    """
    return [
        (HEADING, f"{where}{looked['name']} against {model['name']}: {text}.")
        for looked, model in _counterparts(run, collection)
        if (text := "; ".join(_differences(run, collection, looked["name"], model["name"])))
    ]


def _counterparts(run: RunData, collection: str) -> Iterator[tuple[SystemFacts, SystemFacts]]:
    systems = [system for system in run.systems if system["collection"] == collection]
    for looked in systems:
        settings = looked.get("encoder_params", {})
        if settings.get("queries") == "lookup":
            for model in systems:
                if model.get("encoder_params", {}).get("queries") == "model" and _same(looked, model):
                    yield looked, model
                    break


def _same(first: SystemFacts, second: SystemFacts) -> bool:
    """Whether two systems differ in how they encode queries at most."""
    alike = all(first.get(key) == second.get(key) for key in ("encoder_type", "index_type", "index_params"))
    return alike and _documents(first.get("encoder_params", {})) == _documents(second.get("encoder_params", {}))


def _documents(settings: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name not in OWN}


def _differences(run: RunData, collection: str, looked: str, model: str) -> Iterator[str]:
    """What is lost in nDCG, then what is gained in time and memory, as far as the run has it."""
    from harness.stats.means import difference

    _, table = run.shared(collection, "ndcg@10", [looked, model])
    if table is not None and table.size:
        value, low, high = difference(*table, confidence=run.confidence)
        yield f"nDCG@10 {value:+.3f} [{low:+.3f}, {high:+.3f}]"
    cells = run.cells()

    def pair(name: str) -> tuple[Record, Record] | None:
        ours, theirs = (cells.get((collection, system, name)) for system in (looked, model))
        return None if ours is None or theirs is None or ours.value <= 0 else (ours, theirs)

    for name, what in TIMES:
        if both := pair(name):
            ours, theirs = both
            yield (
                f"{what} takes {number(ours.value, ours.unit)} instead of {number(theirs.value, theirs.unit)} "
                f"({theirs.value / ours.value:.3g} times as fast)"
            )
    if both := pair("service_bytes"):
        yield "the service holds {} instead of {}".format(*(number(row.value, row.unit) for row in both))
