"""Encoding in shards: the same files as in one piece, and stages that are kept one by one."""

import json
from dataclasses import astuple, replace

import pytest
from small_specs import BM25, load_small, system, write_spec
from tests_support import write_collection

from harness.encoders import registry
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.steps import encode as step
from harness.pipeline.steps import prepare
from harness.spec.load import load_spec

KINDS = [("bm25", {}), ("synthetic", {}), ("synthetic-dense", {"dimensions": 8})]


def nothing(*_):
    """Nobody is told."""


def encoded(folder, type, params, **more):
    folder.mkdir(parents=True)
    given = {"type": type, "params": params, "model": str(folder.parents[0] / "model"), "threads": 1}
    collection = str(folder.parents[0] / "prepared")
    return step.encode(out=str(folder), collection=collection, report=nothing, **given, **more)


@pytest.mark.parametrize(("type", "params"), KINDS)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_joined_are_the_whole_to_the_last_bit(monkeypatch, tmp_path, type, params, count):
    """Six documents in blocks of two: of seven shards most are empty."""
    monkeypatch.setattr(step, "BLOCK", 2)
    (tmp_path / "prepared").mkdir()
    (tmp_path / "model").mkdir()
    path = write_collection(tmp_path)
    texts = {"documents": "corpus.jsonl", "queries": "queries.jsonl"}
    for name, source in texts.items():
        rows = [json.loads(line) for line in (path / source).read_text().splitlines()]
        if type != "bm25":
            rows = [row | {"text": str(number)} for number, row in enumerate(rows)]
        lines = [json.dumps({"id": row["_id"], "text": row["text"]}) for row in rows]
        (tmp_path / "prepared" / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines))
    read = list(prepare.read_texts(tmp_path / "prepared" / "documents.jsonl"))
    assert len(read) == 6
    maker = registry.get(type)
    maker(maker.Params(**params)).fit(tmp_path / "model", corpus=(text for _, text in read), seed=1)
    whole = encoded(tmp_path / "whole", type, params)
    for number in range(count):
        encoded(tmp_path / f"part{number}", type, params, shard=(number, count))
    (tmp_path / "joined").mkdir()
    shards = {f"shard{number:05}": str(tmp_path / f"part{number}") for number in range(count)}
    joined = step.join(out=str(tmp_path / "joined"), report=nothing, **shards)
    files = sorted(file.relative_to(tmp_path / "whole") for file in (tmp_path / "whole").rglob("*") if file.is_file())
    assert files
    for file in files:
        assert (tmp_path / "joined" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    for side in ("document", "query"):
        of_whole, of_shards = getattr(whole, side), getattr(joined, side)
        assert min(of_whole.seconds, of_shards.seconds) >= 0
        assert astuple(replace(of_shards, seconds=0)) == pytest.approx(astuple(replace(of_whole, seconds=0)))
    assert replace(joined, document=whole.document, query=whole.query) == whole


def test_every_shard_is_a_stage_before_the_one_that_joins_them(tmp_path):
    file, stages = write_spec(tmp_path), {}
    for count in (1, 3):
        spec = load_spec(file, REGISTRIES, [f"measure.encode_shards={count}"])
        systems = system_stages(spec, "machine")
        stages[count] = [one for one in in_order(systems, 1) if one.kind == "encode"]
        assert [one.key for one in systems[0].all() if one.kind == "encode"] == [one.key for one in stages[count]]
    assert [one.label for one in stages[1]] == ["encode bm25 / mine"]
    *shards, join = stages[3]
    assert [one.label for one in shards] == [f"encode bm25 / mine, shard {n} of 3" for n in (1, 2, 3)]
    assert [one.key for one in join.inputs.values()] == [one.key for one in shards]
    assert len({one.key for one in [*shards, join, *stages[1]]}) == 5


@pytest.mark.parametrize(
    ("device", "gpus"), [("cpu", 0), ("cuda", 1), ("cuda:1", 1), (["cuda:0", "cuda:1"], 2), (["cpu", "cpu"], 0)]
)
@pytest.mark.parametrize("type", ["laconic", "sparse-encoder"])
def test_what_uses_accelerators_asks_for_them_and_its_key_does_not_tell(tmp_path, type, device, gpus):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    source = {"backbone": {"model": str(folder)}} if type == "laconic" else {"model": str(folder)}
    tiny = {"type": type, **source, "device": device}
    spec = load_small(tmp_path, encoders={**BM25, "tiny": tiny}, systems=[system(), system("tiny", "tiny")])
    stages = in_order(system_stages(spec, "machine", ["tiny"]), 1)
    assert {one.gpus for one in stages if one.kind in ("check", "encode")} == {gpus}
    # One process makes the model, and one query is encoded at a time.
    assert {one.gpus for one in stages if one.kind in ("fit", "latency", "service-memory")} == {min(gpus, 1)}
    others = ("fit", "check", "encode", "latency", "service-memory")
    assert {one.gpus for one in stages if one.kind not in others} == {0}
    assert all("gpus" not in one.recipe for one in stages)
