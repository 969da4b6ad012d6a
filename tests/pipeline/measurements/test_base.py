"""What a measurement gets and gives: typed results, means with intervals."""

from dataclasses import dataclass

import numpy as np
import pytest
from added import Added
from scipy import stats

from harness.pipeline.measurements import MeasurementBase, add_mean, results_of
from harness.pipeline.steps.result import StepResult


@dataclass(frozen=True)
class Ratio(StepResult):
    ratio: float


@dataclass(frozen=True)
class Other(StepResult):
    ratio: float


def test_results_are_those_of_their_kind_in_order():
    results = {"ratio": [Ratio(1.0), Ratio(2.0)], "other": [Other(3.0)]}
    assert results_of(results, "ratio", Ratio) == [Ratio(1.0), Ratio(2.0)]
    assert results_of(results, "nothing", Ratio) == []


@pytest.mark.parametrize("wrong", [Other(1.0), {"ratio": 1.0}, None])
def test_a_result_of_another_type_is_a_mistake_of_the_measurement(wrong):
    with pytest.raises(TypeError, match=f"kind 'ratio' gives {type(wrong).__name__}, not Ratio"):
        results_of({"ratio": [Ratio(1.0), wrong]}, "ratio", Ratio)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0, 3.5, 1.0, 2.0]])
def test_a_mean_over_processes_has_student_s_interval_of_the_logarithms(values, confidence):
    added = Added(confidence)
    add_mean(added, "load_seconds", values, "how")
    ((name, value, method, n, interval, source),) = added
    assert (name, method, n, source) == ("load_seconds", "how", len(values), "measured")
    assert value == pytest.approx(np.mean(values))
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(np.log(values))
    assert interval == pytest.approx((value * np.exp(-half), value * np.exp(half)))


def test_one_process_has_no_interval():
    added = Added()
    add_mean(added, "load_seconds", [2.0], "how")
    assert added == [("load_seconds", 2.0, "how", 1, None, "measured")]


def test_a_measurement_is_not_taken_unasked_by_default():
    assert not MeasurementBase().implied(None)
    assert MeasurementBase.libraries == ()
