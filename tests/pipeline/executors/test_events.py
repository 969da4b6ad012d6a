"""Events as values, and as lines of JSON with a schema that other programs rely on."""

import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from harness import Event
from harness.pipeline.executors import events
from harness.pipeline.executors.events import JsonLine, JsonLines, json_line
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done

STAGE = Stage("fit", "make ä", "harness.x:f", {})
PAGE = Path(__file__).parents[3] / "docs/python.md"
KEYS = {
    "begin": {"stage", "key", "number", "total", "expected_seconds"},
    "progress": {"stage", "key", "done", "of", "text", "seconds", "left_seconds", "memory_bytes"},
    "alive": {"stage", "key", "seconds", "left_seconds", "memory_bytes"},
    "end": {"stage", "key", "number", "total", "status", "reused", "reason", "seconds", "peak_bytes"},
    "note": {"text"},
    "finished": {"command", "exit_code", "result"},
}
"""Keys of schema 1, beside `schema`, `event` and `time`. Keys may be added; without a new number none may go."""


def lines_of(file):
    return [json.loads(line) for line in file.getvalue().splitlines()]


def written(*calls):
    file = io.StringIO()
    with JsonLines(file) as lines:
        for name, *arguments in calls:
            getattr(lines, name)(*arguments)
    return lines_of(file)


@pytest.fixture
def every_kind(monkeypatch):
    monkeypatch.setattr(events, "ALIVE_SECONDS", 0.0)
    return written(
        ("begin", STAGE, 1, 2, 3.5),
        ("progress", 1, 2, "texts", STAGE, 4096),
        ("progress", 2, None, "texts", STAGE),
        ("alive", STAGE, 0),
        ("end", Done(STAGE, "failed", reason="no\nreason", seconds=1.25), 1, 2),
        ("note", "little space\x1b"),
        ("finish", "run", 1, {"report": "x"}),
    )


def test_the_lines_have_the_keys_of_their_schema(every_kind):
    assert {line["event"] for line in every_kind} == set(KEYS)
    for line in every_kind:
        assert set(line) == KEYS[line["event"]] | {"schema", "event", "time"}
        assert line["schema"] == events.SCHEMA == 1
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


def test_the_schema_is_that_of_the_declared_types(every_kind):
    validator = Draft202012Validator(TypeAdapter(JsonLine).json_schema())
    for line in every_kind:
        validator.validate(line)
    declared = {
        kind.__name__.removesuffix("Line").lower(): {field.name for field in dataclasses.fields(kind)}
        for kind in get_args(JsonLine)
    }
    assert declared == {event: keys | {"schema", "event", "time"} for event, keys in KEYS.items()}


def test_the_document_names_every_event_and_key():
    table = dict(re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {event: set(re.findall(r"`(\w+)`", keys)) for event, keys in table.items() if event in KEYS} == KEYS


def test_a_line_says_what_happened(every_kind):
    begin, progress, *_, end, note, finished = every_kind
    assert (begin["stage"], begin["number"], begin["total"], begin["expected_seconds"]) == ("make ä", 1, 2, 3.5)
    assert begin["key"] == STAGE.key
    assert (progress["done"], progress["of"], progress["text"], progress["memory_bytes"]) == (1, 2, "texts", 4096)
    assert (end["status"], end["reason"], end["seconds"], end["peak_bytes"]) == ("failed", "no\nreason", 1.25, None)
    assert note["text"] == "little space\x1b"
    assert (finished["exit_code"], finished["result"]) == (1, {"report": "x"})


def test_what_is_not_known_is_null():
    line = json_line(Event("progress", "texts", 3, None, stage="s", key="k"))
    assert (line.of, line.left_seconds, line.memory_bytes) == (None, None, None)


def test_progress_is_written_at_most_once_a_second_but_its_end_always(monkeypatch):
    monkeypatch.setattr(events, "PROGRESS_SECONDS", 1000.0)
    got = written(
        ("begin", STAGE, 1, 1), *[("progress", done, 50, "texts", STAGE) for done in range(1, 51)], ("alive", STAGE, 1)
    )
    assert [line.get("done") for line in got] == [None, 1, 50]


def test_every_line_is_ascii_and_whole():
    file = io.StringIO()
    JsonLines(file).note("ä\u2028\n\x1b[2J\ud800")
    (line,) = file.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line)["text"] == "ä\u2028\n\x1b[2J\ud800"


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path):
    code = (
        "import sys; from harness.pipeline.executors.events import JsonLines\n"
        "sys.stdin.readline()\n"
        "with JsonLines() as lines:\n"
        "    for number in range(3): lines.note('x' * 100000)\n"
        "print('more'); sys.stderr.write('end')"
    )
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    os.close(reading)
    _, errors = process.communicate("go\n")
    assert (process.returncode, errors) == (0, "end")
