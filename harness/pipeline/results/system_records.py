"""Records of a finished system: quality, sizes, counted work, training and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.measure.anonymous_peak import INTERVAL_MS
from harness.measure.latency import METHOD as LATENCY_METHOD
from harness.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from harness.pipeline.results.finished_system import FinishedSystem
    from harness.pipeline.stage import Stage
    from harness.pipeline.steps.evaluate import LatencySummary, Quality
    from harness.records import Source

About: TypeAlias = tuple[str, str, str]
"""Run, collection and system of a record."""
RESIDENT_METHOD = "smaps_rollup and smaps of newly mapped files, fresh process"
BUILD_METHOD = f"anonymous memory, read every {INTERVAL_MS} ms and at the end, above that before"
COMPONENTS_METHOD = "engine's own components"
COUNTED_METHOD = "counted by the engine"


class SystemRecords:
    """Makes the records of one system.

    Args:
        run: Name of the run.
        system: All of whose stages succeeded.
    """

    def __init__(self, run: str, system: FinishedSystem) -> None:
        self.about, self.system = (run, system.collection, system.name), system

    def all(self) -> Iterator[Record]:
        """Quality, sizes and times of making it, work of its queries, training; not latency.

        Without what the spec leaves out.
        """
        if self.system.measures("quality"):
            yield from quality_records(self.about, self.system.quality)
        yield from self._index()
        if self.system.measures("memory"):
            yield from self._resident()
        yield from self._vectors()
        yield from self._on_paper()
        if self.system.measures("work"):
            yield from self._work()
        yield from self._training()

    def latency(self) -> Iterator[Record]:
        """Percentiles, means and shortest times, in seconds."""
        return latency_records(self.about, self.system.summary, LATENCY_METHOD)

    def _index(self) -> Iterator[Record]:
        prepared, built = self.system.prepared, self.system.built
        total = sum(built.memory.values())
        yield self._row("index_bytes", total, COMPONENTS_METHOD)
        for name, size in built.memory.items():
            yield self._row(f"index_bytes/{name}", size, COMPONENTS_METHOD)
        yield self._row("index_bytes_per_document", total / prepared.documents, COMPONENTS_METHOD)
        yield self._row("index_file_bytes", built.file_bytes, "size of the saved files")
        yield self._row("identifier_bytes", prepared.identifier_bytes, "UTF-8 bytes")
        yield self._row("build_seconds", built.build_seconds, "one build, wall time")
        if built.build_peak_bytes is not None and built.build_peak_readings is not None:
            yield self._row("build_peak_bytes", built.build_peak_bytes, BUILD_METHOD, n=built.build_peak_readings)
        if built.build_peak_resident is not None:
            method = "VmHWM above the resident size before; pages of the mapped vectors count"
            yield self._row("build_peak_bytes/resident", built.build_peak_resident, method)

    def _resident(self) -> Iterator[Record]:
        memory, method = self.system.memory, RESIDENT_METHOD
        if memory.elsewhere:
            method += f", and {memory.elsewhere} that hold shards"
        yield self._row("resident_bytes", max(memory.anonymous + memory.file, 0), method)
        for name, size in (("anonymous", memory.anonymous), ("file", memory.file), ("pss", memory.pss)):
            yield self._row(f"resident_bytes/{name}", max(size, 0), method)

    def _vectors(self) -> Iterator[Record]:
        documents, encoded = self.system.prepared.documents, self.system.encoded
        intervals = self.system.work.intervals if self.system.measures("work") else {}
        if encoded.document.seconds is not None:
            rate = documents / max(encoded.document.seconds, 1e-9)
            method = _wall_time("one pass", self.system.stages.encode)
            yield self._row("encode_documents_per_second", rate, method)
        for name, side in (("query", encoded.query), ("document", encoded.document)):
            ends = intervals.get(f"flops_encode_{name}")  # of the queries alone
            if side.flops is None:
                continue
            yield self._row(
                f"flops_encode_{name}", side.flops, "formula", source="analytic", n=side.rows, interval=ends
            )
        if encoded.kind == "sparse":
            for name, side in (("document", encoded.document), ("query", encoded.query)):
                mean = side.stored / max(side.rows, 1)
                ends = intervals.get(f"active_terms_{name}")
                yield self._row(f"active_terms_{name}", mean, "mean over all vectors", n=side.rows, interval=ends)
        else:
            yield self._row("dimensions", encoded.width, "width of the vectors")

    def _on_paper(self) -> Iterator[Record]:
        """The index by arithmetic; nothing where the arithmetic has no such codec."""
        from harness.claims.memory import DenseCodec
        from harness.claims.stored_codec import stored_codec
        from harness.indexes import codec
        from harness.indexes.sharded import ShardedParams

        index, encoded = self.system.stages.system.index, self.system.encoded
        params, documents = index.params, encoded.document.rows
        engine = str(params.index["type"]) if isinstance(params, ShardedParams) else index.type
        arithmetic = stored_codec(engine, codec(index.type, params.model_dump(mode="json")), encoded.width)
        if arithmetic is None or documents == 0:
            return
        if isinstance(arithmetic, DenseCodec):
            size, tables = arithmetic.size(documents, encoded.width), "tables of the codec"
        else:
            size = arithmetic.size(documents, encoded.document.stored / documents, encoded.width)
            tables = "offsets and scales"
        yield self._row("index_plain_bytes", size, f"arithmetic: {arithmetic.label}, {tables}", source="analytic")
        bits, stored = self.system.built.numbers_bits, encoded.document.stored
        if bits is not None and stored and not isinstance(arithmetic, DenseCodec):
            ratio = sum(self.system.built.memory.values()) / (bits / 8 + stored * arithmetic.weight)
            method = "bytes of components over a formula: entropy of document numbers, and weights"
            yield self._row("index_to_entropy", ratio, method, source="analytic")

    def _work(self) -> Iterator[Record]:
        counted, encoded = self.system.work, self.system.encoded
        work, n, ends = counted.work, counted.queries, counted.intervals
        if work is not None:
            searched = 2 * work.multiply_adds / n
            yield self._row("flops_search", searched, COUNTED_METHOD, n=n, interval=ends.get("flops_search"))
            if encoded.query.flops is not None:
                both, method = encoded.query.flops + searched, "formula and the engine's count"
                yield self._row("flops_query", both, method, source="analytic", n=n, interval=ends.get("flops_query"))
            counts = {
                "postings_touched": work.postings,
                "documents_scored": work.documents,
                "bounds_evaluated": work.bounds,
            }
            for name, count in counts.items():
                if count is not None:
                    yield self._row(name, count / n, COUNTED_METHOD, n=n, interval=ends.get(name))
        if counted.expected_overlap is not None:
            overlap, interval = counted.expected_overlap, ends.get("expected_overlap")
            yield self._row("expected_overlap", overlap, "formula", source="analytic", n=n, interval=interval)

    def _training(self) -> Iterator[Record]:
        fitted, parameters = self.system.fitted, self.system.encoded.parameters
        if fitted.train_flops:
            method = "counted by torch's FlopCounterMode, attention included"
            yield self._row("train_flops", sum(fitted.train_flops.values()), method)
            for part, value in fitted.train_flops.items():
                yield self._row(f"train_flops/{part}", value, method)
        if fitted.train_seconds is not None:
            method = _wall_time("one training", self.system.stages.fit)
            yield self._row("train_seconds", fitted.train_seconds, method)
        if isinstance(count := parameters.get("parameters"), float):
            yield self._row("model_parameters", count, "sum over the weights")
        if isinstance(count := parameters.get("query parameters"), float):
            yield self._row("query_parameters", count, "sum over the weights of the query side")

    def _row(
        self,
        name: str,
        value: float,
        method: str,
        *,
        source: Source = "measured",
        n: int = 1,
        interval: tuple[float, float] | None = None,
    ) -> Record:
        return record(*self.about, name, value, method=method, source=source, n=n, interval=interval)


def _wall_time(what: str, stage: Stage) -> str:
    """How a stage took the time of its own work."""
    return f"{what}, wall time" if stage.measures == "time" else f"{what}, wall time; other stages may run beside it"


def quality_records(about: About, quality: Quality) -> Iterator[Record]:
    """Every metric of quality."""
    for name, metric in quality.metrics.items():
        interval = None if metric.low is None or metric.high is None else (metric.low, metric.high)
        yield record(*about, name, metric.value, method=metric.method, n=metric.n, interval=interval)


def latency_records(
    about: About, summary: LatencySummary, method: str, source: Source = "measured"
) -> Iterator[Record]:
    """Percentiles, means and shortest times, in seconds."""

    def row(name: str, value: float, how: str, interval: tuple[float, float] | None = None) -> Record:
        return record(*about, name, value, method=how, source=source, n=summary.n, interval=interval)

    for side, values in summary.sides().items():
        for name, (value, low, high) in values.items():
            yield row(f"latency_{side}/{name}", value, method, (low, high))
    for part, times in (("engine", summary.engine), ("adapter", summary.adapter)):
        for name, (value, low, high) in ({} if times is None else times).items():
            yield row(f"search_{part}/{name}", value, method, (low, high))
    for side, value in summary.least.items():
        yield row(f"{side}_least", value, "shortest of a query's times, mean over queries")


def samples_of(system: FinishedSystem) -> dict[str, NDArray[np.generic]]:
    """The samples of a system's latency, as `harness.runs.layout` describes them; none where encoding was not timed."""
    if system.summary.total is None:
        return {}
    with np.load(system.sample_files / "samples.npz") as samples:
        return {name: samples[name] for name in samples.files if name != "engine"} | _processor_times(system)


def _processor_times(system: FinishedSystem) -> dict[str, NDArray[np.generic]]:
    """Seconds of a query, mean over the queries: processes x passes, by side; none where other processes searched."""
    sides = {
        "encode_cpu": [latency.encode_cpu for latency in system.latencies],
        "search_cpu": [latency.search_cpu for latency in system.latencies],
    }
    return {name: np.asarray(rows, np.float64) for name, rows in sides.items() if None not in rows}
