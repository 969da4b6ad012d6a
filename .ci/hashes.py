"""Write constraints-hashed.txt: the pins of constraints.txt with the SHA-256 of every wheel that CI installs.

CI runs each supported CPython on 64-bit x86 Linux with CPU builds of torch. pip says which wheel it would choose there;
nothing is installed.

    python .ci/hashes.py            # ask the registry for what changed, and write the file
    python .ci/hashes.py --all      # ask for everything; takes minutes
    python .ci/hashes.py --check    # whether the file belongs to constraints.txt; asks nobody

PyTorch has an index of its own for CPU builds (PIP_EXTRA_INDEX_URL, see ci.yml). Where it is not reached, the hashes of
torch in the file stay, as long as its version does. Where pip fails for one Python, the whole file stays as it is.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from wheels import PYTHONS, ROOT, applies, chosen, pinned

if TYPE_CHECKING:
    from collections.abc import Callable

CONSTRAINTS, HASHED = ROOT / "constraints.txt", ROOT / "constraints-hashed.txt"
HEAD = """\
# Written by `nox -s hashes` from constraints.txt: every wheel that CI installs, on 64-bit x86 Linux with CPU builds of
# torch. To install by it, see CONTRIBUTING.md.
"""
CPU_BUILDS = {"torch"}
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?!\S)")
Hashes = dict[str, set[str]]


def read(text: str) -> dict[str, tuple[Requirement, set[str]]]:
    """The pins of a file with hashes, by normalised name."""
    lines = text.replace("\\\n", " ").split("\n")
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    parsed = [(Requirement(line.partition("--hash")[0].strip()), set(HASH.findall(line))) for line in pins]
    return {_name(pin): (pin, hashes) for pin, hashes in parsed}


def write(pins: list[Requirement], hashes: Hashes) -> str:
    """The file, sorted by name."""
    lines = []
    for pin in sorted(pins, key=lambda pin: _name(pin)):
        lines.append(" \\\n    --hash=sha256:".join([str(pin), *sorted(hashes[_name(pin)])]))
    return HEAD + "".join(f"{line}\n" for line in lines)


def gather(
    pins: list[Requirement], choose: Callable[[list[Requirement], str], list[dict[str, Any]] | str]
) -> tuple[Hashes, list[str], list[str]]:
    """Hashes by name, and one line for each Python where pip fails, and for each where it reaches no CPU build.

    Args:
        pins: The pins.
        choose: As `wheels.chosen`.
    """
    hashes: Hashes = {}
    failures, unreached = [], []
    with ThreadPoolExecutor(len(PYTHONS)) as pool:
        reports = list(pool.map(lambda python: choose([pin for pin in pins if applies(pin, python)], python), PYTHONS))
    for python, report in zip(PYTHONS, reports, strict=True):
        if isinstance(report, str):
            failures.append(f"CPython {python}: {report}")
            continue
        for entry in report:
            name = canonicalize_name(entry["metadata"]["name"])
            if name in CPU_BUILDS and not entry["metadata"]["version"].endswith("+cpu"):
                unreached.append(f"CPython {python}: no CPU build of {name} is reached; set PIP_EXTRA_INDEX_URL")
            else:
                hashes.setdefault(name, set()).add(entry["download_info"]["archive_info"]["hashes"]["sha256"])
    return hashes, failures, unreached


def problems_of(constraints: str, hashed: str) -> list[str]:
    """What keeps a file with hashes from being the one of these constraints; nobody is asked."""
    wanted = {_name(pin): str(pin) for pin in pinned(constraints)}
    present = read(hashed)
    lines = [f"{name} is missing" for name in sorted(wanted.keys() - present.keys())]
    lines += [f"{name} is not in constraints.txt" for name in sorted(present.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & present.keys()):
        pin, hashes = present[name]
        if str(pin) != wanted[name]:
            lines.append(f"{pin} stands where constraints.txt has {wanted[name]}")
        if not hashes:
            lines.append(f"{name} has no hash")
    # pip asks the registry that its user has set; a file that names one would overrule it
    lines += [f"a host or an option is named: {line}" for line in hashed.split("\n") if _names_a_host(line)]
    return lines


def _name(pin: Requirement) -> str:
    return canonicalize_name(pin.name)


def _names_a_host(line: str) -> bool:
    return not line.startswith("#") and ("//" in line or (line.startswith("-") and not line.startswith("--hash")))


def renew(*, asked_anew: bool) -> int:
    """Write the file; 1 where a hash would be missing, and then the file stays as it is.

    Args:
        asked_anew: For every pin, also where its version stayed.
    """
    pins = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
    before = read(HASHED.read_text(encoding="utf-8")) if HASHED.exists() else {}
    known = {name: digests for name, (pin, digests) in before.items() if str(pin) in map(str, pins)}
    asked = [pin for pin in pins if asked_anew or not known.get(_name(pin))]
    hashes, failures, unreached = gather(asked, chosen)
    if unreached and not all(known.get(name) for name in CPU_BUILDS):
        failures += unreached
    for name, digests in known.items():
        if not asked_anew or name in CPU_BUILDS:
            hashes[name] = hashes.get(name, set()) | digests
    if missing := [pin.name for pin in pins if not hashes.get(_name(pin))]:
        failures.append(f"no hash is known of {', '.join(missing)}")
    if failures:
        print("\n".join([*failures, f"{HASHED.name} stays as it was"]))
        return 1
    new = HASHED.with_suffix(".new")
    new.write_text(write(pins, hashes), encoding="utf-8")
    new.replace(HASHED)
    print("\n".join([f"{HASHED.name}: {len(pins)} pins, {sum(map(len, hashes.values()))} hashes", *unreached]))
    return 0


def main(arguments: list[str]) -> int:
    """Write or check the file; 1 where something is wrong."""
    if "--check" not in arguments:
        return renew(asked_anew="--all" in arguments)
    hashed = HASHED.read_text(encoding="utf-8") if HASHED.exists() else ""
    problems = problems_of(CONSTRAINTS.read_text(encoding="utf-8"), hashed)
    print("\n".join([*problems, "run nox -s hashes"] if problems else [f"{HASHED.name} belongs to constraints.txt"]))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
