"""Rounds of timed processes: which are made together, which were timed apart, and what an executor does of them."""

import textwrap
from types import SimpleNamespace

import pytest
from step_results import conditions, latency, stored
from tests_support import Recorder

from harness.pipeline.executors.local import Executor
from harness.pipeline.executors.rounds import parts_that_fit, timed_separately
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done
from harness.pipeline.store.local import Store
from harness.spec.models import MeasureSpec

MODEL = Stage("fit", "model", "harness.pipeline.steps.timing:latency", {})
GIB = 1 << 30


def timed(name, **more):
    return Stage("latency", name, "harness.pipeline.steps.timing:latency", {"name": name}, {"model": MODEL}, **more)


def ended(stage, token=None, status="ok"):
    artefact = stored(latency(conditions=conditions(round=token))) if token is not None else None
    return Done(stage, status, artefact, reused=True)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["x", "x"], False),
        (["x", "y"], True),
        (["", ""], True),
        (["x", None], True),
        ([None, None], False),
        ([""], False),
    ],
)
def test_stored_timings_of_other_rounds_are_apart(tokens, expected):
    stages = [timed(str(number)) for number in range(len(tokens))]
    known = {s.key: None if t is None else ended(s, t) for s, t in zip(stages, tokens, strict=True)}
    assert timed_separately(stages, known) == expected


def test_a_system_that_failed_is_not_apart():
    stages = [timed(name) for name in "abc"]
    known = {s.key: ended(s, "x") for s in stages[:2]} | {stages[2].key: ended(stages[2], status="failed")}
    assert not timed_separately(stages, known)


@pytest.mark.parametrize(("available", "parts"), [(100 * GIB, [3]), (12 * GIB, [2, 1]), (GIB, [1, 1, 1])])
def test_a_round_is_divided_where_memory_does_not_hold_all(available, parts):
    done = {MODEL.key: Done(MODEL, "ok", SimpleNamespace(bytes=2 * GIB))}
    found = list(parts_that_fit([timed(name) for name in "abc"], done, available))
    assert [len(part) for part in found] == parts
    assert [stage.label for part in found for stage in part] == list("abc")


def test_the_memory_is_not_looked_at_where_nothing_is_to_be_made(monkeypatch):
    """Reading the limits of control groups takes as long as reading an artefact, for each of all stored stages."""
    monkeypatch.setattr("harness.pipeline.executors.rounds.available_bytes", lambda: pytest.fail("looked at"))
    assert list(parts_that_fit([], {})) == []


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An executor of stages whose functions lie in a module of their own."""
    (tmp_path / "round_functions.py").write_text(
        textwrap.dedent(
            """
            import os
            from step_results import QUIET, WATCHED
            def serve(out, name, seed, report, round="", ask=None):
                if name == "bad": raise RuntimeError("boom")
                for number in range(3):
                    if ask: ask({"turn": number})
                    with open(os.path.join(os.path.dirname(__file__), "order"), "a") as file: file.write(name)
                return {"conditions": {**QUIET, **WATCHED, "round": round}}
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*names, retry=()):
        watcher = Recorder()
        stages = [
            Stage(
                "latency",
                name,
                "round_functions:serve",
                {"name": name, "seed": 3},
                modules=("round_functions",),
                round="data 0",
            )
            for name in names
        ]
        done = Executor(Store(tmp_path / "store"), MeasureSpec(), watcher, retry=retry).run(stages)
        path = tmp_path / "order"
        order = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        assert watcher.notes == []
        tokens = [done[s.key].artefact.result["conditions"]["round"] if done[s.key].artefact else None for s in stages]
        return order, tokens, watcher

    return run


def test_systems_of_a_round_take_turns(world):
    order, tokens, watcher = world("a", "b")
    assert {frozenset(order[at : at + 2]) for at in (0, 2, 4)} == {frozenset("ab")}
    assert tokens[0] == tokens[1] != ""
    assert watcher.begun == ["a", "b"]
    assert watcher.ended == [("a", "ok", False), ("b", "ok", False)]
    order, again, watcher = world("a", "b")
    assert (order, again) == ("", tokens)
    assert watcher.ended == [("a", "ok", True), ("b", "ok", True)]


def test_a_new_system_is_timed_apart_unless_asked_otherwise(world):
    _, (alone,), _ = world("a")
    assert alone == ""
    order, (kept, new), _ = world("a", "b")
    assert (order, kept, new) == ("bbb", "", "")
    order, (one, other), _ = world("a", "b", retry=("not-in-turns",))
    assert sorted(order) == list("aaabbb")
    assert one == other != ""
    assert world("a", "b", retry=("not-in-turns",))[0] == ""


def test_one_that_fails_leaves_the_others_theirs(world):
    order, tokens, watcher = world("a", "bad", "b")
    assert sorted(order) == list("aaabbb")
    assert tokens[1] is None
    assert tokens[0] == tokens[2] != ""
    assert [status for _, status, _ in watcher.ended] == ["ok", "failed", "ok"]
    assert world("a", "bad", "b")[0] == ""
