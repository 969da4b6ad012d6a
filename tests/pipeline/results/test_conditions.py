"""What the timed processes of a run met, gathered from their stages."""

import itertools
import json
from types import SimpleNamespace

import pytest
import step_results
from step_results import stored

from harness.pipeline.results.conditions import builds_of, conditions_of, notes_of

FUNCTION = "harness.pipeline.steps.timing:latency"


def stage(key):
    return SimpleNamespace(key=key, kind="latency", label=f"latency {key}", function=FUNCTION)


def gather(**readings):
    """One system with a latency process each: name=(sentinel's reading, disturbance)."""
    stages = [stage(key) for key in readings]
    done = {"build": SimpleNamespace(artefact=None)}
    for key, (reading, disturbance) in readings.items():
        conditions = step_results.conditions(
            sentinel=step_results.readings((reading * 1.04, 2.0), (reading, 2.0)),
            disturbance=disturbance,
            violation="two threads worked" if disturbance else "",
            repeated=("why",) if disturbance else (),
        )
        done[key] = SimpleNamespace(artefact=stored(step_results.latency(conditions=conditions)))
    system = SimpleNamespace(name="s")
    one = SimpleNamespace(
        system=system, collection="c", build=SimpleNamespace(key="build"), latency=tuple(stages), extras=()
    )
    return conditions_of([one], done)


def test_a_process_on_a_slow_machine_is_seen_beside_the_others_alone():
    rows = gather(a=(1.0, ""), b=(1.05, ""), c=(1.3, ""))
    assert [row.slower_than_quietest for row in rows] == pytest.approx([0.0, 0.05, 0.3])
    assert [bool(row.conditions.disturbance) for row in rows] == [False, False, True]
    assert notes_of(rows) == [
        "latency c: disturbed: the machine was 30% slower throughout than in the quietest process."
    ]
    written = [json.loads(json.dumps(row.as_json())) for row in rows]
    assert written[2].items() >= {"collection": "c", "system": "s", "kind": "latency", "stage": "latency c"}.items()
    assert written[2]["slower_than_quietest"] == pytest.approx(0.3)
    assert written[2]["disturbance"].startswith("the machine was 30% slower")
    assert written[2]["sentinel"][1] == {"processor": 1.3, "memory": 2.0, "waiting": 1.0}


def test_a_flagged_process_is_noted_with_what_it_met():
    assert notes_of(gather(a=(1.0, "it waited"))) == [
        "latency a: disturbed, 2 times in a row: it waited.",
        "latency a: not as asked, 2 times in a row: two threads worked.",
    ]


def rounds(**tokens):
    """Systems of one collection, with the round of each of their processes."""
    done, systems, numbers = {"build": SimpleNamespace(artefact=None)}, [], itertools.count()
    for name, found in tokens.items():
        stages = [stage(f"{name} {next(numbers)}") for _ in found]
        for one, token in zip(stages, found, strict=True):
            result = step_results.latency(conditions=step_results.conditions(round=token))
            done[one.key] = SimpleNamespace(artefact=stored(result))
        system = SimpleNamespace(name=name)
        build = SimpleNamespace(key="build")
        systems.append(SimpleNamespace(system=system, collection="c", build=build, latency=tuple(stages), extras=()))
    return {row.system for row in conditions_of(systems, done) if "in turns" in row.conditions.disturbance}


@pytest.mark.parametrize(
    ("tokens", "flagged"),
    [
        ({"a": ["x", "y"], "b": ["x", "y"]}, set()),
        ({"a": ["x", "y"], "b": ["x", "y"], "c": ["", ""]}, {"c"}),
        ({"a": ["x", "y"], "b": ["x", "z"]}, {"a", "b"}),
        ({"a": ["", ""], "b": ["", ""]}, {"a", "b"}),
        ({"a": ["", ""]}, set()),
        ({"a": ["x"], "b": ["x"], "c": ["y"], "d": ["y"]}, {"a", "b", "c", "d"}),
    ],
)
def test_a_system_that_was_not_timed_in_turns_with_most_others_is_flagged(tokens, flagged):
    assert rounds(**tokens) == flagged


def test_builds_and_the_clock_are_those_of_all_processes():
    results = {
        "x": step_results.latency(builds={"faiss": "AVX2"}, timer_overhead_seconds=60e-9),
        "y": step_results.latency(builds={"numpy": "BLAS"}, timer_overhead_seconds=75e-9),
    }
    done = {key: SimpleNamespace(artefact=stored(result)) for key, result in results.items()}
    done["z"] = SimpleNamespace(artefact=None)
    one = SimpleNamespace(latency=tuple(stage(key) for key in (*results, "z")))
    found = builds_of([one], done)
    assert found.pop("reading the clock twice") == "60 to 75 ns, part of every latency"
    assert found == {"faiss": "AVX2", "numpy": "BLAS"}
