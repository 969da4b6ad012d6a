"""A command as a user calls it, in this process."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from harness.cli import app as cli


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


def call(*arguments):
    """Exit code, standard output and standard error of a command; whatever is no exit is a failure of the test."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["laconic-bench", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    return Answer(code, out.getvalue(), err.getvalue())


def refused(*arguments):
    """One clear message on standard error, nothing on standard output, exit code 2; returns the message."""
    answer = call(*arguments)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("error: "), answer.err
    assert answer.err.count("error: ") == 1
    assert "Traceback" not in answer.err
    assert "None" not in answer.err
    return answer.err
