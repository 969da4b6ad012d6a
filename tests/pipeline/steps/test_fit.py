"""Making a model: what its facts become."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.encoders import registry
from harness.errors import UserError
from harness.pipeline.steps import fit as step
from harness.pipeline.steps.fit import Fitted, fitted
from harness.typed_json import JsonTypeError, from_json, to_json

TRAINED = {
    "steps": 2,
    "pairs": 10,
    "pairs_seen": 20,
    "train_seconds": 1.5,
    "train_flops": {"forward": 1e9, "backward": 2e9},
    "curve": [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25}],
}


def test_an_encoder_without_facts_trained_nothing():
    assert fitted({}, 0.5) == Fitted(0.5, {}, {}, None, None, None, None, {}, (), (), {})


def test_facts_of_a_training_are_attributes():
    made = fitted({**TRAINED, "commits": {"a/b": "abc"}, "departures": {"layers": 2}}, 3.0)
    assert (made.steps, made.pairs, made.pairs_seen, made.train_seconds) == (2, 10, 20, 1.5)
    assert made.train_flops == {"forward": 1e9, "backward": 2e9}
    assert made.curve == ({"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25})
    assert [type(row["step"]) for row in made.curve] == [int, int], "a step is a whole number in the run folder"
    assert (made.commits, made.departures, made.facts) == ({"a/b": "abc"}, {"layers": 2.0}, {})


facts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in Fitted.__dataclass_fields__), facts, max_size=4))
def test_facts_that_nobody_reads_are_kept_and_come_back(others):
    made = fitted({**TRAINED, **others}, 1.0)
    assert made.facts == others
    assert from_json(Fitted, json.loads(json.dumps(to_json(made)))) == made


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"steps": 1.5}, "steps"),
        ({"commits": ["a/b"]}, "commits"),
        ({"departures": {"layers": "two"}}, r"departures\.layers"),
        ({"curve": [{"loss": None}]}, r"curve\[0\]\.loss"),
        ({"train_seconds": float("nan")}, "it: nan is not finite"),
        ({"other": object()}, "it: object is not JSON"),
    ],
)
def test_a_fact_of_another_type_is_refused_by_name(wrong, place):
    with pytest.raises(JsonTypeError, match=place):
        fitted({**TRAINED, **wrong}, 1.0)


def test_the_step_gives_an_encoder_its_corpus_and_the_place_of_its_checkpoints(tmp_path, monkeypatch):
    (tmp_path / "documents.jsonl").write_text('{"id": "1", "text": "one"}\n{"id": "2", "text": "two"}\n')
    given = {}

    class Maker:
        checkpoints = None

        def processes(self):
            return 1

        def fit(self, directory, *, corpus, pairs, seed, progress):
            given.update(directory=directory, corpus=list(corpus), pairs=pairs, seed=seed, checkpoints=self.checkpoints)
            return {"documents": 2}

    monkeypatch.setattr(step, "open_type", lambda type, params: Maker())
    made = step.fit(
        out=str(tmp_path / "out"), type="any", params={}, seed=5, threads=1, report=print, corpus=str(tmp_path),
        checkpoints=str(tmp_path / "kept"),
    )  # fmt: skip
    assert given == {
        "directory": tmp_path / "out", "corpus": ["one", "two"], "pairs": None, "seed": 5,
        "checkpoints": tmp_path / "kept",
    }  # fmt: skip
    assert (made.facts, made.steps) == ({"documents": 2}, None)
    assert made.fit_seconds >= 0


@pytest.mark.parametrize("within", [False, True])
def test_several_processes_are_started_once(monkeypatch, within):
    """A process that torchrun started does its share itself."""
    from harness.pipeline.steps import torchrun

    class Maker:
        checkpoints = None

        def processes(self):
            return 2

        def fit(self, directory, **given):
            return {"steps": 1, "pairs": 2, "pairs_seen": 3}

    started = []

    def start(arguments, processes, report):
        started.append((arguments["type"], processes))
        return to_json(fitted({"steps": 9}, 1.0))

    monkeypatch.setattr(step, "open_type", lambda type, params: Maker())
    monkeypatch.setattr(torchrun, "fit_in_processes", start)
    if within:
        monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    else:
        monkeypatch.delenv("WORLD_SIZE", raising=False)
    made = step.fit(out="", type="any", params={}, seed=1, threads=1, report=print)
    assert (made.steps, started) == ((1, []) if within else (9, [("any", 2)]))


def test_a_type_is_opened_with_its_settings():
    made = step.open_type("bm25", {"k1": 0.5})
    assert isinstance(made, registry.get("bm25"))
    assert made.params.k1 == 0.5
    with pytest.raises(UserError, match="bm26"):
        step.open_type("bm26", {})
