"""The second table of docs/errors.md is what the program says."""

from hard_cases import COLLECTIONS, MODELS, NAMES, PAGE, VERSIONS, rows, table, written


def test_the_page_has_what_is_said(tmp_path):
    cases = rows(tmp_path)
    assert len(cases) == len(COLLECTIONS) + len(MODELS) + len(VERSIONS) + len(NAMES) + 2
    assert {code for case, _, code in cases if case in COLLECTIONS or case in MODELS} == {1}
    assert {code for case, _, code in cases if case in VERSIONS or case in NAMES} == {2}
    assert not any("Traceback" in message or "Error:" in message for _, message, _ in cases)
    assert written(PAGE.read_text(encoding="utf-8")) == table(cases), "run nox -s errors"
