"""What the user reads of errors that other libraries raise."""

import pytest

from harness.errors import line_of


@pytest.mark.parametrize(
    ("message", "number", "line"),
    [
        ("one", 0, "one"),
        ("\n  first \nlast\n", 0, "first"),
        ("\n  first \nlast\n", -1, "last"),
        ("a sign\u2028that ends no line", 0, "a sign\u2028that ends no line"),
        ("", 0, "RuntimeError"),
        (" \n", -1, "RuntimeError"),
    ],
)
def test_one_line_of_a_message(message, number, line):
    assert line_of(RuntimeError(message), number) == line
