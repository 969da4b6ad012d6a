"""Which stored results are made again: disturbed timings when asked, and what sums up other times."""

from dataclasses import replace

import pytest
from step_results import BUILT, QUIET, conditions, latency, stored

from harness.experiment import RETRIES
from harness.measure.machine.conditions import ProcessConditions
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done
from harness.pipeline.store.local import Store
from harness.spec.models import MeasureSpec
from harness.typed_json import to_json

LATENCY = Stage("latency", "latency", "harness.pipeline.steps.timing:latency", {})
SUMMARY = Stage("summary", "summary", "harness.pipeline.steps.evaluate:latencies", {}, {"process0": LATENCY})
BUILD = Stage("build", "build", "harness.pipeline.steps.index:build", {})


def executor(*retry, reused=True):
    made = Executor(None, MeasureSpec(), None, retry=retry)
    made.done[LATENCY.key] = Done(LATENCY, "ok", reused=reused)
    return made


@pytest.mark.parametrize(
    ("retry", "disturbance", "again"),
    [
        ((), "it waited", False),
        (("failed",), "it waited", False),
        (("disturbed",), "it waited", True),
        (("disturbed",), "", False),
    ],
)
def test_disturbed_timings_are_made_again_when_asked(retry, disturbance, again):
    result = latency(conditions=conditions(disturbance=disturbance))
    assert executor(*retry)._again(LATENCY, stored(result)) == again


def test_a_build_is_not_repeated_whatever_disturbed_it():
    built = replace(BUILT, conditions=ProcessConditions(**{**QUIET, "disturbance": "it waited"}))
    assert not executor("disturbed")._again(BUILD, stored(built))


@pytest.mark.parametrize(
    ("result", "again"),
    [
        ({"conditions": to_json(conditions(disturbance="it waited"))}, True),
        ({"conditions": to_json(conditions())}, False),
        ({"conditions": "something else of this name"}, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_step_of_json_gives_its_conditions_by_name(result, again):
    stage = Stage("switch", "switch", "harness.measure.machine.page_cache:drop_cache", {})
    assert executor("disturbed")._again(stage, stored(result)) == again


@pytest.mark.parametrize("reused", [True, False])
def test_a_summary_is_made_again_with_its_times(reused):
    assert executor(reused=reused)._again(SUMMARY, stored({})) == (not reused)


@pytest.mark.parametrize("reused", [True, False])
def test_latencies_that_were_added_up_are_added_again_with_a_new_summary(reused):
    added = Stage("summary", "add up", "harness.pipeline.steps.fuse:added_latencies", {}, {"part0": SUMMARY})
    made = executor()
    made.done[SUMMARY.key] = Done(SUMMARY, "ok", reused=reused)
    assert made._again(added, stored({})) == (not reused)


@pytest.mark.parametrize(
    ("status", "again"), [("failed", True), ("timeout", True), ("oom", True), ("incompatible", False)]
)
def test_what_may_have_changed_is_tried_again_when_asked(tmp_path, status, again):
    """What is incompatible follows from the key alone."""
    store = Store(tmp_path)
    store.note_failure(LATENCY.key, status, "why it was")
    assert (Executor(store, MeasureSpec(), None, retry=RETRIES["failed"])._known(LATENCY) is None) == again
    kept = Executor(store, MeasureSpec(), None)._known(LATENCY)
    assert (kept.status, kept.reason, kept.reused) == (status, "why it was", True)
