"""Records are read as they were written; a damaged line is named."""

import json
import math
from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records import Record, read_records, record, write_records


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_name_comes_back(tmp_path_factory, system, collection):
    path = tmp_path_factory.mktemp("records") / "records.jsonl"
    rows = [record("r", collection, system, "index_bytes", float(number), method="m") for number in range(3)]
    write_records(path, rows)
    assert read_records(path) == rows


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_a_name_with_another_end_of_line_stays_whole(tmp_path, end):
    rows = [record("r", "c", f"a{end}b", "index_bytes", 1.0, method="m")]
    write_records(tmp_path / "records.jsonl", rows)
    assert read_records(tmp_path / "records.jsonl") == rows


def test_a_file_without_records_has_none(tmp_path):
    write_records(tmp_path / "records.jsonl", [])
    assert read_records(tmp_path / "records.jsonl") == []


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"run": "r"}'])
def test_a_damaged_line_is_named(tmp_path, damaged):
    path = tmp_path / "records.jsonl"
    write_records(path, [record("r", "c", "s", "index_bytes", 1.0, method="m")])
    path.write_text(path.read_text() + damaged + "\n")
    with pytest.raises(UserError, match="not a record") as error:
        read_records(path)
    assert (error.value.file, error.value.line) == (path, 2)


def with_field(path, name, value):
    """Records of which the second has another value in one field."""
    rows = [asdict(record("r", "c", "s", "index_bytes", 1.0, method="m", interval=(0.5, 2.0))) for _ in range(3)]
    rows[1][name] = value
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((field.name, value) for field in fields(Record) for value in ({}, [1.0], True)),
        *((name, 1) for name in ("run", "collection", "system", "metric", "unit", "direction", "method", "source")),
        *((name, "1") for name in ("value", "n", "ci_low", "ci_high")),
        ("direction", "upward"),
        ("source", "guessed"),
        ("n", 1.5),
        ("value", None),
        ("value", math.inf),
        ("ci_low", math.nan),
        ("ci_high", math.inf),
    ],
)
def test_a_field_of_another_type_is_named_with_its_line(tmp_path, name, value):
    path = with_field(tmp_path / "records.jsonl", name, value)
    with pytest.raises(UserError, match=rf"not a record: .*\b{name}\b") as error:
        read_records(path)
    assert (error.value.file, error.value.line) == (path, 2)


@pytest.mark.parametrize("name", ["value", "ci_low", "ci_high"])
def test_a_whole_number_is_a_number(tmp_path, name):
    rows = read_records(with_field(tmp_path / "records.jsonl", name, 3))
    assert [type(getattr(row, name)) for row in rows] == [float] * 3
    assert getattr(rows[1], name) == 3


def test_what_a_later_version_adds_is_left_out_and_no_interval_is_none(tmp_path):
    path = with_field(tmp_path / "records.jsonl", "colour", "red")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["ci_low"], row["ci_high"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_records(path) == [record("r", "c", "s", "index_bytes", 1.0, method="m")] * 3
