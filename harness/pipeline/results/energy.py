"""Energy and cost of queries, labelled; no claim can rest on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.energy import cost_per_million, estimated, watts_of
from harness.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.steps.timing import TimedLatency
    from harness.spec.models import MeasureSpec


def cost_records(
    run: str, collection: str, system: str, seconds: float, latencies: Sequence[TimedLatency], measure: MeasureSpec
) -> list[Record]:
    """Energy of a query where the machine meters it or the spec gives watts; cost where the spec gives a price.

    Neither where other processes searched as well, of whose work nothing is known.

    Args:
        run: Name of the run.
        collection: Of the system.
        system: Its name.
        seconds: Mean latency of a query, encoding and search.
        latencies: Of the system's timed processes.
        measure: Threads, watts and price.
    """
    if any(latency.elsewhere for latency in latencies):
        return []
    rows = []
    metered = [
        (energy.joules, energy)
        for energy in (latency.energy for latency in latencies)
        if energy is not None and energy.joules is not None
    ]
    if metered:
        queries = sum(energy.queries for _, energy in metered)
        joules = sum(joules for joules, _ in metered) / queries
        method = f"{metered[0][1].method}, all that ran on the package included, over all queries of the timed passes"
        rows.append(record(run, collection, system, "energy_query", joules, method=method, n=queries))
    elif measure.power is not None:
        energy = estimated(seconds * measure.threads, *watts_of(measure.power))
        method = f"mean latency x {measure.threads} core(s); {energy.method}"
        rows.append(record(run, collection, system, "energy_query", energy.joules, method=method, source=energy.source))
    price = measure.price
    if price is not None:
        used = min(measure.threads, price.cores)
        cost = cost_per_million(seconds, price.per_hour, cores_used=used, cores_priced=price.cores)
        method = (
            f"{price.currency}: mean latency x {used} of {price.cores} cores at {price.per_hour:g} an hour, "
            f"always busy ({price.source})"
        )
        rows.append(record(run, collection, system, "cost_million_queries", cost, method=method, source="estimated"))
    return rows
