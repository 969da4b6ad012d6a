"""The comparison of two revisions: artefacts first, then times in turns, then the verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.nightly.compare import compare_runs
from harness.nightly.revisions import Timer, parts_of, prepare, run_untimed
from harness.pipeline.axes import REGISTRIES
from harness.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.nightly.changes import Change
    from harness.nightly.revisions import Side

PAIRS = 8
"""Pairs of fresh processes: they are what the interval rests on."""
ROUNDS = 9
"""Passes of each process; of each query its median counts, so that a neighbour's burst does not."""
Times = dict[tuple[str, str], "NDArray[np.float64]"]
"""Seconds of (collection, system): pairs x queries x (encode, search)."""


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
    tell: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """A verdict on every metric of two revisions (see `revisions.prepare`) under one spec.

    Args:
        base: The earlier revision.
        head: The later one.
        spec: The experiment.
        work: Folder for environments and runs, made anew.
        store: Where artefacts are kept; both sides use it.
        repository: Where git revisions are looked up.
        overrides: Changes of the spec, for both.
        pairs: Pairs of fresh processes.
        rounds: Passes over the queries in each process, in turns (A B B A).
        tell: Is told what happens.

    Raises:
        UserError: A revision cannot be installed, run or timed.
    """
    checked = load_spec(spec, REGISTRIES, overrides)
    sides = []
    for name, revision in (("base", base), ("head", head)):
        tell(f"{name} {revision}: environment and artefacts")
        sides.append(prepare(revision, name, work, repository))
        run_untimed(sides[-1], spec, overrides, store)
    parts = [parts_of(side, store) for side in sides]
    times: list[Times] = [{}, {}]
    for cell in [cell for cell in parts[0] if cell in parts[1]]:
        tell(f"{cell[1]} on {cell[0]}: {pairs} pairs of processes in turns")
        orders = [
            {"spec": str(spec), "overrides": [*overrides, *side.overrides], "system": cell[1], **part[cell]}
            for side, part in zip(sides, parts, strict=True)
        ]
        found = [_pair(sides, orders, number, rounds, checked.head.measure.threads) for number in range(pairs)]
        for place in (0, 1):
            times[place][cell] = np.stack([both[place] for both in found])
    for side, taken in zip(sides, times, strict=True):
        _write_times(side, taken)
    return compare_runs(sides[0].folder, sides[1].folder, dict(checked.head.nightly.thresholds))


def _pair(
    sides: Sequence[Side], orders: Sequence[dict[str, Any]], number: int, rounds: int, threads: int
) -> list[NDArray[np.float64]]:
    """One process of each side, in turns; each query's median over the rounds, seconds, queries x 2."""
    timers: list[Timer] = []
    taken: list[list[Any]] = [[], []]
    try:
        # Which one starts first, and which one is timed first, alternates.
        for place in (0, 1) if number % 2 == 0 else (1, 0):
            timers.append(Timer(sides[place], orders[place], threads))
        started = (0, 1) if number % 2 == 0 else (1, 0)
        for turn in range(rounds):
            for place in (0, 1) if (turn + number) % 2 == 0 else (1, 0):
                taken[place].append(timers[started.index(place)].time(f"{number} {turn}"))
    finally:
        for timer in timers:
            timer.close()
    return [np.median(np.asarray(one, np.float64), axis=0) * 1e-9 for one in taken]


def _write_times(side: Side, taken: Times) -> None:
    """Put the times into the side's run in the place of those of the untimed part."""
    facts: Any = json.loads((side.folder / "run.json").read_text(encoding="utf-8"))
    samples: dict[str, Any] = {}
    for number, system in enumerate(facts["systems"]):
        seconds = taken.get((system["collection"], system["name"]))
        if seconds is not None:
            pairs, queries, _ = seconds.shape
            samples |= {
                f"{number}/process": np.repeat(np.arange(pairs, dtype=np.int32), queries),
                f"{number}/query": np.tile(np.arange(queries, dtype=np.int32), pairs),
                f"{number}/repeat": np.zeros(pairs * queries, np.int32),
                f"{number}/encode": seconds[:, :, 0].ravel(),
                f"{number}/search": seconds[:, :, 1].ravel(),
            }
    np.savez_compressed(side.folder / "latency.npz", **samples)
