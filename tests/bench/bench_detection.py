"""How soon steps of 5 % are found, and how often a quiet page alarms, on simulated histories.

python tests/bench/bench_detection.py [HISTORIES]
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "support")]
from nights import Kind, alarms, simulate  # noqa: E402

from harness.stats.changes import drift  # noqa: E402

BEFORE, SERIES, NIGHTS = 40, 20, 100


def found_within(rng, kind, step, histories):
    """Share of histories whose step is found in the night of it or the two after, and placed on the right night."""
    soon = right = 0
    for _ in range(histories):
        page = simulate(rng, BEFORE + 3, 1, kind, step_at=BEFORE, step=step)
        found = [first for night, _, first in alarms(page) if night >= BEFORE]
        soon += bool(found)
        right += bool(found) and found[0] == BEFORE
    return soon / histories, right / max(soon, 1)


def main():
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    rng = np.random.default_rng(2026)
    print(f"{histories} histories a line; noise: robust spread of a night's value, relative")
    for label, factor in (("0.5 %", 0.5), ("1.0 %", 1.0), ("1.5 %", 1.5), ("2.0 %", 2.0), ("4.0 %", 4.0)):
        kind = replace(Kind(changes=0), within=0.008 * factor, between=0.006 * factor)
        for step in (0.05, 0.10):
            soon, right = found_within(rng, kind, step, histories)
            print(f"noise {label}, step {step:.0%}: found within 3 nights {soon:.1%}, on the right night {right:.1%}")
    pages = max(histories // 4, 1)
    for label, factor in (("0.5 %", 0.5), ("1.0 %", 1.0), ("2.0 %", 2.0), ("4.0 %", 4.0)):
        kind = replace(Kind(), within=0.008 * factor, between=0.006 * factor)
        false = sum(len({night for night, *_ in alarms(simulate(rng, NIGHTS, SERIES, kind))}) for _ in range(pages))
        print(f"noise {label}: {false} false alarms in {pages * NIGHTS} nights of a page of {SERIES} series")
    false = 0
    for _ in range(pages):
        for values in simulate(rng, NIGHTS, SERIES, Kind(changes=0)).values.T:
            late = (drift(values[:end], worse=1) for end in range(30, NIGHTS + 1, 5))
            false += any(one is not None and one.change > 0.03 for one in late)
    print(f"noise 1.0 %: {false} false alarms of drift in {pages * NIGHTS} nights of a page of {SERIES} series")


if __name__ == "__main__":
    main()
