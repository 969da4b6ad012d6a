"""Markdown tables: as many cells in each line as the head has, and names that start no markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.markdown import escaped, markdown_table


def cells(line):
    """The cells of a line as a Markdown reader splits it: at bars that no backslash precedes."""
    found, text, signs = [], "", iter(line)
    for sign in signs:
        if sign == "\\":
            text += sign + next(signs)
        elif sign == "|":
            found.append(text.strip())
            text = ""
        else:
            text += sign
    assert not text, "a line of a table ends with a bar"
    return found[1:]


def unescaped(text):
    return re.sub(r"\\(.)", r"\1", text)


def test_the_rule_aligns_numbers_to_the_right_and_the_named_columns_to_the_left():
    head, rule = markdown_table(["a", "b", "c"], [], left=(0, 2))
    assert head == "| a | b | c |"
    assert rule == "|---|---:|---|"


def test_an_empty_cell_and_a_line_break_keep_the_table_whole():
    assert markdown_table(["", "x"], [["", "1\n2"]])[::2] == ["| | x |", "| | 1 2 |"]


@pytest.mark.parametrize("row", [[], ["1"], ["1", "2", "3"]])
def test_a_row_of_another_length_is_refused(row):
    with pytest.raises(ValueError, match=f"a row of {len(row)} cells in a table of 2 columns"):
        markdown_table(["a", "b"], [row])


@given(st.text())
def test_escaped_text_reads_as_the_text_with_single_spaces(text):
    assert unescaped(escaped(text)) == " ".join(text.split())


@given(st.text())
def test_no_sign_of_escaped_text_starts_markup(text):
    assert not re.search(r"[|*_`<>\[\]]", re.sub(r"\\.", "", escaped(text)))


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.text(), min_size=n, max_size=n), min_size=1)))
def test_a_reader_finds_every_cell_again(rows):
    head, rule, *body = markdown_table([escaped(text) for text in rows[0]], [[escaped(t) for t in row] for row in rows])
    expected = [[" ".join(text.split()) for text in row] for row in rows]
    assert [[unescaped(cell) for cell in cells(line)] for line in (head, *body)] == [expected[0], *expected]
    assert len(cells(rule)) == len(rows[0])
