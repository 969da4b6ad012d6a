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
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Repeated:
    """What a script needs of one run.

    Attributes:
        name: Of the run among those of the paper.
        spec: What `laconic-bench run` is given: the name of a shipped spec, or a file beside the script.
        overrides: Settings of the command line.
        variables: Of the environment, that the spec names.
        made_by: Version and revision of the program.
    """

    name: str
    spec: str
    overrides: Sequence[str]
    variables: Sequence[str]
    made_by: str


def repeated(name: str, run: RunData) -> Repeated:
    """What the script needs of a run."""
    facts = run.facts
    shipped = {hashlib.sha256(file.read_bytes()).hexdigest(): known for known, file in shipped_specs().items()}
    provenance = facts["provenance"]
    named = [key for key in ("laconic-bench", "git revision", "git changes") if key in provenance]
    made_by = ", ".join(f"{key} {_line(provenance[key])}" for key in named)
    return Repeated(
        name, shipped.get(facts["spec_hash"], f"specs/{name}.toml"), facts["overrides"],
        sorted(set(_VARIABLE.findall(facts["spec_text"] + " ".join(facts["overrides"])))), made_by,
    )  # fmt: skip


def constraints(runs: Sequence[RunData]) -> str:
    """The versions of libraries that the runs recorded, as pip's constraints; the first run decides."""
    pins: dict[str, str] = {}
    for run in runs:
        for name, version in run.facts["environment"].get("Software", {}).items():
            if name not in ("system", "Python") and _PLAIN.fullmatch(name) and version[:1].isdigit():
                pins.setdefault(name, version.partition("+")[0])
    return "# Versions of the libraries that were used.\n" + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins))


def script(rows: Sequence[Repeated]) -> str:
    """The script, for sh."""
    lines = [
        "#!/bin/sh",
        "# Written by laconic-bench: measures again what this paper reports, and compares the numbers.",
        "# What a repetition must give again (quality, bytes, operations) has to agree to the last digit printed.",
        "# Times are left out: they are of one machine.",
        "#",
        *(f"# {row.name}: {row.made_by}" for row in rows),
        "# The same libraries: python -m pip install -c constraints.txt laconic-bench",
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    for name in sorted({name for row in rows for name in row.variables}):
        lines.append(f': "${{{name}:?set it to the data that the spec names}}"')
    for row in rows:
        settings = "".join(f" --set {shlex.quote(text)}" for text in row.overrides)
        lines.append(f"laconic-bench run {shlex.quote(row.spec)}{settings} --out {_folder(row)}")
    lines.append(f"laconic-bench paper {' '.join(map(_folder, rows))} --out . --check --repeatable")
    return "\n".join(lines) + "\n"


def _folder(row: Repeated) -> str:
    return shlex.quote(f"repeated/{row.name}")


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
