"""Records are read as they were written; a damaged line is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.records import read_records, record, write_records


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
