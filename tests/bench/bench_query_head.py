"""A query's encoding with the screened head against the whole head in float32: processor time, one thread.

    python tests/bench/bench_query_head.py --queries ../shared/collections/scifact/queries.jsonl

Both sides take turns: one encodes all queries, each alone, then the other does. Printed are the median over the turns,
the ratio of each turn, and the largest difference of a weight; terms must be the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from pathlib import Path
from statistics import median

import torch

from harness.encoders import registry
from harness.measure.machine.environment import cpu_model, instructions

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = tomllib.loads((ROOT / "experiments/quickstart.toml").read_text(encoding="utf-8"))["encoders"]


def opened(name: str, folder: Path):
    table = {key: value for key, value in ENCODERS[name].items() if key not in ("type", "pairs")}
    maker = registry.get(ENCODERS[name]["type"])
    encoder = maker(maker.Params(**table))
    encoder.fit(folder)
    return encoder.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, required=True, help="queries.jsonl in BEIR's layout")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = given.queries.read_text(encoding="utf-8").split("\n")
    queries = [json.loads(line)["text"] for line in lines[: given.count] if line]
    print(f"{cpu_model()} ({instructions()})")
    for name in ("splade-tiny", "laconic"):
        with tempfile.TemporaryDirectory() as folder:
            encoder = opened(name, Path(folder))
            screen, times = encoder.screen, {"whole": [], "screened": []}
            if screen is None:
                print(f"{name}: this processor has no kernel for a rough head")
                continue
            for _ in range(given.turns):
                rows = {}
                for side, its_screen in (("whole", None), ("screened", screen)):
                    encoder.screen = its_screen
                    begun = time.process_time()
                    rows[side] = [encoder.encode_queries([query]) for query in queries]
                    times[side].append((time.process_time() - begun) / len(queries) * 1e3)
            pairs = list(zip(rows["whole"], rows["screened"], strict=True))
            assert all(a.indices.tolist() == b.indices.tolist() for a, b in pairs)
            ratios = sorted(b / a for a, b in zip(times["whole"], times["screened"], strict=True))
            print(
                f"{name}, {type(screen.rough).__name__}: whole {median(times['whole']):.2f} ms a query, screened "
                f"{median(times['screened']):.2f}; ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
                f"largest difference of a weight {max(abs(a - b).max() for a, b in pairs):.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
