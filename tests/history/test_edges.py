"""The history at its edges: nothing in it, damage, writers side by side, texts of any kind."""

import json
import os
import resource
import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import call, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import write_run

from harness.errors import UserError
from harness.history import History, entry_of
from harness.history import store as store_module
from harness.history.schema import KEY, columns, read_table, rows_of, to_table
from harness.history.series import BEFORE, series
from harness.records import Record

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "h")


@pytest.fixture
def any_entry(run):
    return entry_of(run())


@pytest.fixture
def three(run, history):
    """A history of three runs."""
    for day in (1, 2, 3):
        history.add(entry_of(run(day=day, values={("s", "index_bytes"): float(day)})))
    return history


def test_an_empty_history_has_the_columns_and_no_rows(history):
    history.runs.mkdir(parents=True)
    assert history.table().schema.equals(columns())
    assert (history.rows(), history.summaries(), history.files()) == ([], [], [])
    assert history.query("select count(*) as n, max(value) from records") == (["n", 'max("value")'], [(0, None)])
    assert history.prune(lambda *_: True) == []


def test_commands_over_an_empty_history(history):
    history.runs.mkdir(parents=True)
    where = ("--history", history.folder)
    assert call("history", "list", *where).out == "the history is empty\n"
    assert call("history", "list", "--json", *where).out == "[]\n"
    assert call("history", "query", "select system, value from records", *where).out == "system\tvalue\n"
    assert call("history", "query", "select value from records", "--json", *where).out == "[]\n"
    assert call("history", "prune", "--keep", "1", *where).out == "0 runs removed\n"


def test_the_list_is_aligned_and_says_what_was_not_clean(run, history):
    history.add(entry_of(run(day=1)))
    facts = {"laconic-bench": "0.1", "git revision": "not a git checkout"}
    history.add(entry_of(run(day=2, name="long-name", provenance=facts)))
    changed = {"laconic-bench": "0.1", "git revision": "b" * 40, "git changes": "2 files"}
    history.add(entry_of(run(day=3, provenance=changed)))
    head, *rows = call("history", "list", "--history", history.folder).out.splitlines()
    assert head.startswith("ended (UTC)       id")
    assert [row[head.index("revision") :].split()[0] for row in rows] == ["a" * 10, "none", "b" * 10 + "+changes"]
    assert len({len(row) for row in (head, *rows)}) == 1
    (first, *_) = json.loads(call("history", "list", "--json", "--history", history.folder).out)
    assert list(first) == ["id", "created", "spec", "revision", "changes", "machine", "folder", "records"]


def test_a_query_keeps_a_row_in_its_line(three):
    answer = call("history", "query", "select 'a\tb' as x, 'c\nd' as y, null as z", "--history", three.folder)
    assert answer.out == "x\ty\tz\na b\tc d\t\n"


@pytest.mark.parametrize("sql", ["select", "select nothing from records", "drop table runs", "select 1; nonsense"])
def test_a_query_that_fails_is_one_message_with_the_columns(three, sql):
    message = refused("history", "query", sql, "--history", three.folder)
    assert "the query failed" in message
    assert "its columns: id, created" in message


def test_a_query_without_a_history_does_not_make_one(tmp_path):
    assert "there is no history" in refused("history", "query", "select 1", "--history", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("keep", [0, 10, 100])
def test_a_part_that_is_cut_is_named_and_the_others_are_whole(three, keep):
    second = three.files()[1]
    second.write_bytes(second.read_bytes()[:keep])
    for read in (three.table, three.rows, three.summaries, three.check, lambda: three.query("select 1")):
        with pytest.raises(UserError, match="this part of the history cannot be read") as caught:
            read()
        assert caught.value.file == second
    second.unlink()
    assert [row["value"] for row in three.rows()] == [1.0, 3.0]


@pytest.mark.parametrize("version", [b"{", b"{}", b'{"schema": "x"}', b'{"schema": null}', b"[1]"])
def test_a_part_whose_version_cannot_be_read_is_no_part(three, version):
    first = three.files()[0]
    table = pq.read_table(first, partitioning=None).replace_schema_metadata({KEY: version})
    pq.write_table(table, first)
    with pytest.raises(UserError, match="not a part of a history") as caught:
        three.table()
    assert caught.value.file == first


def test_a_strange_name_stops_pruning_before_anything_is_gone(three):
    (three.runs / "zzz.parquet").write_bytes(three.files()[0].read_bytes())
    with pytest.raises(UserError, match="not a part of a history"):
        three.prune(lambda *_: True)
    assert len(three.files()) == 4


@pytest.mark.parametrize(("keep", "left"), [(1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (99, [1, 2, 3])])
def test_the_newest_are_kept(three, keep, left):
    call("history", "prune", "--keep", keep, "--history", three.folder)
    assert [row["created"].day for row in three.rows()] == left


@pytest.mark.parametrize(("day", "left"), [("2026-01-01", 3), ("2026-01-02", 2), ("2027-01-01", 0)])
def test_runs_before_a_day_go(three, day, left):
    assert (
        f"{3 - left} runs would go"
        in call("history", "prune", "--before", day, "--dry-run", "--history", three.folder).out
    )
    assert len(three.files()) == 3
    call("history", "prune", "--before", day, "--history", three.folder)
    assert len(three.files()) == left


def test_a_history_that_is_a_file_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    message = refused("history", "add", run(), "--history", tmp_path / "file")
    assert "cannot write the history" in message
    assert "its content is unharmed" in message
    with pytest.raises(UserError, match="cannot write the history"):
        History(tmp_path / "file").check()
    History(tmp_path / "new/folder").check()
    assert not (tmp_path / "new").exists()


@contextmanager
def full_disk():
    """A limit on the size of files stands for the disk: the same error comes out of the same call."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_history_as_it_was(run, three):
    entry, before = entry_of(run(day=4)), three.table()
    with full_disk(), pytest.raises(UserError, match="cannot write the history: File too large"):
        three.add(entry)
    assert three.table().equals(before)
    assert list(three.runs.glob("*.partial")) == []
    assert three.add(entry)


def test_a_file_system_without_locks_will_do(run, history, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(store_module.fcntl, "flock", refuse)
    assert history.add(entry_of(run()))
    left = history.runs / "x.partial"
    left.touch()
    os.utime(left, (0, 0))
    assert history.add(entry_of(run(day=2)))
    assert left.exists()  # nobody can say whether somebody writes it


def test_two_writers_of_one_run_keep_it_once(run, history):
    entry = entry_of(run())
    together = threading.Barrier(8)
    answers = []

    def add():
        together.wait()
        answers.append(history.add(entry))

    writers = [threading.Thread(target=add) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(answers) == 8
    assert any(answers)
    assert len(history.rows()) == 1
    assert list(history.runs.glob("*.partial")) == []


def test_a_reader_beside_a_writer_sees_whole_runs(run, history):
    entries = [
        entry_of(run(day=day, values={("s", "index_bytes"): 1.0, ("t", "index_bytes"): 2.0})) for day in range(1, 15)
    ]
    history.add(entries[0])
    writer = threading.Thread(target=lambda: [history.add(entry) for entry in entries[1:]])
    writer.start()
    counts = []
    while writer.is_alive():
        counts.append(history.table().num_rows)
    writer.join()
    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts)
    assert history.table().num_rows == 28


def test_a_run_without_records_is_kept_and_listed_nowhere(run, history):
    """Every system failed: nothing is known of it but that it was."""
    entry = entry_of(run(values={}))
    assert history.add(entry)
    assert not history.add(entry)
    assert (history.rows(), history.summaries()) == ([], [])


def test_a_folder_whose_name_is_no_text_is_added(tmp_path, history):
    folder = tmp_path / os.fsdecode(b"run-\xff")
    history.add(entry_of(write_run(folder)))
    (row,) = history.rows()
    assert row["folder"] == str(tmp_path / "run-") + "\\udcff"


@given(
    st.lists(
        st.builds(
            Record, run=st.just("r"), collection=TEXT, system=TEXT, metric=TEXT, value=NUMBER, unit=TEXT,
            direction=st.sampled_from(["lower", "higher", "neither"]), method=TEXT,
            source=st.sampled_from(["measured", "analytic", "estimated"]), n=st.integers(0, 2**60),
            ci_low=st.none() | NUMBER, ci_high=st.none() | NUMBER,
        ),
        max_size=5,
    ),
    TEXT,
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_read_again(tmp_path, any_entry, records, text, created):
    entry = replace(any_entry, records=tuple(records), spec=text, created=created, conditions=text)
    path = tmp_path / "x.parquet"
    pq.write_table(to_table(entry), path)
    rows = rows_of(read_table(path))
    expected = [{key: value for key, value in asdict(record).items() if key != "run"} for record in records]
    assert [{key: row[key] for key in expected[0]} for row in rows] == expected
    assert all((row["spec"], row["created"], row["conditions"]) == (text, created, text) for row in rows)


def row(number, value, *, confirms="", label="m"):
    """A row of the history: night `number` of one series."""
    return {
        "id": f"n{number}{'again' if confirms else ''}",
        "created": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(number),
        **{"revision": "r", "machine": label, "data": "d", "definition": "f", "folder": "x", "state": "good"},
        **{"value": value, "ci_low": value - 1, "ci_high": value + 1},
        **{"confirms": confirms, "collection": "c", "system": "s", "metric": "m"},
    }


@given(st.lists(st.tuples(NUMBER.filter(lambda v: abs(v) < 1e6), st.none() | NUMBER.filter(lambda v: abs(v) < 1e6),
                          st.sampled_from("mo")), min_size=1, max_size=12))  # fmt: skip
def test_of_two_values_of_a_night_the_nearer_one_to_the_nights_before_counts(nights):
    rows, expected = [], []
    for number, (first, second, label) in enumerate(nights):
        rows.append(row(number, first, label=label))
        value = first
        if second is not None:
            rows.append(row(number, second, confirms=f"n{number}", label=label))
            before = [v for v, other in expected if other == label][-BEFORE:]
            level = float(np.median(before)) if before else first
            value = second if abs(second - level) < abs(first - level) else first
        expected.append((value, label))
    (values,) = series(rows).values()
    assert [night.value for night in values] == [value for value, _ in expected]
    assert [night.twice for night in values] == [second is not None for _, second, _ in nights]


def test_a_second_measurement_without_its_first_is_left_out():
    assert series([row(1, 5.0, confirms="gone")]) == {("c", "s", "m"): []}


def test_the_file_of_version_1_still_reads_as_it_did():
    rows = rows_of(read_table(Path(__file__).with_name("version1.parquet")))
    assert {(r["state"], r["confirms"], r["definition"]) for r in rows} == {("", "", "")}
    assert pa.Table.from_pylist(rows, schema=columns()).num_rows == 2


@pytest.mark.parametrize("change", ["missing", "twice", "other type", "no UTF-8"])
def test_a_part_with_other_columns_is_named(history, any_entry, change):
    history.add(any_entry)
    (path,) = history.files()
    table = pq.read_table(path, partitioning=None)
    column = table["metric"]
    if change == "missing":
        table = table.drop_columns("metric")
    elif change == "twice":
        table = table.append_column("metric", column)
    elif change == "no UTF-8":
        texts = pa.array([b"\xff"] * len(table), pa.binary()).view(pa.string())
        table = table.set_column(table.column_names.index("metric"), "metric", texts)
    else:
        table = table.set_column(table.column_names.index("value"), "value", column)
    pq.write_table(table, path)
    with pytest.raises(UserError, match="this part of the history cannot be read") as error:
        history.rows()
    assert error.value.file == path and "other parts are intact" in error.value.remedy
