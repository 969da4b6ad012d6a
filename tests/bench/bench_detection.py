"""How soon steps of 5 % are found, and how often a quiet page alarms, on simulated histories; also with ruptures.

python tests/bench/bench_detection.py [HISTORIES] [--history FOLDER]

With the folder of a history of yours, noise is fitted to its nights, and simulated as fitted.
"""

import argparse
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "support")]
from nights import MEASURED, Kind, alarms, fitted, ours, simulate  # noqa: E402

from harness.stats.changes import drift  # noqa: E402

BEFORE, SERIES, NIGHTS = 40, 20, 100
ALLOWED = 1 / 200
"""False alarms a night of a page."""


class Offline:
    """A method of ruptures that is run over all nights each night: it alarms where it sees a change in the last ten."""

    def __init__(self, model, penalty):
        self.model, self.penalty = model, penalty

    def __call__(self, stretch, *, twice):
        import ruptures

        if len(stretch) < 9:
            return None
        values = np.log(np.asarray(stretch[-60:]))
        scale = 1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2) or 1e-3
        signal = ((values - np.median(values)) / scale).reshape(-1, 1)
        if self.model == "l1":
            found = ruptures.Pelt(model="l1", min_size=2, jump=1).fit(signal).predict(pen=self.penalty)
        else:
            found = ruptures.KernelCPD(kernel=self.model, min_size=2).fit(signal).predict(pen=self.penalty)
        cuts = [0, *found]
        if len(cuts) < 3 or cuts[-2] < len(signal) - 10:
            return None
        level, before = (np.median(signal[a:b]) for a, b in ((cuts[-2], cuts[-1]), (cuts[-3], cuts[-2])))
        if abs(level - before) * scale < 0.025:
            return None
        return max(len(stretch) - 60, 0) + cuts[-2], level - before


def found_within(rng, kind, step, histories, method=ours):
    """Share of histories whose step is found in the night of it or the two after, and placed on the right night."""
    soon = right = 0
    for _ in range(histories):
        page = simulate(rng, BEFORE + 3, 1, kind, step_at=BEFORE, step=step)
        found = [first for night, _, first in alarms(page, method) if night >= BEFORE]
        soon += bool(found)
        right += bool(found) and found[0] == BEFORE
    return soon / histories, right / max(soon, 1)


def false_alarms(rng, kind, pages, method=ours, nights=NIGHTS):
    """Share of nights of a page of `SERIES` series on which it alarms though nothing changed."""
    alarmed = (len({night for night, *_ in alarms(simulate(rng, nights, SERIES, kind), method)}) for _ in range(pages))
    return sum(alarmed) / (pages * nights)


def scaled(kind, noise):
    """The same kind of noise, so large that a night's robust spread is this."""
    factor = noise / np.hypot(kind.within, kind.between)
    return replace(kind, within=kind.within * factor, between=kind.between * factor)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("histories", nargs="?", type=int, default=400)
    parser.add_argument("--history", type=Path)
    given = parser.parse_args()
    rng, pages = np.random.default_rng(2026), max(given.histories // 4, 1)
    measured = fitted(given.history) if given.history else MEASURED
    print(f"{given.histories} histories a line, {pages * NIGHTS} nights of a page of {SERIES} series", flush=True)
    for label, kind in (("as measured", measured), ("as assumed", Kind())):
        print(f"noise {label}: {kind}")
        noises = sorted({0.005, 0.01, 0.015, 0.02, round(float(np.hypot(kind.within, kind.between)), 4)})
        for noise in noises:
            same = scaled(kind, noise)
            steady = replace(same, changes=0)
            five, right = found_within(rng, steady, 0.05, given.histories)
            ten, _ = found_within(rng, steady, 0.10, given.histories)
            false = false_alarms(rng, same, pages)
            print(
                f"{noise:.1%}: steps of 5 % within 3 nights {five:.1%} (on the right night {right:.1%}), of 10 % "
                f"{ten:.1%}; false alarms on {false:.3%} of nights",
                flush=True,
            )
    false = 0
    for _ in range(pages):
        for values in simulate(rng, NIGHTS, SERIES, Kind(changes=0)).values.T:
            late = (drift(values[:end], worse=1) for end in range(30, NIGHTS + 1, 5))
            false += any(one is not None and one.change > 0.03 for one in late)
    print(f"noise 1.0 %: false alarms of drift on {false / (pages * NIGHTS):.3%} of nights", flush=True)
    if importlib.util.find_spec("ruptures") is None:
        print("ruptures is not installed (it has no wheels for CPython 3.14): its methods are left out")
        return
    peers(given.histories)


def peers(histories):
    """ruptures' methods, each with the smallest penalty that keeps to the allowed share of false alarms."""
    kind = scaled(Kind(), 0.01)
    for model, penalties in (("l1", range(4, 40, 3)), ("linear", range(10, 120, 10)), ("rbf", range(1, 14))):
        for penalty in penalties:
            method = Offline(model, penalty)
            rng = np.random.default_rng(7)
            false = false_alarms(rng, kind, max(histories // 40, 1), method, 60)
            if false <= ALLOWED:
                five, right = found_within(rng, replace(kind, changes=0), 0.05, max(histories // 2, 1), method)
                print(
                    f"ruptures {model}, penalty {penalty}, noise 1.0 %: steps of 5 % within 3 nights {five:.1%} "
                    f"(on the right night {right:.1%}); false alarms on {false:.3%} of nights",
                    flush=True,
                )
                break
        else:
            print(f"ruptures {model}: more false alarms than allowed with every penalty tried")


if __name__ == "__main__":
    main()
