"""Names in the documents are names of the program: commands, options, keys, values, files, variables, metrics."""

import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
from jsonschema import Draft202012Validator

from harness.cli import app as cli
from harness.metrics.registry import METRICS
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec
from harness.spec.models import MeasureSpec
from harness.spec.schema import json_schema

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(cli.app)
SCHEMA = json_schema(REGISTRIES)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
SOURCES = [
    path
    for folder in ("harness", "reports", "tests", ".github", ".ci", "experiments")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".toml", ".yml", ".html", ".md") and path != Path(__file__)
]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in [*SOURCES, ROOT / "pyproject.toml", ROOT / "noxfile.py"])
OUTSIDE = {"HF_HUB_OFFLINE", "PIP_EXTRA_INDEX_URL", "MY_DATA", "SCIFACT", "PAIRS", "ENCODED"}
"""Variables that other programs read, or that the reader chooses."""


def spans(path):
    """What stands in backticks outside of blocks, in one line each."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def lines_of_shell(path):
    """Commands in blocks of shell, with lines that go on joined, without comments."""
    for language, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if language == "sh":
            yield from (line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines())


def tables(path):
    return [
        tomllib.loads(text) for language, text in BLOCK.findall(path.read_text(encoding="utf-8")) if language == "toml"
    ]


def options_of(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def every_command(command=COMMAND, name=""):
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, f"{name} {word}".strip())


ALL_OPTIONS = set(itertools.chain.from_iterable(options_of(command) for _, command in every_command())) | {"--no-deps"}


def wrong_in(line):
    """What a command line of this program names that is not there; choices and optional parts are taken apart."""
    words = re.sub(r"[\[\]]", "", line).split()
    words = words[words.index("laconic-bench") + 1 :]
    command = COMMAND
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands"):
        return [line]
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [option for option in options if option not in options_of(command)]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("laconic-bench run spec.toml --fresh", []),
        ("laconic-bench run spec.toml --no-such-option", ["--no-such-option"]),
        ("laconic-bench history list", []),
        ("laconic-bench history", ["laconic-bench history"]),
        ("laconic-bench walk spec.toml", ["laconic-bench walk spec.toml"]),
        ("laconic-bench claims RUN [--json]", []),
    ],
)
def test_what_is_wrong_in_a_command_is_found(line, wrong):
    assert wrong_in(line) == wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_sentences_exist(path):
    """`laconic-bench run ...` and `run --null` alike."""
    names = {name for name, _ in every_command() if name}
    wrong = []
    for span in spans(path):
        line = span if "laconic-bench " in span else f"laconic-bench {span}"
        if "laconic-bench " in span or (span.split()[0] in names and " --" in span):
            wrong += wrong_in(line)
    assert wrong == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_in_sentences_exist(path):
    scripts = "".join((ROOT / name).read_text() for name in re.findall(r"tests/[\w/]+\.py", path.read_text()))
    for span in spans(path):
        if span.startswith("--"):
            for option in re.findall(r"--[\w-]+", span):
                assert option in ALL_OPTIONS or f'"{option}"' in scripts, span


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_options_of_scripts_exist(path):
    for line in [*lines_of_shell(path), *spans(path)]:
        if found := re.search(r"python ((?:tests|\.ci)/[\w./]+\.py)(.*)", line):
            script = (ROOT / found[1]).read_text()
            missing = [option for option in re.findall(r"(--[\w-]+)", found[2]) if f'"{option}"' not in script]
            assert missing == [], line


# Specs


def names_of(schema):
    """Every key that some table of a spec may have."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from names_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from names_of(inner)


KEYS = set(names_of(SCHEMA)) | {"matrix"}
TYPES = {name for axis in ("collections", "encoders", "indexes") for name in getattr(REGISTRIES, axis).names()}


def loosened(schema):
    """The schema without keys that must be there: documents show parts of specs."""
    if isinstance(schema, dict):
        return {key: loosened(value) for key, value in schema.items() if key not in ("required", "minProperties")}
    return [loosened(value) for value in schema] if isinstance(schema, list) else schema


PARTS = Draft202012Validator(loosened(SCHEMA))


def plugged_in(content):
    """Without implementations that a page plugs in itself, and without tables that are not a spec's."""
    kept = {}
    for key, value in content.items():
        if key in ("collections", "encoders", "indexes"):
            value = {name: table for name, table in value.items() if table["type"] in TYPES}
        if key in SCHEMA["properties"]:
            kept[key] = value
    also = kept.get("measure", {}).get("also", [])
    if any(name not in REGISTRIES.measurements.names() for name in also):
        del kept["measure"]
    return kept


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_parts_of_specs_hold_by_the_schema(path):
    for content in tables(path):
        wrong = [error.message for error in PARTS.iter_errors(plugged_in(content))]
        assert wrong == [], path.name


@pytest.mark.parametrize(
    "content",
    [
        {"measure": {"no_such_key": 1}},
        {"collections": {"a": {"type": "beir", "folder": "x"}}},
        {"claims": [{"metrics": "ndcg@10"}]},
    ],
)
def test_a_part_with_an_unknown_key_does_not_hold(content):
    assert list(PARTS.iter_errors(content)) != []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_in_sentences_exist(path):
    """`key = value`, with the tables in it, and `type = "x"` with a type that is registered."""
    for span in spans(path):
        if found := re.fullmatch(r"([a-z_.]+) = (.+)", span):
            assert found[1].rpartition(".")[2] in KEYS | {"measure"}, span
            for key in re.findall(r"([a-z_]+) = ", found[2]):
                assert key in KEYS, span
            if found[1] == "type":
                assert tomllib.loads(span)["type"] in TYPES, span
        if found := re.fullmatch(r"measure\.([a-z_]+)", span):
            assert found[1] in SCHEMA["$defs"]["MeasureSpec"]["properties"], span


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_on_the_experiments_load_them(path, monkeypatch):
    """With the changes of `--set`, and with systems that are there for `--only`."""
    for name in ("MY_DATA", "SCIFACT", "PAIRS"):
        monkeypatch.setenv(name, "/nowhere")
    for line in [*lines_of_shell(path), *spans(path)]:
        if "laconic-bench" not in line or "experiments/" not in line:
            continue
        words = shlex.split(line)
        values = {option: [b for a, b in itertools.pairwise(words) if a == option] for option in ("--set", "--only")}
        (file,) = [word for word in words if word.startswith("experiments/")]
        spec = load_spec(ROOT / file, REGISTRIES, values["--set"])
        systems = {system.name.partition("[")[0] for system in spec.systems}
        assert set(values["--only"]) <= systems, line


# Words of the program


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_words_with_underscores_are_words_of_the_program(path):
    words = {word for span in spans(path) for word in re.findall(r"(?<![\w/.-])[a-z]+(?:_[a-z0-9]+)+\b", span)}
    assert sorted(word for word in words if not re.search(rf"\b{word}\b", TEXT)) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_variables_are_read_by_the_program(path):
    text = path.read_text(encoding="utf-8")
    shell = "\n".join(lines_of_shell(path))
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", text)) | set(
        re.findall(r"^([A-Z_]+)=", shell, re.MULTILINE)
    )
    assert sorted(name for name in named - OUTSIDE if f'"{name}"' not in TEXT) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_a_run_and_of_a_night_are_written_by_the_program(path):
    named = {span for span in spans(path) if re.fullmatch(r"[\w-]+\.(jsonl|json|npz|html|xml|toml|csv|md)", span)}
    inputs = {"queries.jsonl", "corpus.jsonl", "published.csv", "scores.csv"}
    there = {path.name for path in ROOT.iterdir()}
    assert sorted(name for name in named - inputs - there if f'"{name}"' not in TEXT) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_metrics_that_claims_and_thresholds_name_exist(path):
    for content in tables(path):
        named = [claim["metric"] for claim in content.get("claims", [])]
        named += [entry["metric"] for entry in content.get("accepted", [])]
        named += content.get("nightly", {}).get("thresholds", {})
        for metric in named:
            assert metric.partition("/")[0] in METRICS, metric


def test_files_that_sessions_name_exist():
    text = (ROOT / "noxfile.py").read_text()
    for name in re.findall(r'"((?:tests|experiments|\.ci)/[\w./]+)"', text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("name", REGISTRIES.measurements.names())
def test_every_measurement_is_in_the_guide_to_specs_and_in_the_schema(name):
    assert name in spans(ROOT / "docs/specs.md")
    assert re.search(rf"\b{name}\b", MeasureSpec.model_json_schema()["properties"]["also"]["description"])


def test_every_command_is_on_some_page():
    """A command that no page names is found by nobody."""
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    names = [name for name, command in every_command() if name and not hasattr(command, "commands")]
    assert [name for name in names if f"laconic-bench {name}" not in text] == []
