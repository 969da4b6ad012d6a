"""Loops that are compiled before they are needed."""

import os
import subprocess
import sys

import pytest
from small_specs import FLAT, INVERTED, load_small, system

from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.steps.compiling import compile_loops

ENCODERS = {"bm25": {"type": "bm25"}, "dense": {"type": "synthetic-dense", "dimensions": 4}}
RUN = """
import sys
from harness.pipeline.steps.compiling import compile_loops
compile_loops(out="", engines=[{"type": "scipy", "params": {}}], report=lambda *given: None)
from harness.indexes import scipy_csr
from numba.core.dispatcher import Dispatcher
import harness.indexes
loops = [value for name, module in sys.modules.items() if name.startswith("harness.indexes")
         for value in vars(module).values() if isinstance(value, Dispatcher)]
loops = list({id(loop): loop for loop in loops}.values())
print(sum(sum(loop.stats.cache_hits.values()) for loop in loops),
      sum(sum(loop.stats.cache_misses.values()) for loop in loops))
"""


def compiling(stages):
    return [stage for stage in stages if stage.kind == "compile"]


def test_the_loops_of_all_engines_are_compiled_once_before_any_index_is_built(tmp_path):
    spec = load_small(
        tmp_path, encoders=ENCODERS,
        indexes={**INVERTED, **FLAT, "wide": {"type": "inverted", "weights": "u16"}, "same": {"type": "inverted"}},
        systems=[
            system("one"), system("other", index="wide"), system("same", index="same"), system("d", "dense", "flat"),
        ],
    )  # fmt: skip
    *systems, dense = system_stages(spec, "m")
    assert dense.build.after == ()
    (stage,) = compiling(in_order(systems, 1))
    assert in_order(systems, 1)[0] is stage  # beside the collection, which other stages wait for
    assert [engine["params"]["weights"] for engine in stage.arguments["engines"]] == ["u16", "u8"]
    assert (stage.measures, stage.inputs, stage.about) == ("nothing", {}, {"machine": "m"})
    assert all(one.build.after == (stage,) for one in systems)
    assert all(stage.key in [each.key for each in one.all()] for one in systems)
    assert "harness.indexes.inverted" in stage.modules
    (alone,) = compiling(in_order(system_stages(spec, "m", ["one"]), 1))
    assert len(alone.arguments["engines"]) == 1


def test_the_key_of_a_build_does_not_depend_on_other_engines(tmp_path):
    spec = load_small(tmp_path, indexes={**INVERTED, "scipy": {"type": "scipy"}},
                      systems=[system("one"), system("other", index="scipy")])  # fmt: skip
    assert system_stages(spec, "m")[0].build.key == system_stages(spec, "m", ["one"])[0].build.key


def test_nothing_is_compiled_for_engines_that_have_no_loops(tmp_path):
    spec = load_small(tmp_path, encoders=ENCODERS, indexes=FLAT, systems=[system("d", "dense", "flat")])
    stages = in_order(system_stages(spec, "m"), 1)
    assert not compiling(stages)
    assert next(stage for stage in stages if stage.kind == "build").after == ()


def test_what_is_compiled_is_loaded_by_the_next_process(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", RUN], env=environment, check=True, capture_output=True, text=True
        )  # fmt: skip
        counts.append([int(count) for count in done.stdout.split()])
    (_, first), (loaded, missed) = counts
    assert first > 0
    assert (loaded > 0, missed) == (True, 0)


@pytest.mark.parametrize("engine", [{"type": "no such engine", "params": {}}, {"type": "inverted", "params": {"x": 1}}])
def test_an_engine_that_refuses_stops_nothing(engine):
    done = []
    made = compile_loops(out="", engines=[engine], report=lambda *given: done.append(given))
    assert (made.engines, len(done)) == (1, 1)
