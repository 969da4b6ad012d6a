"""A script that measures again what a paper reports, and compares the numbers."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.spec.shipped import shipped_specs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData

SCRIPT = "reproduce.sh"
PROGRAM = "laconic-bench"
PROVENANCE = {
    PROGRAM: PROGRAM,
    "git revision": "started in a folder with git revision",
    "git changes": "changes there:",
}
"""What a run records of the program, and the words before it."""
AGAIN = " (again)"
"""Behind the name of a system that the null control times a second time."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Repeated:
    """What a script needs of one run.

    Attributes:
        name: Of the run among those of the paper.
        spec: What `laconic-bench run` is given: the name of a shipped spec, or a file beside the script.
        options: Of that command, such as ``--set seed=1``, ``--only BM25`` and ``--null``; each word is quoted for sh.
        variables: Of the environment, that the spec names.
        version: Of laconic-bench; "" where the run does not say it.
        made_by: Version and revision of the program.
    """

    name: str
    spec: str
    options: Sequence[str]
    variables: Sequence[str]
    version: str
    made_by: str


def repeated(name: str, run: RunData) -> Repeated:
    """What the script needs of a run."""
    facts = run.facts
    shipped = {hashlib.sha256(file.read_bytes()).hexdigest(): known for known, file in shipped_specs().items()}
    provenance = facts["provenance"]
    made_by = ", ".join(f"{title} {_line(provenance[key])}" for key, title in PROVENANCE.items() if key in provenance)
    return Repeated(
        name, shipped.get(facts["spec_hash"], f"specs/{name}.toml"), _options(run),
        sorted(set(_VARIABLE.findall(facts["spec_text"] + " ".join(facts["overrides"])))),
        _version(run), made_by,
    )  # fmt: skip


def _options(run: RunData) -> list[str]:
    """What the run was given besides its spec: settings, the commits of its models, systems, and the null control."""
    facts = run.facts
    command = facts["command"].split()  # an older version recorded nothing else
    names = list(dict.fromkeys(row["name"] for row in run.systems)) if "--only" in command else []
    null = facts.get("null", "--null" in command)
    if "only" in facts:
        names = facts["only"]
    elif null:
        names = [name for name in names if not name.endswith(AGAIN)]
    options = [f"--set {shlex.quote(text)}" for text in (*facts["overrides"], *facts.get("pins", []))]
    options += [f"--only {shlex.quote(name)}" for name in names]
    return [*options, "--null"] if null else options


def _version(run: RunData) -> str:
    version = run.facts["provenance"].get(PROGRAM, "")
    return version if _PLAIN.fullmatch(version) else ""


def constraints(runs: Sequence[RunData]) -> str:
    """The versions of laconic-bench and the libraries that the runs recorded, as pip's constraints.

    The first run that has one decides.
    """
    pins: dict[str, str] = {}
    for run in runs:
        if version := _version(run):
            pins.setdefault(PROGRAM, version)
        for name, version in run.facts["environment"].get("Software", {}).items():
            if name not in ("system", "Python") and _PLAIN.fullmatch(name) and version[:1].isdigit():
                pins.setdefault(name, version.partition("+")[0])
    return "# Versions of laconic-bench and of the libraries that were used.\n" + "".join(
        f"{name}=={pins[name]}\n" for name in sorted(pins)
    )


def script(rows: Sequence[Repeated]) -> str:
    """The script, for sh."""
    lines = [
        "#!/bin/sh",
        "# Written by laconic-bench: measures again what this paper reports, and compares the numbers.",
        "# What a repetition must give again (quality, bytes, operations) has to agree to the last digit printed.",
        "# Times are left out: they are of one machine.",
        "#",
        *(f"# {row.name}: {row.made_by}" for row in rows),
        "# The same versions: python -m pip install -c constraints.txt laconic-bench",
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    for name in sorted({name for row in rows for name in row.variables}):
        lines.append(f': "${{{name}:?set it to the data that the spec names}}"')
    for row in rows:
        if row.version:
            lines.append(f'[ "$(laconic-bench --version)" = {shlex.quote(f"{PROGRAM} {row.version}")} ] ||')
            lines.append(
                f"  echo {shlex.quote(f'{row.name} was made by {PROGRAM} {row.version}, here is another')} >&2"
            )
        lines.append(" ".join(["laconic-bench run", shlex.quote(row.spec), *row.options, "--out", _folder(row)]))
    lines.append(f"laconic-bench paper {' '.join(map(_folder, rows))} --out . --check --repeatable")
    return "\n".join(lines) + "\n"


def _folder(row: Repeated) -> str:
    return shlex.quote(f"repeated/{row.name}")


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
