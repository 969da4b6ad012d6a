"""Files that `prepare` writes are read as they were written, whatever an identifier holds."""

import pytest

from harness.pipeline.steps.prepare import read_qrels

ENDS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"]


@pytest.mark.parametrize("end", ENDS)
def test_an_identifier_with_another_end_of_line_stays_whole(tmp_path, end):
    file = tmp_path / "qrels.tsv"
    file.write_bytes(f"q{end}1\td{end}1\t2\nq2\td2\t0\n".encode())
    assert read_qrels(file) == {f"q{end}1": {f"d{end}1": 2}, "q2": {"d2": 0}}


def test_a_file_without_judgements_has_none(tmp_path):
    (tmp_path / "qrels.tsv").write_bytes(b"")
    assert read_qrels(tmp_path / "qrels.tsv") == {}
