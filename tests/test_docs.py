"""Documents keep their promises: links lead somewhere, specs load, commands and their options exist."""

import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from harness.cli import app as cli
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = r"(?:harness|reports|tests|experiments|docs|\.ci|\.github)"


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_whole_specs_load(path, tmp_path):
    for text in blocks(path, "toml"):
        content = tomllib.loads(text)
        if "systems" in content and "name" in content:
            (tmp_path / "spec.toml").write_text(text)
            load_spec(tmp_path / "spec.toml", REGISTRIES)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(path):
    root = typer.main.get_command(cli.app)
    for text in blocks(path, "sh"):
        for line in text.splitlines():
            words = line.partition("#")[0].partition("&&")[0].split()
            if "laconic-bench" not in words:
                continue
            rest = words[words.index("laconic-bench") + 1 :]
            command, known = root, {"--help"}
            while rest and rest[0] in getattr(command, "commands", {}):
                command = command.commands[rest.pop(0)]
            known |= {name for parameter in command.params for name in parameter.opts}
            assert command is not root or rest[:1] == ["--help"], line
            for option in (word.partition("=")[0] for word in rest if word.startswith("--")):
                assert option in known, f"{line}: {option}"
            for spec in (word for word in rest if word.startswith("experiments/")):
                assert (ROOT / spec).exists(), line


def reached(dotted):
    """Whether a dotted name leads to a module, or through one to an attribute, of this project."""
    words = dotted.split(".")
    for end in range(len(words), 0, -1):
        name = ".".join(words[:end])
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        if found is not None:
            thing = importlib.import_module(name)
            for word in words[end:]:
                if not hasattr(thing, word):
                    return False
                thing = getattr(thing, word)
            return True
    return False


@pytest.mark.parametrize(
    ("dotted", "leads"),
    [
        ("harness.spec.load", True),
        ("harness.spec.load.load_spec", True),
        ("harness.spec.load.no_such_thing", False),
        ("harness.no_such_room.load", False),
        ("reports.pages", True),
    ],
)
def test_dotted_names_are_followed(dotted, leads):
    assert reached(dotted) == leads


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_dotted_names_lead_to_a_module_or_what_it_holds(path):
    text = path.read_text(encoding="utf-8")
    dotted = re.findall(r"(?<![\w/.-])((?:harness|reports)(?:\.\w+)+)", text)
    wrong = [name for name in sorted(set(dotted)) if not name.endswith((".py", ".toml", ".md")) and not reached(name)]
    assert not wrong, f"{path.name} names what is not there"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_paths_of_sources_exist(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(rf"`({SOURCES}/[\w./-]+)`", text) + re.findall(r"python ((?:tests|\.ci)/[\w./-]+\.py)", text)
    wrong = [name for name in sorted(set(named)) if not (ROOT / name).exists()]
    assert not wrong, f"{path.name} names files that are not there"


def test_drills_can_be_started():
    """They are run seldom: their imports must hold whenever something that they use is moved."""
    files = sorted(str(path) for path in (ROOT / "tests/drills").glob("drill_*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--collect-only", *files]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "test_kills_lose_nothing" in found.stdout
