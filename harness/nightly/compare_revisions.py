"""The comparison of two revisions: artefacts first, then times in turns, then the verdicts."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.nightly import PAIRS, ROUNDS
from harness.nightly.changes import of_processor
from harness.nightly.compare_runs import compare_runs
from harness.nightly.revisions import Timer, folders_of, prepare, run_untimed
from harness.nightly.thresholds import IN_TURNS
from harness.pipeline.plan.registries import REGISTRIES
from harness.runs import layout
from harness.runs.write import replace_latencies
from harness.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.nightly.changes import Change
    from harness.nightly.revisions import Side
    from harness.nightly.timing_process import Order
    from harness.spec.models import Spec

SLICE_SECONDS = 0.02
"""Processor time after which the other side has its turn."""
LONGEST_SLICE = 25
"""Queries after which it has it in any case."""
CONFIDENCE = 0.99
"""Of the intervals of processor time."""
OF_WALLS = 0.998
"""Of those of latencies: there are six of a system, and no threshold keeps a machine's unrest out of them."""
COLUMNS = ("encode", "search", "encode_cpu", "search_cpu")
Times = dict[tuple[str, str], "NDArray[np.float64]"]
"""Seconds of (collection, system): pairs x rounds x queries x `COLUMNS`."""


def compare_revisions(
    base: str,
    head: str,
    spec: Path,
    *,
    work: Path,
    store: Path,
    repository: Path,
    overrides: Sequence[str] = (),
    pairs: int = PAIRS,
    rounds: int = ROUNDS,
    report: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """A verdict on every metric of two revisions (see `revisions.prepare`) under one spec.

    Args:
        base: The earlier revision.
        head: The later one.
        spec: The experiment.
        work: Folder for environments and runs, made anew.
        store: Where artefacts lie; both sides use it.
        repository: Where git revisions are looked up.
        overrides: Changes of the spec, for both.
        pairs: Pairs of fresh processes.
        rounds: Passes over the queries in each process, in turns (A B B A) every few queries.
        report: Gets a line on each step.

    Raises:
        UserError: A revision cannot be installed, run or timed.
    """
    checked = load_spec(spec, REGISTRIES, overrides)
    sides = []
    for name, revision in (("base", base), ("head", head)):
        report(f"{name} {revision}: environment and artefacts")
        sides.append(prepare(revision, name, work, repository))
        run_untimed(sides[-1], spec, overrides, store)
    times = _in_turns(sides, checked, spec, overrides, store, pairs, rounds, report)
    for side, taken in zip(sides, times, strict=True):
        _write_times(side, taken)
    given = dict(checked.head.nightly.thresholds)
    changes = compare_runs(sides[0].folder, sides[1].folder, given, confidence=OF_WALLS)
    # These two come from the untimed part, and what was taken in turns says more.
    changes = [change for change in changes if not change.key[2].endswith(("_cpu", "_least"))]
    for cell in times[0]:
        for name in ("encode_cpu", "search_cpu", "total_cpu"):
            limit = given.get(name, IN_TURNS)
            if limit.watch:
                before, after = (_processor(taken[cell], name) for taken in times)
                changes.append(of_processor((*cell, name), before, after, limit, CONFIDENCE))
    return changes


def _in_turns(
    sides: Sequence[Side],
    checked: Spec,
    spec: Path,
    overrides: Sequence[str],
    store: Path,
    pairs: int,
    rounds: int,
    report: Callable[[str], None],
) -> tuple[Times, Times]:
    folders, threads = [folders_of(side, store) for side in sides], checked.head.measure.threads
    times: tuple[Times, Times] = ({}, {})
    for cell in [cell for cell in folders[0] if cell in folders[1]]:
        report(f"{cell[1]} on {cell[0]}: {pairs} pairs of processes in turns")
        orders: list[Order] = [
            {"spec": str(spec), "overrides": [*overrides, *side.overrides], "system": cell[1], **of_side[cell]}
            for side, of_side in zip(sides, folders, strict=True)
        ]
        taken = [_pair(sides, orders, number, rounds, threads) for number in range(pairs)]
        for place in (0, 1):
            times[place][cell] = np.stack([of_pair[place] for of_pair in taken])
    return times


def _pair(
    sides: Sequence[Side], orders: Sequence[Order], number: int, rounds: int, threads: int
) -> NDArray[np.float64]:
    """One process of each side, in turns every few queries; seconds, sides x rounds x queries x `COLUMNS`.

    Which side starts first and is timed first alternates. With one thread both are bound to the same processor, the
    next pair to the next one: two processors are not equally fast where others work.
    """
    timers: dict[int, Timer] = {}
    order = (0, 1) if number % 2 == 0 else (1, 0)
    processors = sorted(os.sched_getaffinity(0)) if threads == 1 and hasattr(os, "sched_getaffinity") else []
    try:
        for place in order:
            timers[place] = Timer(sides[place], orders[place], threads)
        ready = [timers[place].ready() for place in (0, 1)]
        for timer in timers.values() if processors else ():
            timer.bind(processors[number % len(processors)])
        queries = ready[0][0]
        if queries != ready[1][0]:
            raise UserError(
                f"{sides[0].name} and {sides[1].name} ask different numbers of queries, {queries} and {ready[1][0]}",
                remedy="compare revisions that ask the same queries",
            )
        size = int(SLICE_SECONDS * 1e9 / max(nanoseconds for _, nanoseconds in (*ready, (0, 1))))
        taken = np.zeros((2, rounds, queries, len(COLUMNS)))
        for turn, (passed, places) in enumerate(_slices(number, rounds, queries, min(max(size, 1), LONGEST_SLICE))):
            for place in order if turn % 2 == 0 else order[::-1]:
                taken[place, passed, places] = timers[place].time(places)
    finally:
        for timer in timers.values():
            timer.close()
    return taken * 1e-9


def _slices(seed: int, rounds: int, queries: int, size: int) -> Iterator[tuple[int, list[int]]]:
    """(pass, queries) after (pass, queries): every pass in an order of its own."""
    for passed in range(rounds):
        places = list(range(queries))
        random.Random(f"{seed} {passed}").shuffle(places)  # noqa: S311 - an order, not a secret
        for begin in range(0, queries, size):
            yield passed, places[begin : begin + size]


def _processor(taken: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Processor seconds, pairs x rounds x queries."""
    if name == "total_cpu":
        return _processor(taken, "encode_cpu") + _processor(taken, "search_cpu")
    return taken[..., COLUMNS.index(name)]


def _write_times(side: Side, taken: Times) -> None:
    """Put the times into the side's run in the place of those of the untimed part: each query's median."""
    facts = layout.read_facts(side.folder)
    samples: dict[str, NDArray[np.int32] | NDArray[np.float64]] = {}
    for number, system in enumerate(facts["systems"]):
        seconds = taken.get((system["collection"], system["name"]))
        if seconds is not None:
            middle = np.median(seconds, axis=1)
            pairs, queries, _ = middle.shape
            samples |= {
                f"{number}/process": np.repeat(np.arange(pairs, dtype=np.int32), queries),
                f"{number}/query": np.tile(np.arange(queries, dtype=np.int32), pairs),
                f"{number}/repeat": np.zeros(pairs * queries, np.int32),
                f"{number}/encode": middle[:, :, 0].ravel(),
                f"{number}/search": middle[:, :, 1].ravel(),
            }
    replace_latencies(side.folder, samples)
