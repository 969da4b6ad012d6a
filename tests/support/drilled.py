"""A small experiment, and what is asked of it after each drill."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from small_specs import FLAT, INVERTED, write_spec
from tests_support import numbers

COMMAND = [sys.executable, "-c", "from harness.start import main; main()"]


def prepared(folder):
    """The small experiment in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_spec(folder, indexes={**INVERTED, **FLAT})
    return folder


def start(folder, *arguments, command=("run", "small.toml"), before=(), **environment):
    """The command in a process group of its own, its output in pipes."""
    return subprocess.Popen(
        [*before, *COMMAND, *command, *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def run(folder, *arguments, **more):
    """(exit status, standard error) of a run that nobody disturbs; never a traceback."""
    process = start(folder, *arguments, **more)
    output, errors = process.communicate(timeout=900)
    assert "Traceback" not in output + errors, errors
    return process.returncode, errors


def runs_on(process, seconds):
    """Wait so long, or until it ends; whether it is still running."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def stored(folder):
    """Keys of the artefacts in the store."""
    return {path.parent.name for path in (folder / ".laconic-bench/objects").glob("*/*/manifest.json")}


def expected(folder):
    """The records of an undisturbed run, and seconds that it took."""
    began = time.monotonic()
    status, errors = run(prepared(folder))
    assert status == 0, errors
    return numbers(folder), time.monotonic() - began


def kill(process, number=signal.SIGKILL):
    """End it, and wait for it."""
    os.kill(process.pid, number)
    return process.communicate(timeout=60)


def tmpfs(size, folder):
    """Mount a small file system, or skip where that is not allowed."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    return folder


def unmount(folder):
    subprocess.run(["umount", "-l", folder], check=True)


def copied(source, folder):
    """The same experiment with a store of its own: the spec, and so every key, is that of the source."""
    return shutil.copytree(source, folder, symlinks=True)


def seeded(name):
    """A generator whose seed is printed, so that a drill can be repeated."""
    seed = int(os.environ.get("DRILL_SEED", "1"))
    print(f"\n{name}: seed {seed}")
    return random.Random(f"{name}-{seed}")  # noqa: S311
