"""Was a million documents predicted from 200,000 and fewer? python tests/scale/predicted.py RUN_FOLDER

The folder is of a run of experiments/scaling.toml with a largest collection of at least five times the second largest.
"""

import sys
from pathlib import Path

from harness.runs.read import load_run
from reports.formatting import number
from reports.sections.scaling import growths

TARGETS = {"index_bytes": 0.03, "latency_search/p50": 0.25}
"""Relative errors that are aimed at."""


def main():
    run = load_run(Path(sys.argv[1]))
    print("| system | metric | law | predicted | 95 % interval | measured | error | aimed at |")
    print("|---|---|---|---|---|---|---|---|")
    for one in growths(run):
        checked = one.check(share=0.2)
        if checked is None:
            continue
        found, real, error = checked
        aim = TARGETS.get(one.metric)
        verdict = "" if aim is None else f"{aim:.0%}: {'met' if abs(error) <= aim else 'missed'}"
        low, high, unit = number(found.low, one.unit), number(found.high, one.unit), one.unit
        print(
            f"| {one.system} | {one.metric} | {one.law.form} | {number(found.value, unit)} | {low} to {high} | "
            f"{number(real, unit)} | {error:+.1%} | {verdict} |"
        )
    stages = [stage for stage in run.facts["stages"] if stage.get("peak_bytes")]
    worst = max(stages, key=lambda stage: stage["peak_bytes"])
    print(
        f"\n{len(stages)} stages; highest resident size (VmHWM) {worst['peak_bytes'] / 2**30:.2f} GiB: {worst['label']}"
    )


if __name__ == "__main__":
    main()
