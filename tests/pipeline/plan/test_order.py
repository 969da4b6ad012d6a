"""In which order the timed stages of a spec come, and which of them belong to one round."""

from itertools import groupby

from small_specs import beir, load_small, system
from tests_support import write_collection

from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages


def latencies(tmp_path, seed=1):
    """Rounds in order, with the systems of each as they start."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        if not folder.exists():
            corpus = write_collection(folder) / "corpus.jsonl"
            corpus.write_text(corpus.read_text().replace("tree", folder.name))
    spec = load_small(
        tmp_path, ["measure.processes=4"], collections={folder.name: beir(folder / "data") for folder in folders},
        systems=[system("first"), system("second"), system("third")],
    )  # fmt: skip
    stages = in_order(system_stages(spec, "here"), seed)
    timed = [stage for stage in stages if stage.kind == "latency"]
    assert len(timed) == 2 * 3 * 4
    return [
        (name, [stage.label.partition(" of ")[2].partition(" / ")[0] for stage in found])
        for name, found in groupby(timed, lambda stage: stage.round)
    ]


def test_systems_of_a_collection_are_timed_round_by_round_in_a_seeded_order_that_turns_back(tmp_path):
    rounds = latencies(tmp_path)
    assert len({name for name, _ in rounds}) == len(rounds) == 2 * 4  # a round is never interrupted
    for collection in {name.rpartition(" ")[0] for name, _ in rounds}:
        orders = [order for name, order in rounds if name.startswith(collection)]
        assert sorted(orders[0]) == sorted({*orders[0]})
        assert len(orders[0]) == 3
        assert orders[1] == orders[3] == orders[0][::-1] == orders[2][::-1]


def test_the_seed_decides_the_order(tmp_path):
    found = {tuple(latencies(tmp_path, seed)[0][1]) for seed in range(8)}
    assert len(found) > 2
    assert latencies(tmp_path, 3) == latencies(tmp_path, 3)
