"""A run on a system without /proc, /sys and pinned processes, as macOS has none: it leaves out what needs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_specs import ONCE, load_small, write_spec

from harness.measure import memory
from harness.measure.machine.page_cache import drop_cache
from harness.pipeline.plan.search_stages import can_pin

HIDE = """
import builtins, io, os, sys

for name in ("sched_getaffinity", "sched_setaffinity", "pidfd_open", "posix_fadvise"):
    delattr(os, name)

def hidden(real):
    def call(path, *arguments, **more):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        there = isinstance(path, (str, os.PathLike)) and os.fspath(path)[:6] in ("/proc/", "/sys/f", "/sys/d", "/sys/k")
        if there and not caller.startswith("psutil"):  # on another system psutil reads elsewhere
            raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
        return real(path, *arguments, **more)
    return call

builtins.open = io.open = hidden(io.open)
for name in ("open", "stat", "lstat", "listdir", "scandir"):
    setattr(os, name, hidden(getattr(os, name)))
"""


def test_a_system_without_proc_measures_all_but_memory_and_says_so(tmp_path):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(HIDE)
    write_spec(tmp_path, measure={**ONCE, "memory_limit": 8_000_000_000, "only": ["quality", "memory"]})
    done = subprocess.run(
        [sys.executable, "-c", "from harness.start import main; main()", "run", "small.toml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(modules), *filter(None, sys.path)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/small"
    facts = json.loads((folder / "run.json").read_text())
    assert list(facts["unmeasured"]) == ["memory"]
    assert any(
        note.startswith("The memory of indexes, services and builds was not measured: ") for note in facts["notes"]
    )
    metrics = {json.loads(line)["metric"] for line in (folder / "records.jsonl").read_text().splitlines()}
    assert {"ndcg@10", "index_bytes", "build_seconds"} <= metrics
    assert not {name for name in metrics if name.startswith(("resident", "service", "build_peak"))}
    assert (
        "Resident memory and the memory of the service were not measured: this system has no"
        in (folder / "report.html").read_text()
    )


def test_what_other_systems_lack_is_not_asked_for(tmp_path, monkeypatch):
    measure = load_small(tmp_path, measure={**ONCE, "threads": 1}).head.measure
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for name in ("sched_getaffinity", "sched_setaffinity", "posix_fadvise"):
        monkeypatch.delattr(os, name, raising=False)
    assert not can_pin(measure)
    with pytest.raises(OSError, match="cannot be asked to drop files"):
        drop_cache([tmp_path])


def test_resident_size_stands_for_what_only_linux_tells(monkeypatch):
    present = memory.status_bytes(os.getpid(), "VmRSS")
    assert memory.status_bytes(os.getpid(), "VmHWM") == memory.peak() >= present
    monkeypatch.setattr(memory, "STATUS", Path("/nowhere"))
    monkeypatch.setattr(memory, "sizes", lambda path: Path("/nowhere").read_bytes())
    assert memory.status_bytes(os.getpid(), "RssAnon") == pytest.approx(present, rel=0.2)
    assert memory.status_bytes(os.getpid(), "VmHWM") == memory.peak() == 0  # not one that another process had
    assert memory.status_bytes(2**22 + 1, "RssAnon") == 0
