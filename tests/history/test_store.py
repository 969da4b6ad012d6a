"""The history: appended whole or not at all, read in any version's form, never changed by a query."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError
from harness.history import History, entry_of, schema
from harness.history.store import STALE_SECONDS, created_of

KILLED = """
import sys, time
from pathlib import Path
import pyarrow.parquet as pq
from harness.history import History, entry_of
write = pq.write_table
def slow(table, file, **more):
    write(table, file, **more)
    print("written", flush=True)
    time.sleep(60)
pq.write_table = slow
History(Path(sys.argv[1])).add(entry_of(Path(sys.argv[2])))
"""
ADDS = """
import sys
import time
from pathlib import Path
from harness.history import History, entry_of
for run in sys.argv[2:]:
    History(Path(sys.argv[1])).add(entry_of(Path(run)))
"""


def test_what_is_added_is_read_again(run, tmp_path):
    kept = History(tmp_path / "h")
    assert kept.add(entry_of(run(day=2, values={("s", "index_bytes"): 7.0, ("t", "ndcg@10"): 0.5})))
    assert kept.add(entry_of(run(day=1, machine="m2")))
    rows = kept.table().to_pylist()
    assert [(r["created"].day, r["system"], r["metric"], r["value"], r["machine"]) for r in rows] == [
        (1, "s", "index_bytes", 1000.0, "m2"),
        (2, "s", "index_bytes", 7.0, "m1"),
        (2, "t", "ndcg@10", 0.5, "m1"),
    ]
    assert {r["data"] for r in rows} == {"d1"}
    assert rows[1]["unit"] == "bytes"
    assert rows[1]["ci_low"] is None


def test_the_same_run_is_kept_once(run, tmp_path):
    kept, folder = History(tmp_path / "h"), run()
    assert kept.add(entry_of(folder))
    assert not kept.add(entry_of(folder))
    assert kept.table().num_rows == 1


def test_a_killed_writer_leaves_the_history_whole(run, tmp_path):
    kept = History(tmp_path / "h")
    kept.add(entry_of(run(day=1)))
    before = kept.table()
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kept.folder), str(run(day=2))], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "written\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    (left,) = kept.runs.glob("*.partial")
    assert kept.table().equals(before)
    os.utime(left, (time.time() - STALE_SECONDS - 1,) * 2)
    kept.add(entry_of(run(day=3)))
    assert list(kept.runs.glob("*.partial")) == []
    assert kept.table().num_rows == 2


def test_two_writers_lose_nothing(run, tmp_path):
    runs = [str(run(day=1 + i, values={("s", "index_bytes"): float(i)})) for i in range(12)]
    # Both get some of their own and some of the other's.
    both = [
        subprocess.Popen([sys.executable, "-c", ADDS, str(tmp_path / "h"), *part]) for part in (runs[:8], runs[:3:-1])
    ]
    assert [writer.wait(60) for writer in both] == [0, 0]
    assert History(tmp_path / "h").table()["value"].to_pylist() == [float(i) for i in range(12)]


def test_a_living_writers_file_is_not_swept(run, tmp_path):
    """Whoever writes it: processes of other machines and containers have numbers that say nothing here."""
    kept = History(tmp_path / "h")
    kept.runs.mkdir(parents=True)
    living = kept.runs / "x.y.partial"
    living.touch()
    kept.add(entry_of(run()))
    assert living.exists()


def test_a_living_writers_file_is_not_swept_when_the_clock_is_set(run, tmp_path):
    """It looks old, but its writer holds it; once that has ended, it goes."""
    kept = History(tmp_path / "h")
    kept.add(entry_of(run(day=1)))
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kept.folder), str(run(day=2))], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "written\n"
    (living,) = kept.runs.glob("*.partial")
    os.utime(living, (0, 0))
    kept.add(entry_of(run(day=3)))
    assert living.exists()
    writer.kill()
    writer.communicate()
    kept.add(entry_of(run(day=4)))
    assert not living.exists()


def test_earlier_versions_are_migrated_and_later_ones_refused(run, tmp_path, monkeypatch):
    kept = History(tmp_path / "h")
    kept.add(entry_of(run(day=1)))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    monkeypatch.setitem(
        schema.MIGRATIONS, schema.VERSION - 1, lambda t: t.set_column(0, "id", pa.array(["moved"] * t.num_rows))
    )
    kept.add(entry_of(run(day=2)))
    assert kept.table()["id"].to_pylist()[0] == "moved"
    assert kept.table()["id"].to_pylist()[1] != "moved"
    monkeypatch.undo()
    with pytest.raises(UserError, match="later version") as caught:
        kept.table()
    assert caught.value.file == kept.files()[1]


def test_a_file_of_version_1_is_read_beside_newer_ones(run, tmp_path):
    """version1.parquet was written by the code of that time (commit caaf2b7)."""
    kept = History(tmp_path / "h")
    kept.add(entry_of(run(day=4)))
    old = Path(__file__).with_name("version1.parquet")
    assert json.loads(pq.read_metadata(old).metadata[schema.KEY])["schema"] == 1
    shutil.copy(old, kept.runs / "20260103T030000-e13fa28cf5984859.parquet")
    first, second, newer = kept.table().to_pylist()
    assert (first["state"], first["confirms"], first["definition"]) == ("", "", "")
    assert [(row["system"], row["metric"], row["value"]) for row in (first, second)] == [
        ("BM25", "index_bytes", 1000.0),
        ("BM25", "latency_total/p50", 0.00125),
    ]
    assert first["created"].day == 3
    assert newer["system"] == "s"
    (count,) = kept.query("select count(*) from records where revision = repeat('c', 40)")[1]
    assert count == (2,)
    before = old.read_bytes()
    assert (kept.runs / "20260103T030000-e13fa28cf5984859.parquet").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense PAR1"])
def test_a_damaged_part_is_named(run, tmp_path, content):
    kept = History(tmp_path / "h")
    kept.add(entry_of(run()))
    kept.files()[0].write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        kept.table()


def test_a_strange_file_is_named(tmp_path):
    kept = History(tmp_path / "h")
    kept.runs.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), kept.runs / "20260101T000000-x.parquet")
    with pytest.raises(UserError, match="not a part of a history"):
        kept.table()
    with pytest.raises(UserError, match="not a part of a history"):
        created_of(kept.runs / "x.parquet")


def test_sql_reads_and_never_writes(run, tmp_path):
    kept = History(tmp_path / "h")
    for day in (1, 2, 3):
        kept.add(entry_of(run(day=day, values={("s", "index_bytes"): day * 10.0})))
    before = [path.read_bytes() for path in kept.files()]
    names, rows = kept.query("select system, max(value) as most from records group by system")
    assert (names, rows) == (["system", "most"], [("s", 30.0)])
    stolen = tmp_path / "stolen.csv"
    for wrong in (
        f"copy records to '{stolen}'",
        "select * from read_text('/etc/hostname')",
        f"attach '{tmp_path}/x.db'",
        "set enable_external_access = true",
        "select nothing from records",
    ):
        with pytest.raises(UserError, match="query failed"):
            kept.query(wrong)
    assert kept.query("") == ([], [])
    kept.query("drop view records")
    assert not stolen.exists()
    assert [path.read_bytes() for path in kept.files()] == before


def test_runs_without_a_fingerprint_get_one_from_their_facts(run):
    first = entry_of(run(machine=""))
    second = entry_of(run(machine="", environment={"Machine": {"processor": "q", "cores": "2", "memory": "4 GiB"}}))
    assert first.machine.startswith("facts-")
    assert first.machine != second.machine


@pytest.mark.parametrize(
    ("change", "message"), [({"schema": 9}, "schema 9"), ({"provenance": None}, "not a whole run"), ({}, "records")]
)
def test_broken_runs_are_refused_by_name(run, change, message):
    folder = run(**change)
    if not change:
        (folder / "records.jsonl").unlink()
    with pytest.raises(UserError, match=message) as caught:
        entry_of(folder)
    assert str(folder) in str(caught.value)


def test_commands(run, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(app, ["history", *arguments, "--history", str(tmp_path / "h")])

    assert isinstance(call("list").exception, UserError)
    folders = [str(run(day=day)) for day in (1, 2, 3, 4)]
    assert call("add", *folders, folders[0]).output == "4 added, 1 were there already\n"
    assert len(call("list").output.splitlines()) == 5  # a head, and a line a run
    assert json.loads(call("list", "--json").output)[0]["created"].startswith("2026-01-01")
    answer = call("query", "select count(*) as n from records", "--json")
    assert json.loads(answer.output) == [{"n": 4}]
    assert call("query", "select 1 as a, null as b").output == "a\tb\n1\t\n"
    assert call("prune", "--before", "2026-01-02", "--dry-run").output.splitlines() == [
        History(tmp_path / "h").files()[0].stem,
        "1 runs would go",
    ]
    assert call("prune", "--before", "2026-01-02").output == "1 runs removed\n"
    assert call("prune", "--keep", "1").output == "2 runs removed\n"
    assert [run.created.day for run in History(tmp_path / "h").summaries()] == [4]
    for wrong in (["prune"], ["prune", "--keep", "1", "--before", "2026-01-01"], ["prune", "--before", "soon"]):
        assert isinstance(call(*wrong).exception, UserError)
