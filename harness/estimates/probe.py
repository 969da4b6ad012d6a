"""What stages will take, from a small sample of each collection that is really prepared, encoded and indexed."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness.collections._passages import PassagesParams
from harness.collections.beir import BeirParams
from harness.pipeline.executors.local import Executor
from harness.pipeline.executors.timings import Estimate
from harness.pipeline.plan.order import unique
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.shared_stages import encoder_type
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.store.local import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.collections.base import Document, Query
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Watcher
    from harness.spec.models import Spec

SIZES = (32, 128)
"""Documents of the two samples; what the second takes longer is the documents, and the rest is starting."""
QUERIES = 20
"""Queries of a sample, at most."""
PARTS = ("prepare", "fit", "check", "encode", "build")
"""Parts of a system that are run on the samples; they grow with the documents, or not at all."""


@dataclass(frozen=True)
class Sample:
    """Documents drawn from a collection, how many it has, and how they are cut into passages."""

    documents: list[Document]
    queries: list[Query]
    total: int
    passages: PassagesParams | None

    @property
    def is_whole(self) -> bool:
        """Whether it has documents and queries."""
        return bool(self.documents and self.queries)


def probe(
    spec: Spec, systems: Sequence[SystemStages], store: Store, missing: frozenset[str], watcher: Watcher
) -> tuple[dict[str, Estimate], list[str]]:
    """Estimates of stages that are not stored, by key, and a sentence for each system that was not tried.

    A stage takes ``a + b x documents``: the two samples give a and b. The shortest time of an estimate is that of the
    line, and the longest has no fixed part, so that all the time grows with the documents. A collection is read once,
    and samples are made in a store of their own. Nothing is trained and nothing is fetched.

    Args:
        spec: The experiment.
        systems: The stages of its systems.
        store: Where artefacts are kept.
        missing: What of the spec is to be fetched first, such as ``encoders.x``.
        watcher: Is called with what happens.
    """
    tried, notes = [], []
    for stages in systems:
        encoder, place = stages.system.encoder, f"{stages.system.name} on {stages.collection}"
        needs = {f"encoders.{encoder.base}", f"collections.{spec.collections[stages.collection].base}"}
        if all(store.has(getattr(stages, part).key) for part in ("encode", "build")):
            continue
        if encoder_type(encoder).needs() == "pairs":
            notes.append(f"{place}: its model is trained, and a training is not tried")
        elif not REGISTRIES.collections.get(spec.collections[stages.collection].type).has_texts(
            spec.collections[stages.collection].params
        ):
            notes.append(f"{place}: the collection has no texts")
        elif needs & missing:
            notes.append(f"{place}: {', '.join(sorted(needs & missing))} must be fetched first")
        else:
            tried.append(stages)
    samples = {name: _sample(spec, name) for name in dict.fromkeys(stages.collection for stages in tried)}
    for stages in [stages for stages in tried if not samples[stages.collection].is_whole]:
        tried.remove(stages)
        notes.append(f"{stages.system.name} on {stages.collection}: the collection has no documents or no queries")
    if not tried:
        return {}, notes
    samples = {stages.collection: samples[stages.collection] for stages in tried}
    with tempfile.TemporaryDirectory(prefix="probe-", dir=store.root) as folder:
        taken = [_timed(spec, tried, samples, size, Path(folder) / str(size), watcher) for size in SIZES]
    estimates: dict[str, Estimate] = {}
    for number, stages in enumerate(tried):
        total = samples[stages.collection].total
        for part, stage, share in _parts(stages):
            small, large = (seconds.get((number, part)) for seconds in taken)
            if small is not None and large is not None and not store.has(stage.key):
                estimates[stage.key] = _estimate(stage, small, large, min(total, SIZES[1]), total * share)
    return estimates, notes


def _sample(spec: Spec, name: str) -> Sample:
    """Draw the larger sample in one pass over the documents, with the seed of the spec."""
    part = spec.collections[name]
    collection = REGISTRIES.collections.get(part.type)(part.params)
    drawn: list[Document] = []
    draw, total = random.Random(spec.head.seed), 0  # noqa: S311 - a sample, not a secret
    for document in collection.documents():
        total += 1
        if len(drawn) < SIZES[1]:
            drawn.append(document)
        elif (place := draw.randrange(total)) < SIZES[1]:
            drawn[place] = document
    cut = collection.rules().passages
    passages = None if cut is None else PassagesParams(words=cut.words, stride=cut.stride)
    return Sample(drawn, list(islice(collection.queries(), QUERIES)), total, passages)


def _timed(
    spec: Spec, tried: Sequence[SystemStages], samples: dict[str, Sample], size: int, folder: Path, watcher: Watcher
) -> dict[tuple[int, str], tuple[float, int]]:
    """Seconds and peak bytes of each part of each system over a sample of this size; parts that failed are left out."""
    collections = dict(spec.collections)
    for number, (name, sample) in enumerate(samples.items()):
        place = folder / f"collection-{number}"
        _write(place, sample, size)
        collections[name] = replace(
            collections[name], type="beir", params=BeirParams(path=str(place), passages=sample.passages)
        )
    measure = spec.head.measure.model_copy(update={"encode_shards": 1})
    small = replace(spec, collections=collections, head=spec.head.model_copy(update={"measure": measure}))
    wanted = {(stages.system.name, stages.collection) for stages in tried}
    made = {
        (stages.system.name, stages.collection): stages
        for stages in system_stages(small, "probe", [name for name, _ in wanted])
        if (stages.system.name, stages.collection) in wanted
    }
    parts = {
        (number, part): stage
        for number, stages in enumerate(tried)
        for part in PARTS
        if (stage := getattr(made[stages.system.name, stages.collection], part)) is not None
    }
    order = unique(
        each for part in PARTS for (_, name), stage in parts.items() if name == part for each in (*stage.after, stage)
    )
    done = Executor(Store(folder / "store"), measure, watcher).run(order)
    taken = {key: (done[stage.key].seconds, done[stage.key].artefact) for key, stage in parts.items()}
    return {key: (seconds, artefact.peak_bytes) for key, (seconds, artefact) in taken.items() if artefact is not None}


def _write(folder: Path, sample: Sample, size: int) -> None:
    """The first documents of a sample as a folder in BEIR's layout; the first is relevant for every query."""
    (folder / "qrels").mkdir(parents=True)
    documents = sample.documents[:size]
    rows: Iterable[dict[str, str]] = ({"_id": d.id, "title": d.title, "text": d.text} for d in documents)
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    rows = ({"_id": query.id, "text": query.text} for query in sample.queries)
    (folder / "queries.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    judged = "".join(f"{query.id}\t{documents[0].id}\t1\n" for query in sample.queries)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")


def _parts(stages: SystemStages) -> Iterable[tuple[str, Stage, float]]:
    """Name, stage and share of the documents of what is estimated; shards of an encoding have a part each."""
    shards = [stage for name, stage in stages.encode.inputs.items() if name.startswith("shard")]
    for part in PARTS:
        stage: Stage | None = getattr(stages, part)
        if part == "encode" and shards:
            yield from (("encode", shard, 1 / len(shards)) for shard in shards)
        elif stage is not None:
            yield part, stage, 1.0


def _estimate(
    stage: Stage, small: tuple[float, int], large: tuple[float, int], sampled: int, documents: float
) -> Estimate:
    """An estimate over `documents` from what two samples took; the larger one has `sampled`."""
    (short, _), (long, peak) = small, large
    grows = stage.kind in ("prepare", "encode", "build") or "corpus" in stage.inputs
    first = min(SIZES[0], sampled)
    rate = max(0.0, long - short) / (sampled - first) if grows and sampled > first else 0.0
    line = long + rate * (documents - sampled)
    whole = long * max(1.0, documents / sampled) if grows else long
    return Estimate(stage, f"a sample of {sampled} documents", line, peak, 0, min(line, whole), max(line, whole), 1)
