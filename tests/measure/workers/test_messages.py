"""Messages between a parent and its worker: what one side writes the other reads, and nothing else is a message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.workers.messages import Asked, Failed, Progress, Succeeded, Task, read_message, read_task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MESSAGES = st.one_of(
    st.builds(Progress, st.integers(), st.none() | st.integers(), st.text()),
    st.builds(Asked, JSON),
    st.builds(Succeeded, JSON, st.integers(0)),
    st.builds(Failed, st.text(), st.booleans(), st.booleans(), st.integers(0)),
)


@given(MESSAGES)
def test_a_message_is_one_line_and_is_read_as_it_was(message):
    line = message.line()
    assert line.isascii()
    assert "\n" not in line
    assert read_message(line.encode()) == message


@given(st.text(), st.dictionaries(st.text(), JSON), st.booleans(), st.none() | st.text())
def test_a_task_is_one_line_and_is_read_as_it_was(target, arguments, asks, log):
    task = Task(target, arguments, asks, log)
    assert "\n" not in task.line()
    assert read_task(task.line()) == task


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"not json", b"\xff", b"[1]", b"{}", b"5", b"null", b"[" * 100_000),
        *(b'{"progress": [1, 2]}', b'{"progress": [1, 2, 3]}', b'{"progress": ["1", 2, "x"]}', b'{"progress": {}}'),
        *(b'{"progress": [1, 2, "x", 4]}', b'{"result": 1}', b'{"result": 1, "peak": "2"}', b'{"error": "x"}'),
        b'{"error": 5, "expected": false, "oom": false, "peak": 1}',
    ],
)
def test_what_is_no_message_fails_and_is_quoted(line):
    message = read_message(line)
    assert isinstance(message, Failed)
    assert "sent something that is no message" in message.reason
    assert repr(line[:80]) in message.reason
    assert (message.expected, message.out_of_memory, message.peak) == (False, False, None)


@pytest.mark.parametrize(
    ("question", "turn", "repeat"),
    [
        ({"turn": 3}, 3, None),
        ({"turn": 0}, 0, None),
        ({"again": "it was disturbed"}, None, "it was disturbed"),
        ({"again": ""}, None, ""),
        ({"again": None}, None, None),
        ({"turn": "3"}, None, None),
        ("what is this?", None, None),
        (None, None, None),
    ],
)
def test_a_question_is_for_a_turn_for_a_repeat_or_neither(question, turn, repeat):
    asked = read_message(Asked(question).line().encode())
    assert (asked.turn, asked.repeat) == (turn, repeat)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_has_not_is_refused_by_the_worker(value):
    with pytest.raises(ValueError, match="JSON"):
        Succeeded({"a": [value]}, 1).line()
    with pytest.raises(ValueError, match="JSON"):
        Asked(value).line()


def test_what_is_no_json_is_refused_before_it_is_sent():
    with pytest.raises(TypeError):
        Task("harness.x:y", {"a": object()}, False, None).line()
    with pytest.raises(TypeError):
        Succeeded(json, 1).line()
