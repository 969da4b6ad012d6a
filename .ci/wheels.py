"""Check that every package of constraints.txt installs from wheels alone, on each supported Python.

pip's dry run takes `--python-version`, but it still evaluates environment markers for the Python that runs it. So this
script evaluates the markers itself, asks pip for each remaining line without its dependencies, and then follows the
dependencies through the metadata that pip reports. Nothing is installed, and no large file is downloaded.

    python .ci/wheels.py            # every supported Python
    python .ci/wheels.py 3.14       # one of them
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PATCH = "9"
"""The patch release asked for: pymdown-extensions, which the site needs, wants 3.11.5 or later."""
NOT_PINNED = re.compile(r"cuda-.*|nvidia-.*|triton|pip|setuptools")
"""What differs from machine to machine: torch names the CUDA libraries of its own build; the rest comes with Python."""


def environment(python: str) -> dict[str, str]:
    """The values of environment markers on CPython `python`, such as "3.12", on 64-bit Linux."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.{PATCH}",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "extra": "",
    }


def applies(requirement: Requirement, python: str, extras: frozenset[str] = frozenset()) -> bool:
    """Whether the requirement's marker is true on this Python, for the package itself or for one of its extras."""
    if requirement.marker is None:
        return True
    values = environment(python)
    return any(requirement.marker.evaluate(values | {"extra": extra}) for extra in ("", *sorted(extras)))


def pinned(text: str) -> list[Requirement]:
    """The requirements of a constraints file, without its comments."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def declared(project: dict[str, Any]) -> list[Requirement]:
    """Everything that pyproject.toml declares: what builds the package, dependencies, extras and groups."""
    groups = project["dependency-groups"].values()
    lists = [
        project.get("build-system", {}).get("requires", []),
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *groups,
    ]
    return [Requirement(entry) for entries in lists for entry in entries if isinstance(entry, str)]


def missing(roots: list[Requirement], metadata: dict[str, dict[str, Any]], python: str) -> list[str]:
    """One line for each requirement that the pinned set does not meet on this Python.

    Args:
        roots: Where to start.
        metadata: Core metadata by normalised name, as pip reports it (`version`, `requires_dist`).
        python: Such as "3.12".
    """
    problems: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [("pyproject.toml", root) for root in roots if applies(root, python)]
    while queue:
        parent, requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen and parent != "pyproject.toml":
            continue
        seen.add((name, extras))
        if name not in metadata:
            if not NOT_PINNED.fullmatch(name):
                problems.add(f"{requirement.name}, which {parent} needs, has no line")
            continue
        version = metadata[name]["version"]
        if not requirement.specifier.contains(version, prereleases=True):
            problems.add(f"{parent} needs {requirement.name}{requirement.specifier}, pinned is {version}")
        needs = map(Requirement, metadata[name].get("requires_dist", []))
        queue += [(name, need) for need in needs if applies(need, python, extras)]
    return sorted(problems)


def chosen(requirements: list[Requirement], python: str) -> list[dict[str, Any]] | str:
    """The report of pip: the wheel that it chooses for each requirement, or its own words where one has no wheel."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "wanted.txt", Path(folder) / "report.json"
        wanted.write_text("".join(f"{one.name}{one.specifier}\n" for one in requirements))
        command = [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet",
            "--disable-pip-version-check", "--python-version", f"{python}.{PATCH}", "--only-binary=:all:",
            "--target", str(Path(folder) / "target"), "--report", str(report), "-r", str(wanted),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line and "Ignored the" not in line]
            return "\n".join(errors or done.stderr.splitlines()[-3:])
        entries: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return entries


def metadata_of(requirements: list[Requirement], python: str) -> dict[str, dict[str, Any]] | str:
    """Core metadata of each requirement's wheel by normalised name, or pip's own words where one has no wheel."""
    entries = chosen(requirements, python)
    if isinstance(entries, str):
        return entries
    return {canonicalize_name(entry["metadata"]["name"]): entry["metadata"] for entry in entries}


def check(python: str) -> list[str]:
    """One line for each problem on this Python; none where the whole set installs from wheels."""
    wanted = [one for one in pinned((ROOT / "constraints.txt").read_text()) if applies(one, python)]
    metadata = metadata_of(wanted, python)
    if isinstance(metadata, str):
        return [metadata]
    return missing(declared(tomllib.loads((ROOT / "pyproject.toml").read_text())), metadata, python)


def main(pythons: list[str]) -> int:
    """Print the outcome for each Python; 1 where one has a problem."""
    wanted = pythons or list(PYTHONS)
    with ThreadPoolExecutor(len(wanted)) as pool:
        outcomes = list(pool.map(check, wanted))
    for python, problems in zip(wanted, outcomes, strict=True):
        print(f"CPython {python}: " + ("wheels for all" if not problems else "; ".join(problems)))
    return int(any(outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
