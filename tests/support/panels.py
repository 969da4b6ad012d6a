"""A panel of each kind, of systems with long names: what every figure must do is tested on all of them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from harness.records import record
from harness.stats.scaling import choose
from reports.figures.components import Components
from reports.figures.differences import Differences
from reports.figures.growth import Growth, GrowthPanel
from reports.figures.latency_share import Shares
from reports.figures.memory_claim import curve
from reports.figures.nights import Nights, NightStep, NightValue
from reports.figures.recall_speed import Engine, RecallSpeed, Setting
from reports.figures.spread import Ridges, Spread
from reports.figures.trade_off import Point, TradeOff
from reports.figures.training import TrainingCurve


def names(count):
    """Names as specs with sweeps have them."""
    return [f"{'sparse' if n % 2 else 'dense'}-encoder-{n}[terms={64 << n % 4}, weights=float32]" for n in range(count)]


def row(system, metric, value, share=0.1):
    """A record with an interval."""
    ends = (value * (1 - share), value * (1 + share))
    return record("r", "c", system, metric, value, method="m", interval=ends)


def trade_off(count=6, cost="latency_total/p50"):
    rng = np.random.default_rng(count)
    points = [
        Point(
            place,
            name,
            row(name, cost, float(rng.lognormal(-6, 2))),
            row(name, "ndcg@10", float(rng.uniform(0.3, 0.6))),
        )
        for place, name in enumerate(names(count))
    ]
    return TradeOff(caption="nDCG@10 against a cost.", collection="c", metric=cost, points=points)


def recall_speed(count=3):
    rng = np.random.default_rng(count)
    engines = [
        Engine(name, True, [
            Setting(f"{name} {n}", row(name, "recall_vs_exact@100", 0.5 + 0.05 * n, 0.02),
                    row(name, "latency_search/mean", float(rng.lognormal(-9 + 0.4 * n, 0.3))))
            for n in range(6)
        ])
        for name in names(count)
    ]  # fmt: skip
    return RecallSpeed(caption="Queries a second by recall.", collection="c", engines=engines)


def components(count=6, unit="bytes"):
    rng = np.random.default_rng(count)
    parts = {
        part: {name: float(rng.lognormal(15, 1)) for name in names(count)} for part in ("numbers", "impacts", "ids")
    }
    return Components(
        caption="Bytes by part.", collection="c", metric="m", systems=names(count), parts=parts, unit=unit
    )


def spreads(count):
    rng = np.random.default_rng(count)
    return {name: Spread(np.sort(rng.lognormal(place % 5, 0.4, 300))) for place, name in enumerate(names(count))}


def shares(count=6):
    return Shares(caption="Share of queries.", collection="c", metric="total", spreads=spreads(count))


def ridges(count=6):
    own = spreads(count)
    singles = {"first query of a fresh process, files cached": dict.fromkeys(own, 900.0)}
    return Ridges(caption="Spread.", collection="c", spreads=own, unit="milliseconds", log=True, singles=singles)


def differences():
    gaps = sorted(np.random.default_rng(1).normal(0, 0.2, 500).tolist(), reverse=True)
    return Differences(caption="Differences.", collection="c", first="a", second="b", gaps=gaps)


def growth(count=3):
    sizes = [1e4, 3e4, 1e5]
    own = [
        Growth("s", name, "index_bytes", "bytes", sizes, [1e6 + 300 * (n + 1) * size for size in sizes],
               choose(sizes, [1e6 + 300 * (n + 1) * size for size in sizes]))
        for n, name in enumerate(names(count))
    ]  # fmt: skip
    return GrowthPanel(caption="Index size by documents.", metric="index_bytes", growths=own)


def training(count=3):
    lines = {name: [(float(step), 4 / (step + n + 1)) for step in range(900)] for n, name in enumerate(names(count))}
    return TrainingCurve(caption="Loss.", metric="loss", lines=lines, encoders=names(count))


def nights(*, small=False):
    first = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        NightValue(
            first + timedelta(days=n), 5.0 + (n > 20) + 0.1 * (n % 3), 4.8 + (n > 20), 5.5 + (n > 20), f"night {n}",
            "../n/report.html" if n % 2 else "",
        )
        for n in range(40)
    ]  # fmt: skip
    return Nights(
        caption="Latency by night.", nights=rows, unit="milliseconds", levels=[(0, 20, 5.1), (21, 39, 6.1)],
        steps=[NightStep(21, 0.196)], breaks=[9], band=0.04, rows=[["a", "b", "c", ""]], small=small,
    )  # fmt: skip


PANELS = {
    "trade-off": trade_off(), "trade-off of many": trade_off(30), "recall-speed": recall_speed(),
    "components": components(), "components of many": components(30), "latency-share": shares(),
    "latency-share of many": shares(30), "latency-spread": ridges(),
    "memory-claim": curve(0.71, [("a against b", 768, 90)]),
    "differences": differences(), "growth": growth(), "training": training(), "nights": nights(),
    "small nights": nights(small=True),
}  # fmt: skip
