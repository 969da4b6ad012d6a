"""Packages that are installed for one test: a module, a version, and entry points."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"
KEYS = """
import json, sys
from pathlib import Path
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import system_stages
from harness.spec.load import load_spec
systems = system_stages(load_spec(Path(sys.argv[1]), REGISTRIES), "machine")
stages = {stage.kind: stage for system in systems for stage in (*system.all(), *system.extras)}
print(json.dumps({kind: {"key": stage.key, **stage.recipe} for kind, stage in stages.items()}))
"""


def example(title):
    """What docs/extending.md shows under a heading: (name of the module, its code, TOML blocks)."""
    text = DOCUMENT.read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", section[1], re.DOTALL)
    return re.match(r"# (\w+)\.py\n", code)[1], code, re.findall(r"```toml\n(.*?)```", section[1], re.DOTALL)


def install(site, module, code, entry_points, version="1.0"):
    """Make a distribution, named after its module, that a process with `site` on its path finds.

    `entry_points` is the TOML of a pyproject: ``[project.entry-points."GROUP"]``.
    """
    info = site / f"{module}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(code)
    name = module.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    group, lines = re.match(r'\[project\.entry-points\."(.+?)"\]\n(.*)', entry_points, re.DOTALL).groups()
    (info / "entry_points.txt").write_text(f"[{group}]\n" + lines.replace('"', ""))


def python(site, *arguments, cwd):
    """Run Python with the packages of `site`; return the finished process."""
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def recipes(site, spec):
    """The recipe, with its key, of one stage of each kind."""
    done = python(site, "-c", KEYS, str(spec), cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(site, spec, name):
    """Run a spec of this name to its end; its run folder, its records, and its report."""
    done = python(site, "-c", "from harness.start import main; main()", "run", str(spec), cwd=spec.parent)
    assert done.returncode == 0, done.stderr
    folder = spec.parent / "runs" / name
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return folder, records, (folder / "report.html").read_text()
