"""Damaged files of every form that comes from outside: a parser reads them, or gives one message.

`nox -s fuzz` tries many more of them than the tests do.
"""

import os
import random
import shutil

import pytest
from fuzzed import PARSERS, damaged, good
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.runs.read import load_run
from reports.exports.export import export

EXAMPLES = int(os.environ.get("LACONIC_FUZZ", "12"))
EACH = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of a good file of each parser."""
    return {name: good(name, tmp_path_factory.mktemp("good")) for name in PARSERS}


@pytest.mark.parametrize("name", list(PARSERS))
def test_a_parser_reads_a_damaged_file_or_gives_one_message(tmp_path, contents, name):
    path, read = tmp_path / name, PARSERS[name][1]
    path.write_bytes(contents[name])
    read(path)

    @EACH
    @given(st.integers(0, 2**32))
    def trial(seed):
        path.write_bytes(damaged(random.Random(seed), contents[name], list(contents.values())))  # noqa: S311
        try:
            read(path)
        except UserError as error:
            assert error.what

    trial()


def test_a_damaged_run_folder_is_read_or_gives_one_message(run_folder, tmp_path):
    names = sorted(path.name for path in run_folder.iterdir() if path.is_file())
    copy = tmp_path / "copy"

    @EACH
    @given(st.integers(0, 2**32))
    def trial(seed):
        drawn = random.Random(seed)  # noqa: S311 - which bytes are damaged
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run_folder, copy)
        path = copy / drawn.choice(names)
        path.write_bytes(damaged(drawn, path.read_bytes()))
        try:
            run = load_run(copy)
            for form in ("csv", "json", "text", "badge", "md"):
                export(run, form)
        except UserError as error:
            assert error.what

    trial()


def test_json_that_is_nested_without_end_is_a_message(run_folder):
    """Python's parser gives up with an error of its own kind."""
    for name in ("run.json", "records.jsonl", "per_query.jsonl", "conditions.jsonl", "training.jsonl"):
        path = run_folder / name
        content = path.read_bytes()
        path.write_bytes(b"[" * 100_000)
        with pytest.raises(UserError):
            load_run(run_folder)
        path.write_bytes(content)
