"""Estimates from samples: what is tried, how times grow, and that nothing is left behind."""

import json
from dataclasses import replace

import pytest
from commands import call
from small_specs import BM25, load_small, system
from tests_support import Recorder

from harness.collections.beir import BeirParams
from harness.estimates import probe as probed
from harness.estimates.probe import probe
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(probed, "SIZES", (2, 4))
    folder = tmp_path / "many"
    (folder / "qrels").mkdir(parents=True)
    rows = [json.dumps({"_id": f"d{n}", "title": "", "text": f"word{n % 7} tree"}) for n in range(40)]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "word1"}\n')
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n")
    encoders = {**BM25, "published": {"type": "sentence-transformer", "model": "o/absent"}}
    systems = [system(), system("published", "published", "flat")]
    indexes = {"inverted": {"type": "inverted"}, "flat": {"type": "faiss-flat"}}
    spec = load_small(
        tmp_path, collections={"many": {"type": "beir", "path": str(folder)}}, encoders=encoders, indexes=indexes,
        systems=systems,
    )  # fmt: skip
    return spec, Store(tmp_path / "store")


def test_stages_are_estimated_from_two_samples_and_nothing_is_left(sampled):
    spec, store = sampled
    systems, watcher = system_stages(spec, "machine"), Recorder()
    estimates, notes = probe(spec, systems, store, frozenset({"encoders.published"}), watcher)
    lexical = systems[0]
    assert set(estimates) == {stage.key for stage in (lexical.prepare, lexical.fit, lexical.encode, lexical.build)}
    for estimate in estimates.values():
        assert 0 < estimate.low <= estimate.seconds <= estimate.high
        assert estimate.basis == "a sample of 4 documents"
        assert estimate.peak_bytes > 1 << 20
    assert notes == ["published on many: encoders.published must be fetched first"]
    assert [status for _, status, _ in watcher.ended] == ["ok"] * 10
    assert sorted(path.name for path in store.root.iterdir()) == ["failures", "locks", "objects", "unfinished"]
    assert not list(store.root.rglob("manifest.json"))


def test_a_sample_holds_documents_of_the_whole_collection(sampled):
    spec, _ = sampled
    sample = probed._sample(spec, "many")
    assert sample.total == 40
    assert len({document.id for document in sample.documents}) == 4
    assert [query.id for query in sample.queries] == ["q"]
    assert probed._sample(spec, "many") == sample


def test_samples_are_cut_into_passages_as_their_collection_is(sampled, monkeypatch):
    spec, store = sampled
    params = BeirParams(path=spec.collections["many"].params.path, passages={"words": 1, "stride": 1})
    spec.collections["many"] = replace(spec.collections["many"], params=params)
    made = []
    monkeypatch.setattr(probed, "BeirParams", lambda **given: made.append(BeirParams(**given)) or made[-1])
    stages = [system for system in system_stages(spec, "small") if system.system.encoder.type == "bm25"]
    probe(spec, stages, store, frozenset(), Recorder())
    assert [(given.passages.words, given.passages.stride) for given in made] == [(1, 1)] * 2


def test_a_collection_without_queries_is_not_tried(sampled, monkeypatch):
    spec, store = sampled
    whole = probed._sample(spec, "many")
    monkeypatch.setattr(probed, "_sample", lambda *_: replace(whole, queries=[]))
    stages = [system for system in system_stages(spec, "small") if system.system.encoder.type == "bm25"]
    estimates, notes = probe(spec, stages, store, frozenset(), Recorder())
    assert estimates == {} and "no documents or no queries" in notes[0]


@pytest.mark.parametrize(
    ("kind", "inputs", "times", "expected"),
    [
        ("encode", {}, (2.0, 3.0), (51, 51, 75)),  # half a second a document, and two for starting
        ("encode", {}, (1.0, 3.0), (99, 75, 99)),  # less than nothing for starting: the line is the longer time
        ("encode", {}, (3.0, 2.0), (2, 2, 50)),  # the machine was busy: no slope is seen
        ("fit", {}, (2.0, 3.0), (3, 3, 3)),
        ("fit", {"corpus": None}, (2.0, 3.0), (51, 51, 75)),
        ("check", {}, (2.0, 3.0), (3, 3, 3)),
    ],
)
def test_times_grow_with_the_documents_where_the_part_does(kind, inputs, times, expected, monkeypatch):
    monkeypatch.setattr(probed, "SIZES", (2, 4))
    stage = Stage(kind, "x", "harness.x:y", {}, inputs)
    got = probed._estimate(stage, (times[0], 1), (times[1], 7), 4, 100)
    assert (got.seconds, got.low, got.high) == pytest.approx(expected)
    assert got.peak_bytes == 7


def test_the_command_puts_samples_where_nothing_was_known(sampled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = call("plan", "small.toml", "--only", "lexical", "--probe")
    rows = [line for line in answer.out.splitlines() if line.endswith("a sample of 4 documents")]
    assert len(rows) == 4
    assert "4 of these times come from samples." in answer.out
