"""Processes whose Hugging Face Hub is one on loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parent


def python(hub, home, *arguments, offline=False, check=True, **variables):
    """Run Python with a cache of its own in `home`; returns the finished process."""
    path = os.pathsep.join([str(SUPPORT), *(part for part in [os.environ.get("PYTHONPATH")] if part)])
    own = {**hub.environment(home, offline), "PYTHONPATH": path, **variables}
    others = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run([sys.executable, *map(str, arguments)], env=others | own, capture_output=True, text=True)
    assert done.returncode == 0 or not check, done.stderr[-3000:]
    return done


def compared(hub, home, folder, tasks, **settings):
    """What `tasks_through_hub.py` prints of these tasks."""
    done = python(hub, home, SUPPORT / "tasks_through_hub.py", folder, *tasks, **settings)
    return json.loads(done.stdout.splitlines()[-1])


def suite(name):
    """(task, path, revision, evaluated split) of all retrieval tasks of a benchmark, with the parts of means."""
    import mteb

    tasks = [task for task in mteb.get_benchmark(name).tasks if task.metadata.type == "Retrieval"]
    parts = [part for task in tasks for part in (task.metadata.tasks if task.is_aggregate else [task])]
    facts = [part.metadata for part in parts]
    return [(fact.name, fact.dataset["path"], fact.dataset["revision"], fact.eval_splits[0]) for fact in facts]
