"""The benchmarks of inner loops: each does its work, and pyperf's workers leave a file that can be compared."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyperf
import pytest

from harness.history.pyperf_entry import entry_of_pyperf
from harness.measure.machine.environment import instructions, machine_fingerprint
from harness.runs.write import provenance

BENCH = Path(__file__).parent / "bench"


@pytest.fixture
def kernels(monkeypatch):
    """The script as a module, with sizes that take no time."""
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    import kernels

    for name, size in {"DOCUMENTS": 200, "TERMS": 400, "TEXTS": 2, "TOKENS": 3, "HIDDEN": 8}.items():
        monkeypatch.setattr(kernels, name, size)
    return kernels


def test_every_kernel_does_its_work(kernels):
    works = {name: kernel() for name, (kernel, _) in kernels.KERNELS.items()}
    results = {name: work() for name, work in works.items()}
    assert 0 < results["search_segment"] <= 2 * kernels.K
    assert results["search_segment"] == works["search_segment"]()
    assert len(results["pack_segment"].impacts) > kernels.DOCUMENTS
    assert results["streamed_head"].shape == (2, 400)
    assert results["encode_query"].shape == (1, 400)
    assert results["encode_query"].nnz
    ids, scores = results["faiss_flat"]
    assert len(np.unique(ids)) == scores.size == kernels.K


def test_workers_of_pyperf_leave_a_file_with_their_processes(tmp_path):
    script, out = tmp_path / "few.py", tmp_path / "few.json"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(BENCH)!r})\nimport kernels\n"
        "for name in list(kernels.KERNELS):\n    if name != 'faiss_flat':\n        del kernels.KERNELS[name]\n"
        "kernels.main()\n"
    )
    options = ("-p", "2", "-n", "3", "-w", "1", "-l", "2", "-o", str(out), "--quiet")
    subprocess.run([sys.executable, str(script), *options], check=True, capture_output=True, timeout=300)
    (benchmark,) = pyperf.BenchmarkSuite.load(str(out)).get_benchmarks()
    assert benchmark.get_name() == "faiss_flat"
    assert [(len(run.values), len(run.warmups)) for run in benchmark.get_runs() if run.values] == [(3, 1), (3, 1)]
    assert benchmark.get_metadata()["size"] == "600 x 384, k = 100"
    entry = entry_of_pyperf(out)
    assert (entry.spec, entry.records[0].system) == ("pyperf:kernels", "faiss_flat")
    assert entry.machine == f"{machine_fingerprint()} {instructions()}"
    assert entry.revision == provenance()["git revision"]
