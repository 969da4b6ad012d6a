"""Which stored results are made again: disturbed timings when asked, and what sums up other times."""

from types import SimpleNamespace

import pytest

from harness.experiment import RETRIES
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done
from harness.pipeline.store.local import Store
from harness.spec.models import MeasureSpec

FUNCTION = "harness.measure.machine.page_cache:drop_cache"
LATENCY = Stage("latency", "latency", FUNCTION, {})
SUMMARY = Stage("summary", "summary", FUNCTION, {}, {"process0": LATENCY})


def executor(*retry, reused=True):
    made = Executor(None, MeasureSpec(), None, retry=retry)
    made.done[LATENCY.key] = Done(LATENCY, "ok", reused=reused)
    return made


def stored(**conditions):
    return SimpleNamespace(result={"conditions": conditions} if conditions else {})


@pytest.mark.parametrize(
    ("retry", "conditions", "again"),
    [
        ((), {"sentinel": [], "disturbance": "it waited"}, False),
        (("failed",), {"sentinel": [], "disturbance": "it waited"}, False),
        (("disturbed",), {"sentinel": [], "disturbance": "it waited"}, True),
        (("disturbed",), {"sentinel": [], "disturbance": ""}, False),
        (("disturbed",), {"disturbance": "a build is not repeated"}, False),
        (("disturbed",), {}, False),
    ],
)
def test_disturbed_timings_are_made_again_when_asked(retry, conditions, again):
    assert executor(*retry)._again(LATENCY, stored(**conditions)) == again


@pytest.mark.parametrize("reused", [True, False])
def test_a_summary_is_made_again_with_its_times(reused):
    assert executor(reused=reused)._again(SUMMARY, stored()) == (not reused)


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
