"""What a command prints as a table: drawn on a terminal alone, aligned lines that are never broken elsewhere."""

import io
import os
import pty
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from harness.cli.app import _failed
from harness.cli.tables import aligned, show
from harness.terminal_text import clean

ESCAPE = "\x1b"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(*arguments, terminal=False, **options):
    file = Terminal() if terminal else io.StringIO()
    show(*arguments, **options, file=file)
    return file.getvalue()


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 60 columns with colours."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)


def test_a_pipe_gets_one_line_a_row_however_long_it_is():
    long = "word " * 100 + "end"
    assert shown(("name", "size"), [("a", "10"), (long, "5")], numbers=(1,)).splitlines() == [
        "name" + " " * 499 + "  size",
        "a" + " " * 502 + "    10",
        f"{long}     5",
    ]


def test_no_spaces_stand_at_the_end_of_a_line():
    assert shown(("a", "b"), [("1", ""), ("longer", "2")]).splitlines() == ["a       b", "1", "longer  2"]


def test_a_table_without_rows_is_its_head():
    assert shown(("a", "b"), []) == "a  b\n"


@pytest.mark.parametrize("wide", ["漢字", "n\u0303", "🙂"])
def test_columns_stand_below_each_other_whatever_the_letters_are_wide(wide):
    lines = shown(("name", "x"), [(wide, "1"), ("abcdef", "2")]).splitlines()
    assert {cell_len(line) for line in lines} == {9}


def test_a_terminal_gets_colour_and_a_pipe_gets_none(terminal):
    rows = [("ok", "cores"), ("bad", "load")]
    drawn, plain = (shown(("level", "what"), rows, verdicts=(0,), terminal=on) for on in (True, False))
    assert f"{ESCAPE}[32mok" in drawn
    assert f"{ESCAPE}[1;31mbad" in drawn
    assert ESCAPE not in plain
    assert plain == "level  what\nok     cores\nbad    load\n"


def test_a_word_outside_of_the_verdicts_has_no_colour(terminal):
    drawn = shown(("level", "what"), [("ok", "bad")], verdicts=(0,), terminal=True)
    assert "1;31m" not in drawn


def test_no_color_is_respected(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = shown(("level",), [("bad",)], verdicts=(0,), terminal=True)
    assert "31m" not in drawn
    assert "bad" in drawn


def test_a_terminal_wraps_and_loses_nothing(terminal):
    text = "abcdefghij" * 20
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", shown(("name", "text"), [("n", text)], terminal=True))
    assert max(map(len, drawn.splitlines())) <= 60
    assert drawn.replace("\n", "").replace(" ", "").count("abcdefghij") == 20


def test_markup_in_a_cell_is_text(terminal):
    assert "[red]x[/red]" in shown(("[bold]",), [("[red]x[/red]",)], terminal=True)
    assert shown(("[bold]",), [("[red]x[/red]",)]) == "[bold]\n[red]x[/red]\n"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_name_cannot_steer_the_terminal(terminal, on_terminal):
    drawn = shown(("name",), [("a\x1b[2Jb\u202ec\x9b31md\rf\ng",)], terminal=on_terminal)
    assert "a\ufffd[2Jb\ufffdc\ufffd31md f g" in drawn


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=6), st.sets(st.integers(0, 2)))
def test_any_text_gives_a_line_a_row_that_can_be_written(rows, numbers):
    text = shown(("a", "b", "c"), rows, numbers=numbers)
    assert len(text.split("\n")) == len(rows) + 2
    assert text.encode("utf-8")
    for line, row in zip(text.split("\n")[1:], rows, strict=False):
        assert all(clean(cell) in line for cell in row)


@given(st.lists(st.lists(st.text("ab 漢", min_size=1), min_size=2, max_size=2), min_size=1, max_size=6))
def test_a_column_of_numbers_ends_at_one_place(rows):
    cells = [[clean(cell) or "x" for cell in row] for row in rows]
    lines = aligned(("name", "size"), cells, numbers=(1,))
    assert len({cell_len(line) for line in lines}) == 1


def test_a_row_with_a_cell_too_few_is_refused():
    with pytest.raises(ValueError, match="1 cells in a table of 2 columns"):
        shown(("a", "b"), [("1", "2"), ("3",)])


def on_a_terminal(*arguments):
    """What a command writes to a real terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", "from harness.start import main; main()", *arguments],
        stdout=theirs, stdin=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    return process.wait(), b"".join(parts).decode()


def test_doctor_on_a_terminal_and_in_a_pipe():
    code, drawn = on_a_terminal("doctor")
    assert code in (0, 1)
    assert ESCAPE in drawn
    assert "─" in drawn
    piped = subprocess.run(
        [sys.executable, "-c", "from harness.start import main; main()", "doctor"], capture_output=True, text=True
    )
    assert ESCAPE not in piped.stdout
    assert "─" not in piped.stdout
    levels = [line.split()[0] for line in piped.stdout.splitlines()]
    assert levels[0] == "level"
    assert set(levels[1:]) <= {"ok", "warn", "bad"}
    assert len(levels) == 14


def test_help_imports_neither_rich_nor_the_harness_heavy_parts():
    code = (
        "import sys; from harness.cli.app import app\n"
        "print([name for name in ('rich', 'numpy', 'torch', 'pandas', 'pyarrow', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


STEERING = "\\u001b]0;title\\u0007\\u009b31m\\u202e"


@pytest.mark.parametrize(
    "arguments", [("tables",), ("tables", "--format", "latex"), ("export", "--format", "json"), ("claims",)], ids=str
)
def test_names_of_somebody_else_do_not_steer_a_terminal(run_folder, arguments):
    """The run folder of a hostile colleague: a pipe gets the names as they are, where the format can hold them."""
    for name in ("records.jsonl", "run.json"):
        path = run_folder / name
        path.write_text(path.read_text().replace("dense_1", f"dense{STEERING}"))
    _, printed = on_a_terminal(arguments[0], str(run_folder), *arguments[1:])
    assert "dense" in printed
    assert not [sign for sign in printed if sign not in "\n\r\t" and unicodedata.category(sign) == "Cc"]
    assert "\u202e" not in printed


def test_a_message_does_not_steer_a_terminal(capsys):
    assert _failed("a\x1b[31m\x9b\tb\nremedy") == 2
    assert capsys.readouterr().err == "error: a\ufffd[31m\ufffd\tb\nremedy\n"
