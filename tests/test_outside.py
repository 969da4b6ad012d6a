"""What stands around the code: set-up, checks of pull requests, hooks, the site, the changelog, the guide."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import harness

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
TYPES = {entry["directory"] for entry in PYPROJECT["tool"]["towncrier"]["type"]}
SESSIONS = set(re.findall(r"@nox\.session.*\ndef (\w+)\(", (ROOT / "noxfile.py").read_text()))
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def loaded(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wheels = loaded(ROOT / ".ci" / "wheels.py", "wheels")
PINNED = {canonicalize_name(one.name): one for one in wheels.pinned((ROOT / "constraints.txt").read_text())}


def metadata(**versions):
    """Core metadata of packages as pip reports it: `name=(version, *requirements)`."""
    return {name: {"version": first, "requires_dist": list(needs)} for name, (first, *needs) in versions.items()}


# Set-up


def test_every_supported_python_is_declared_and_checked():
    tags = [tag.rpartition(" ")[2] for tag in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", tag)]
    assert tuple(tags) == wheels.PYTHONS
    assert PROJECT["requires-python"] == f">={wheels.PYTHONS[0]}"


@pytest.mark.parametrize("python", wheels.PYTHONS)
def test_each_declared_package_is_pinned_for_each_python(python):
    for one in wheels.declared(PYPROJECT):
        if not wheels.applies(one, python):
            continue
        pin = PINNED.get(canonicalize_name(one.name))
        assert pin is not None, f"{one.name} has no line in constraints.txt"
        assert wheels.applies(pin, python), f"{one.name} is declared for {python}, but its pin is not"
        (version,) = [spec.version for spec in pin.specifier]
        assert one.specifier.contains(version), f"{one} is pinned to {version}"


def test_each_pin_is_one_version_and_stands_once():
    lines = wheels.pinned((ROOT / "constraints.txt").read_text())
    assert len(PINNED) == len(lines)
    assert all([spec.operator for spec in one.specifier] == ["=="] for one in lines)


@pytest.mark.parametrize(("package", "last"), [("pyseismic-lsr", 1), ("kannolo", 3)])
def test_an_engine_without_wheels_is_asked_for_only_where_it_has_one(package, last):
    (one,) = [Requirement(text) for text in PROJECT["optional-dependencies"]["engines"] if package in text]
    for wanted in (one, PINNED[package]):
        assert [python for python in wheels.PYTHONS if wheels.applies(wanted, python)] == list(wheels.PYTHONS)[:last]


def test_markers_are_evaluated_for_the_python_asked_and_not_for_this_one():
    one = Requirement("a; python_version < '3.12'")
    assert [wheels.applies(one, python) for python in wheels.PYTHONS] == [True, False, False, False]
    assert not wheels.applies(Requirement("a; sys_platform == 'win32'"), "3.11")


def test_an_extra_is_followed_only_where_it_is_asked_for():
    one = Requirement("b; extra == 'fast'")
    assert not wheels.applies(one, "3.12")
    assert wheels.applies(one, "3.12", frozenset({"fast"}))


def test_lines_of_constraints_are_read_without_comments():
    text = "# a heading\n\na==1 # why\nb==2; python_version < '3.12'\n"
    assert [str(one) for one in wheels.pinned(text)] == ["a==1", 'b==2; python_version < "3.12"']


def test_what_is_declared_is_gathered_from_dependencies_extras_and_groups():
    project = {
        "project": {"dependencies": ["a>=1"], "optional-dependencies": {"more": ["b"]}},
        "dependency-groups": {"test": ["c"], "dev": [{"include-group": "test"}, "d"]},
    }
    assert [one.name for one in wheels.declared(project)] == ["a", "b", "c", "d"]


def test_a_complete_set_has_no_problem():
    pins = metadata(a=("1.0", "b>=2"), b=("2.1", "a"))
    assert wheels.missing([Requirement("a>=1")], pins, "3.12") == []


def test_a_dependency_of_a_dependency_without_a_line_is_named():
    pins = metadata(a=("1.0", "b"), b=("2.0", "c>=3"))
    assert wheels.missing([Requirement("a")], pins, "3.12") == ["c, which b needs, has no line"]


def test_a_pin_that_is_too_old_is_named_with_who_wants_more():
    assert wheels.missing([Requirement("a")], metadata(a=("1.0", "b>=3"), b=("2.0",)), "3.12") == [
        "a needs b>=3, pinned is 2.0"
    ]


def test_a_dependency_of_another_python_or_an_extra_not_asked_for_is_not_missed():
    pins = metadata(a=("1.0", "old; python_version < '3.12'", "more; extra == 'all'"))
    assert wheels.missing([Requirement("a")], pins, "3.12") == []
    assert wheels.missing([Requirement("a")], pins, "3.11") == ["old, which a needs, has no line"]
    assert wheels.missing([Requirement("a[all]")], pins, "3.12") == ["more, which a needs, has no line"]


def test_an_extra_asked_for_later_is_followed_though_the_package_was_seen():
    pins = metadata(a=("1.0", "more; extra == 'all'"), b=("1.0", "a[all]"))
    assert wheels.missing([Requirement("a"), Requirement("b")], pins, "3.12") == ["more, which a needs, has no line"]


def test_libraries_that_torch_names_for_its_own_build_need_no_line():
    pins = metadata(torch=("2.0", "nvidia-cublas-cu12", "triton", "setuptools", "sympy"))
    assert wheels.missing([Requirement("torch")], pins, "3.12") == ["sympy, which torch needs, has no line"]


def test_pip_is_asked_for_wheels_of_that_python_alone(monkeypatch):
    asked = []

    def run(command, **_):
        asked.extend(command)
        report = {"install": [{"metadata": {"name": "Some_Package", "version": "1"}}]}
        Path(command[command.index("--report") + 1]).write_text(json.dumps(report))
        wanted = Path(command[command.index("-r") + 1]).read_text()
        assert wanted == "some-package==1\n"
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(wheels.subprocess, "run", run)
    found = wheels.metadata_of([Requirement("some-package==1; python_version < '4'")], "3.13")
    assert found == {"some-package": {"name": "Some_Package", "version": "1"}}
    assert {"--dry-run", "--no-deps", "--only-binary=:all:"} <= set(asked)
    assert asked[asked.index("--python-version") + 1].startswith("3.13.")


def test_what_pip_says_of_a_missing_wheel_is_passed_on_and_fails(monkeypatch, capsys):
    said = "WARNING: old\nERROR: Ignored the following versions: many\nERROR: No matching distribution found for a==1\n"
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1, stderr=said))
    assert wheels.main(["3.14"]) == 1
    assert capsys.readouterr().out == "CPython 3.14: ERROR: No matching distribution found for a==1\n"


def test_each_python_is_checked_where_none_is_named(monkeypatch, capsys):
    monkeypatch.setattr(wheels, "check", lambda python: [])
    assert wheels.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [f"CPython {python}: wheels for all" for python in wheels.PYTHONS]


# Dependencies


@pytest.mark.parametrize(
    "package", sorted({canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]})
)
def test_each_dependency_has_its_reason(package):
    first = [
        line.split("|")[1] for line in (ROOT / "docs/dependencies.md").read_text().splitlines() if line[:2] == "| "
    ]
    named = {canonicalize_name(word) for cell in first for word in re.findall(r"[A-Za-z][\w.-]*", cell)}
    assert package in named


def test_each_reason_is_of_a_package_that_is_declared():
    declared = {canonicalize_name(one.name) for one in wheels.declared(PYPROJECT)}
    rows = [line for line in (ROOT / "docs/dependencies.md").read_text().splitlines() if line.startswith("| ")]
    cells = [re.sub(r"\(.*?\)", "", row.split("|")[1]) for row in rows if "not installed" not in row]
    named = {
        canonicalize_name(word)
        for cell in cells
        if cell.strip() != "package"
        for word in re.findall(r"[A-Za-z][\w.-]*", cell)
    }
    assert named <= declared


# Workflows and hooks


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_name_their_permissions_and_end(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"]
    assert "write-all" not in path.read_text()
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        assert job["steps"][0]["uses"].startswith("actions/checkout@")


def test_pull_requests_are_checked_on_every_python_without_a_right_to_write():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert "pull_request" in workflow[True]  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    assert tuple(workflow["jobs"]["tests"]["strategy"]["matrix"]["python-version"]) == wheels.PYTHONS
    commands = " ".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])
    for session in ("lint", "types", "tests", "docs"):
        assert re.search(rf"nox -s [\w ]*\b{session}\b", commands), session


@pytest.mark.parametrize(
    "path", [*(ROOT / ".github/workflows").glob("*.yml"), ROOT / ".ci/run"], ids=lambda path: path.name
)
def test_sessions_that_checks_start_exist(path):
    for line in path.read_text().splitlines():
        for names in re.findall(r"nox -s ([\w ]+)", line.partition(" #")[0]):
            assert set(names.split()) <= SESSIONS, line


def test_hooks_call_tools_that_the_environment_has():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    declared = {canonicalize_name(one.name) for one in wheels.declared(PYPROJECT)} | {"lint-imports"}
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        words = [word for word in hook["entry"].split() if word != "env" and "=" not in word]
        assert words[0] in declared, hook["id"]


# The site


def named_in(nav):
    for entry in nav:
        for target in entry.values():
            yield from named_in(target) if isinstance(target, list) else [target]


def site():
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def test_every_page_is_in_the_navigation_once():
    assert sorted(named_in(site()["nav"])) == PAGES


def test_the_site_is_strict_and_asks_no_other_host():
    assert site()["strict"] is True
    assert site()["theme"]["font"] is False


def in_the_reference():
    return re.findall(r"^::: ([\w.]+)$", (ROOT / "docs/api.md").read_text(), flags=re.MULTILINE)


def imported_in_documents():
    """Modules that define the classes and functions which the documents import from this project."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = page.read_text()
        for name, names in re.findall(r"^ *from (harness[\w.]*) import ([\w, ]+)$", text, flags=re.MULTILINE):
            module = importlib.import_module(name)
            things = [getattr(module, part) for part in names.split(", ")]
            yield from (thing.__module__ for thing in things if hasattr(thing, "__module__"))


def public_modules():
    """Modules of the top level, of run folders and of statistics, the contracts, and what the documents import."""
    paths = [path for part in (".", "runs", "stats") for path in (ROOT / "harness" / part).glob("*.py")]
    paths += (ROOT / "harness").rglob("base.py")
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths} | {*imported_in_documents()}
    entry_point = "harness.start"  # runs as soon as it is imported
    return {name for name in names if "._" not in name} - {entry_point}


def test_modules_of_the_api_reference_exist():
    modules = in_the_reference()
    assert len(modules) == len(set(modules)) > 10
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_every_public_module_is_in_the_api_reference():
    assert {"harness.spec.params", "harness.typed_json", "harness.metrics.base"} <= public_modules()
    assert sorted(public_modules() - {*in_the_reference()}) == []


# The changelog


FRAGMENTS = sorted(path for path in (ROOT / "changelog.d").iterdir() if path.name != ".gitignore")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragments_have_a_known_type_and_whole_sentences(path):
    name, kind, suffix = path.name.split(".")
    assert name
    assert kind in TYPES
    assert suffix == "md"
    assert path.read_text().strip().endswith((".", ":", "`)."))


def test_the_changelog_has_the_place_where_fragments_go():
    assert PYPROJECT["tool"]["towncrier"]["start_string"] in (ROOT / "CHANGELOG.md").read_text()


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == harness.__version__
    assert f"## {harness.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert citation["license"] == PROJECT["license"]


# The guide


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{page}" for page in PAGES)])
def test_sessions_that_documents_name_exist(name):
    text = (ROOT / name).read_text()
    for names in re.findall(r"nox -s ((?:[a-z]+ ?)+)", text):
        assert names.split()[0] in SESSIONS, names


def test_every_session_is_in_the_guide():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert {session for session in SESSIONS if f"nox -s {session}" not in guide} == set()


def test_sessions_say_what_they_do():
    functions = [
        node for node in ast.parse((ROOT / "noxfile.py").read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    said = {node.name: ast.get_docstring(node) or "" for node in functions}
    assert {name for name in SESSIONS if not said[name].endswith(".")} == set()


def test_glossary_gives_each_term_one_row():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    table = guide.partition("## Words")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
    terms = [term.strip() for row in rows for term in row[0].split(",")]
    assert len(terms) == len(set(terms))
    assert {"qrels", "run", "posting", "impact", "active dims", "recall@k against exact"} <= set(terms)


def test_the_guide_names_every_folder_of_the_harness():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = [path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")]
    unnamed = [room for room in sorted(rooms) if f"`harness/{room}/`" not in guide]
    assert unnamed == []


def test_the_wheel_holds_both_packages_and_the_experiments():
    built = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert built["packages"] == ["harness", "reports"]
    assert built["force-include"] == {"experiments": "harness/experiments"}


def test_fragments_become_a_changelog(tmp_path):
    pytest.importorskip("towncrier", reason="towncrier is not installed in this environment")
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2030-01-01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9 (2030-01-01)" in done.stdout
    for path in FRAGMENTS:
        assert path.read_text().split()[0] in done.stdout
