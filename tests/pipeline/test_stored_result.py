"""Results of stages are read as the types that the steps return; an artefact that holds another is made again."""

import importlib
import inspect
import json
import pkgutil
from dataclasses import is_dataclass
from types import SimpleNamespace
from typing import get_type_hints

import pytest
from tests_support import write_collection

from harness.pipeline import steps
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage import Stage
from harness.pipeline.steps.prepare import Prepared, PreparedPairs
from harness.pipeline.steps.result import StepResult
from harness.pipeline.store.local import DamagedError, Store
from harness.pipeline.stored_result import read_result, result_type, stored_result
from harness.spec.models import MeasureSpec


def artefact(tmp_path, result):
    return SimpleNamespace(directory=tmp_path, result=result)


def result_types():
    """Every class of results that a module of the steps defines."""
    for info in pkgutil.iter_modules(steps.__path__, "harness.pipeline.steps."):
        module = importlib.import_module(info.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, StepResult) and kind is not StepResult and kind.__module__ == module.__name__:
                yield kind


@pytest.mark.parametrize("kind", list(result_types()), ids=lambda kind: kind.__name__)
def test_every_result_is_frozen_documented_and_readable_at_run_time(kind):
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert kind.__dataclass_fields__.keys() <= get_type_hints(kind).keys()
    assert "Attributes:" in kind.__doc__ or len(kind.__dataclass_fields__) < 4


def test_the_type_is_that_of_the_annotation():
    assert result_type("harness.pipeline.steps.prepare:prepare_pairs") is PreparedPairs
    assert result_type("harness.measure.machine.page_cache:drop_cache") is None, "no result of a step"


def test_a_function_without_an_annotation_gives_json(tmp_path, monkeypatch):
    (tmp_path / "plain_steps.py").write_text(
        "def bare(**_): return 1\ndef table(**_) -> dict[str, object]: return {}\ndef strange(**_) -> 'Nobody': ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("bare", "table", "strange"):
        assert result_type(f"plain_steps:{name}") is None
        read_result(artefact(tmp_path, ["anything"]), f"plain_steps:{name}")


@pytest.mark.parametrize("function", ["no_such_package.steps:run", "harness.pipeline.steps.prepare:no_such_step"])
def test_a_step_that_is_gone_leaves_its_json(tmp_path, function):
    """A package that was removed is no reason not to read what it made."""
    assert result_type(function) is None
    assert read_result(artefact(tmp_path, {"ratio": 0.5}), function) == {"ratio": 0.5}


def test_a_step_of_another_package_may_have_a_type_too(tmp_path, monkeypatch):
    (tmp_path / "typed_steps.py").write_text(
        "from dataclasses import dataclass\n"
        "from harness.pipeline.steps.result import StepResult\n"
        "@dataclass(frozen=True)\nclass Ratio(StepResult):\n    ratio: float\n"
        "def measure(**_) -> Ratio: return Ratio(0.5)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = result_type("typed_steps:measure")
    assert stored_result(artefact(tmp_path, {"ratio": 0.5}), kind) == kind(0.5)
    with pytest.raises(DamagedError, match="ratio: missing"):
        read_result(artefact(tmp_path, {}), "typed_steps:measure")


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ({}, "pairs: missing"),
        ({"pairs": "3"}, "pairs: '3' is not a whole number"),
        ({"pairs": 3, "more": 1}, "more: not declared"),
        (None, "None is not PreparedPairs"),
    ],
)
def test_another_result_is_damage_and_named(tmp_path, result, fault):
    with pytest.raises(DamagedError, match=rf"manifest\.json: not the result of its step \(.*{fault}"):
        stored_result(artefact(tmp_path, result), PreparedPairs)


class Notes:
    def __init__(self):
        self.notes = []

    def begin(self, *_):
        pass

    progress = alive = end = begin

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("wrong", [{}, {"documents": 6}, "done", None])
def test_an_artefact_that_does_not_hold_its_result_is_made_again(tmp_path, wrong):
    params = {"path": str(write_collection(tmp_path))}
    stage = Stage("prepare", "prepare c", "harness.pipeline.steps.prepare:prepare", {"type": "beir", "params": params})
    store, watcher = Store(tmp_path / "store"), Notes()
    with store.unfinished(stage.key) as directory:
        store.commit(
            directory,
            key=stage.key,
            kind="prepare",
            label=stage.label,
            recipe={},
            result=wrong,
            seconds=1,
            peak_bytes=1,
        )
    done = Executor(store, MeasureSpec(), watcher).run([stage])[stage.key]
    assert (done.status, done.reused) == ("ok", False)
    assert [note.partition(" (")[0] for note in watcher.notes] == ["damaged and made again: prepare c"]
    assert stored_result(done.artefact, Prepared).documents == 6
    again = Executor(Store(tmp_path / "store"), MeasureSpec(), watcher).run([stage])[stage.key]
    assert again.reused
    assert json.loads((again.artefact.directory / "manifest.json").read_text())["result"] == again.artefact.result
