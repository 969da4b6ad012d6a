"""What a user sees of a run: lines in a log, a live bar on a terminal."""

import io
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from harness.pipeline.executors import progress
from harness.pipeline.executors.progress import Lines, clock
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done
from harness.pipeline.store.local import Store

STAGE = Stage("fit", "make [bold]a[/bold]", "harness.x:f", {})


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    return Terminal()


@pytest.fixture
def clock_of_lines(monkeypatch):
    """What `time.monotonic` tells the lines: seconds in `now`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


def stage(label):
    return Stage("fit", label, "harness.x:f", {"label": label})


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_log_has_a_line_a_stage_and_no_control_characters():
    log = io.StringIO()
    lines = Lines(log)
    lines.begin(STAGE, 1, 2)
    lines.progress(1, 2, "texts", STAGE)
    lines.alive(STAGE, 1 << 30)
    lines.end(Done(STAGE, "ok", seconds=2.0), 1, 2)
    lines.note("a note")
    assert log.getvalue() == "[1/2] make [bold]a[/bold] ...\n[1/2] make [bold]a[/bold]: ok in 2.0 s\na note\n"


def test_a_log_has_a_line_a_minute_for_each_stage_at_work(clock_of_lines):
    log, counted, silent = io.StringIO(), stage("count"), stage("build")
    lines = Lines(log)
    lines.begin(counted, 1, 2)
    lines.begin(silent, 2, 2, 100.0)
    for _ in range(150):  # seconds
        clock_of_lines.now += 1
        lines.progress(int(clock_of_lines.now), 600, "documents", counted, 800 << 20)
        lines.alive(silent, 3 << 29)
    assert log.getvalue().splitlines()[2:] == [
        "[1/2] count: 60 of 600 documents, at work for 1:00, 9:00 left, 800 MiB",
        "[2/2] build: at work for 1:00, about 0:40 left, 1.5 GiB",
        "[1/2] count: 120 of 600 documents, at work for 2:00, 8:00 left, 800 MiB",
        "[2/2] build: at work for 2:00, longer than last time, 1.5 GiB",
    ]


def test_the_end_says_what_it_took(tmp_path):
    log, store = io.StringIO(), Store(tmp_path)
    with store.unfinished(STAGE.key) as directory:
        made = store.commit(
            directory, key=STAGE.key, kind="fit", label=STAGE.label, recipe=STAGE.recipe, result={}, seconds=3.25,
            peak_bytes=5 << 29,
        )  # fmt: skip
    Lines(log).end(Done(STAGE, "ok", made, seconds=3.25), 1, 1)
    assert log.getvalue() == "[1/1] make [bold]a[/bold]: ok in 3.2 s, 2.5 GiB at most\n"


def test_a_terminal_that_cannot_move_its_cursor_is_a_log(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    lines.progress(1, 2, "texts", STAGE)
    assert terminal.getvalue() == "[1/1] make [bold]a[/bold] ...\n"


@pytest.mark.parametrize("where", ["log", "terminal"])
def test_names_and_reasons_cannot_steer_the_terminal(terminal, where):
    file = terminal if where == "terminal" else io.StringIO()
    hostile = stage("a\x1b[2J\x9b1A\u202eb\r\nforged line")
    with Lines(file) as lines:
        lines.begin(hostile, 1, 1)
        lines.progress(1, 3, "t\x1b]0;title\x07", hostile)
        lines.note("n\x1b[31m")
        lines.end(Done(hostile, "failed", reason="r\x1b[5m\n  remedy: none"), 1, 1)
        lines.end(Done(stage("b"), "skipped", reason=f"{hostile.label}: failed: r"), 1, 1)
    shown = plain(file.getvalue()) if where == "terminal" else file.getvalue()
    assert "\x1b[2J" not in file.getvalue()
    assert "\x1b[31m" not in file.getvalue()
    assert "\x1b[5m" not in file.getvalue()
    assert not set("\x1b\x9b\x07\u202e") & set(shown)
    assert "forged line" not in [line.strip() for line in shown.splitlines()]
    assert "because it needs a\ufffd[2J\ufffd1A\ufffdb forged line" in shown


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_bar_is_one_line_with_time_and_memory_however_long_the_names_are(terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = stage("a long name " * 20)
    with Lines(terminal) as lines:
        lines.begin(long, 1, 1, 75.0)
        lines.progress(0, 1, "words " * 40, long, 5 << 30)
        drawn = plain(terminal.getvalue()).split("\r")[-1].splitlines()
    assert len(drawn) == 1
    assert cell_len(drawn[0]) <= columns
    assert re.search(r"about 1:1[0-5] left 5\.0 GiB", drawn[0])


def test_a_stage_that_begins_again_has_one_bar(terminal):
    with Lines(terminal) as lines:
        for one in (STAGE, stage("other"), STAGE):
            lines.begin(one, 1, 2)
        assert len(lines._bars.tasks) == 2
        lines.end(Done(STAGE, "ok", seconds=2.0), 1, 2)
        assert len(lines._bars.tasks) == 1


def test_the_cursor_is_back_whatever_ends_the_run(terminal):
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError), Lines(terminal) as lines:
        lines.begin(STAGE, 1, 1)
        lines.progress(1, 3, "texts", STAGE)
        assert "\x1b[?25l" in terminal.getvalue()  # hidden
        raise RuntimeError
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")
    assert set(threading.enumerate()) <= before


def test_a_log_does_not_import_rich():
    code = (
        "import sys, io; from harness.pipeline.executors.progress import Lines\n"
        "from harness.pipeline.stage import Stage; stage = Stage('fit', 'a', 'harness.x:f', {})\n"
        "lines = Lines(io.StringIO()); lines.begin(stage, 1, 1); lines.progress(1, 2, 'texts', stage)\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_terminal_gets_a_bar_with_what_is_done(terminal):
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 2)
    lines.progress(10, 120, "texts [red]", STAGE)
    lines.progress(30, 120, "texts [red]", STAGE)
    shown = plain(terminal.getvalue())
    assert "30 of 120" in shown
    assert "texts [red]" in shown
    assert "left" in shown
    lines.progress(120, 120, "texts", STAGE)
    assert "120 of 120" in plain(terminal.getvalue())


def test_a_bar_without_a_total_counts(terminal):
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    lines.progress(7, None, "rates", STAGE)
    assert "7 rates" in plain(terminal.getvalue())


def test_names_are_never_read_as_markup(terminal):
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    lines.progress(1, 3, "texts", STAGE)
    lines.note("take [link=x] as it is")
    lines.end(Done(STAGE, "failed", reason="[red]no[/red]"), 1, 1)
    shown = plain(terminal.getvalue())
    assert "make [bold]a[/bold]" in shown
    assert "take [link=x] as it is" in shown
    assert "failed: [red]no[/red]" in shown


def test_the_bar_is_gone_when_the_stage_ends(terminal):
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 2)
    lines.progress(1, 3, "texts", STAGE)
    lines.end(Done(STAGE, "ok", seconds=1.0), 1, 2)
    assert terminal.getvalue().rstrip().endswith("[1/2] make [bold]a[/bold]: ok in 1.0 s")
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back


def test_a_stage_has_a_bar_before_it_reports_anything(terminal):
    with Lines(terminal) as lines:
        lines.begin(STAGE, 1, 2, 65.0)
        assert "[1/2] make [bold]a[/bold]" in plain(terminal.getvalue())
        assert "0:00, about 1:05 left" in plain(terminal.getvalue())


def test_two_stages_at_once_have_a_bar_each_that_names_it(terminal):
    lines, other = Lines(terminal), Stage("fit", "make b", "harness.x:g", {})
    lines.begin(STAGE, 1, 2)
    lines.progress(30, 120, "texts", STAGE)
    lines.begin(other, 2, 2)
    lines.progress(4, 5, "rows", other)
    lines.progress(31, 120, "texts", STAGE)
    first, second = plain(terminal.getvalue()).split("\r")[-1].splitlines()
    assert re.search(r"^\[1/2\] make \[bold\]a\[/bold\] .* 31 of 120 texts .*left", first)
    assert re.search(r"^\[2/2\] make b .* 4 of 5 rows", second)
    terminal.truncate(0)
    lines.end(Done(other, "ok", seconds=1.0), 2, 2)
    lines.progress(32, 120, "texts", STAGE)
    shown = plain(terminal.getvalue())
    assert "[2/2] make b: ok in 1.0 s" in shown
    assert "32 of 120 texts" in shown
    assert "make b" not in shown.rpartition("ok in 1.0 s")[2]
    lines.end(Done(STAGE, "ok", seconds=1.0), 1, 2)
    assert terminal.getvalue().rstrip().endswith("[1/2] make [bold]a[/bold]: ok in 1.0 s")


def test_no_thread_draws_while_others_are_timed(terminal):
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    before = set(threading.enumerate())
    lines.progress(1, 3, "texts", STAGE)
    assert set(threading.enumerate()) <= before
    lines.end(Done(STAGE, "ok"), 1, 1)


def test_a_bar_is_drawn_only_so_often(terminal, monkeypatch):
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 1000.0)
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    lines.progress(1, 1000, "texts", STAGE)
    first = len(terminal.getvalue())
    for done in range(2, 900):
        lines.progress(done, 1000, "texts", STAGE)
    assert len(terminal.getvalue()) == first
    lines.progress(1000, 1000, "texts", STAGE)  # the end is always drawn
    assert len(terminal.getvalue()) > first


def test_no_color_is_obeyed(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = Lines(terminal)
    lines.begin(STAGE, 1, 1)
    lines.progress(1, 3, "texts", STAGE)
    assert not re.search(r"\x1b\[(3[0-7]|38;)", terminal.getvalue())


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_says_only_what_failed(terminal, quiet):
    lines = Lines(terminal, quiet=quiet)
    lines.begin(STAGE, 1, 2)
    lines.progress(1, 2, "texts", STAGE)
    lines.end(Done(STAGE, "ok"), 1, 2)
    assert (terminal.getvalue() == "") == quiet
    lines.end(Done(STAGE, "failed", reason="no network"), 2, 2)
    assert "no network" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_progress_is_quiet_off_a_terminal(capsys):
    Lines().progress(1, 2, "documents", STAGE)
    assert capsys.readouterr().err == ""
    assert clock(65) == "1:05"
    assert clock(7389) == "2:03:09"


def test_a_failure_is_explained_once(capsys):
    lines, stages = Lines(), [Stage("fit", f"make {name}", "harness.x:f", {}) for name in "abcd"]
    lines.end(Done(stages[0], "failed", reason="no network\n  remedy: plug it in"), 1, 4)
    lines.end(Done(stages[1], "skipped", reason="make a: failed: no network\n  remedy: plug it in"), 2, 4)
    lines.end(Done(stages[2], "skipped", reason="prepare x: failed: something that was not said yet"), 3, 4)
    lines.end(Done(stages[3], "failed", reused=True, reason="too hard"), 4, 4)
    assert capsys.readouterr().err.splitlines() == [
        "[1/4] make a: failed: no network",
        "  remedy: plug it in",
        "[2/4] make b: skipped, because it needs make a",
        "[3/4] make c: skipped: prepare x: failed: something that was not said yet",
        "[4/4] make d: failed before: too hard",
    ]
