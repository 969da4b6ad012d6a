"""What does a training process hold of millions of pairs? python tests/scale/pairs_memory.py --pairs 10000000

Makes pairs of made-up words as a table in a folder (by default of TMPDIR), and lets processes of their own hold some of
them out, sort them into topics if that is asked for, and draw batches as a training does. Prints the largest resident
size of each process (VmHWM), torch included, and what of it is the program's without any pairs.
"""

import argparse
import multiprocessing
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))


def peak():
    """Largest resident size of this process so far, in MB (1e6 bytes)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def make(path, count, words):
    """A table of pairs whose passages have about this number of words; every thousandth passage stands twice."""
    from harness.collections.base import Pair
    from harness.collections.pair_table import PairWriter

    drawn = random.Random(1)  # noqa: S311
    vocabulary = ["".join(drawn.choices("abcdefghijklmnoprstuvw", k=drawn.randint(3, 9))) for _ in range(50_000)]
    stock = [" ".join(drawn.choices(vocabulary, k=words)) for _ in range(2000)]
    with PairWriter(path) as writer:
        for number in range(count):
            body = stock[number % len(stock)]
            twin = number - 1 if number % 1000 == 1 else number
            writer.add(Pair(f"{vocabulary[number % 50_000]} {number}", f"{twin} {body}"))


def watched(path, topics, steps, results):
    """Draw batches and send what this process held at most."""
    import torch  # noqa: F401

    from harness.collections.pair_table import PairTable
    from harness.training import loop  # noqa: F401
    from harness.training.batches import batches, hold_out
    from harness.training.params import TrainingParams

    empty, started = peak(), time.perf_counter()
    rest, held = hold_out(PairTable(path), 1000, 1)
    params = TrainingParams(steps=steps, pairs_per_step=2048, topics=topics)
    drawn = batches(rest, params, 1)
    next(drawn)
    first = time.perf_counter() - started
    for _ in drawn:
        pass
    results.put((len(rest), len(held), empty, peak(), first, time.perf_counter() - started - first))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--words", type=int, default=40, help="of a passage")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--topics", type=int)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    spawned = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as made:
        path = (given.folder or Path(made)) / "pairs.arrow"
        if not path.exists():
            maker = spawned.Process(target=make, args=(path, given.pairs, given.words))
            maker.start()
            maker.join()
        print(f"{path.stat().st_size / 1e9:.2f} GB on disk")
        results = spawned.Queue()
        own = (path, given.topics, given.steps, results)
        processes = [spawned.Process(target=watched, args=own) for _ in range(given.processes)]
        for process in processes:
            process.start()
        for _ in processes:
            rest, held, empty, most, first, others = results.get()
            print(
                f"{rest} pairs to train on, {held} held out: at most {most:.0f} MB resident, {empty:.0f} MB of them "
                f"without pairs; first batch after {first:.0f} s, {given.steps - 1} more in {others:.1f} s"
            )
        for process in processes:
            process.join()


if __name__ == "__main__":
    main()
