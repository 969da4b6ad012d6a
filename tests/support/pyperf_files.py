"""Files of pyperf whose values are known."""

import numpy as np
import pyperf

MACHINE = {"cpu_model_name": "A", "cpu_count": 2, "platform": "Linux-5.10.0-28-amd64-x86_64", "hostname": "h"}


def write_pyperf_file(path, *, day=None, unit="second", about=MACHINE, **benchmarks):
    """A file with one benchmark a keyword (processes x values), measured on a day of January 2026 where one is given.

    Each has a calibration first, as pyperf's manager leaves it.
    """
    made = []
    date = {} if day is None else {"date": f"2026-01-{day:02d} 04:00:00"}
    for name, rows in benchmarks.items():
        facts = {**about, **date, "name": name, "unit": unit}
        runs = [pyperf.Run([], warmups=[(1, 9.0)], metadata={**facts, "calibrate_loops": 1}, collect_metadata=False)]
        runs += [
            pyperf.Run(list(row), warmups=[(1, 5.0)], metadata=facts, collect_metadata=False)
            for row in np.asarray(rows).tolist()
        ]
        made.append(pyperf.Benchmark(runs))
    pyperf.BenchmarkSuite(made).dump(str(path), replace=True)
    return path
