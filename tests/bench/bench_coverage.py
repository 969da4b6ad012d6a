"""How often the interval of a mean over queries misses the truth, by simulation; prints a table in Markdown.

Collections of 20 to 1,000 queries, of which a share differs between two systems. "Equal": the differences have a mean
of 0. "Better": the system is better by 0.1 on the queries that differ. "Skewed": a few large gains and many small
losses, as where an answer moves to the first place. The BCa bootstrap of scipy stands beside it.

    python tests/bench/bench_coverage.py [--runs 4000] [--seed 1]
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from harness.stats.means import DIFFERENCE, mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERIES, SHARES = (20, 43, 50, 200, 1000), (0.05, 0.25, 0.60)
JUMPS, CHANCES = (1.0, 0.5, -0.37, -0.13), (0.15, 0.15, 0.3, 0.4)


def drawn(
    kind: str, runs: int, queries: int, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Differences, runs x queries, and their true mean."""
    differ = rng.random((runs, queries)) < share
    if kind == "skewed":
        gains = rng.choice(JUMPS, p=CHANCES, size=(runs, queries))
        return differ * gains, share * float(np.dot(JUMPS, CHANCES))
    shift = 0.1 if kind == "better" else 0.0
    gains = shift + np.clip(rng.normal(0, 0.3, (runs, queries)), -0.9, 0.9)
    return differ * gains, share * shift


def missed(interval: tuple[float, float], true: float) -> bool:
    """Whether the truth lies outside."""
    return not interval[0] <= true <= interval[1]


def bca(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The interval by scipy; a point where all values are equal."""
    if np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    found = stats.bootstrap((values,), np.mean, n_resamples=1000, method="BCa", rng=np.random.default_rng(seed))
    return found.confidence_interval.low, found.confidence_interval.high


def main() -> None:
    """Print a row for each kind and number of queries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--bca", type=int, default=400, help="runs that the bootstrap is tried on")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print("| systems | queries |" + "".join(f" {share:.0%} differ |" for share in SHARES))
    print("|---|---|" + "---|" * len(SHARES))
    for kind in ("equal", "better", "skewed"):
        for queries in QUERIES:
            cells = []
            for share in SHARES:
                rng = np.random.default_rng([asked.seed, queries, int(100 * share)])
                table, true = drawn(kind, asked.runs, queries, share, rng)
                ours = np.mean([missed(mean_interval(row, limits=DIFFERENCE), true) for row in table])
                theirs = np.mean([missed(bca(row, asked.seed), true) for row in table[: asked.bca]])
                cells.append(f" {ours:.1%} (BCa {theirs:.1%}) |")
            print(f"| {kind} | {queries:,} |" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
