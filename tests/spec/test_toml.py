"""Lines are counted as TOML and editors count them, and overrides reach what the spec has."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_specs import TABLES, refused

from harness.errors import UserError
from harness.spec.toml import MAX_BYTES, apply_overrides, key_text, line_of, read_toml

NO_ENDS = "\u0085\u2028\u2029"
"""Ends of a line for `str.splitlines`, none for TOML. (A form feed and its like may not stand in TOML unescaped.)"""
TEXTS = st.text(st.sampled_from(NO_ENDS + "ab =[]#"), max_size=12)
NAMES = st.text(st.sampled_from("abcxyz_-09"), min_size=1, max_size=6)


@given(st.lists(st.tuples(NAMES, TEXTS, TEXTS), min_size=1, max_size=8, unique_by=lambda row: row[0]), st.booleans())
def test_a_key_stands_on_the_line_where_an_editor_shows_it(rows, tables):
    """The oracle counts line feeds before the key."""
    text = "".join(
        f"# {comment}\n[{name}]\nkey = '{value}'\n" if tables else f"{name} = '{value}' # {comment}\n"
        for name, value, comment in rows
    )
    content = tomllib.loads(text)
    for name, value, _ in rows:
        assert (content[name]["key"] if tables else content[name]) == value
        start = re.search(rf"^\[?{re.escape(name)}[\] ]", text, re.MULTILINE).start()
        expected = text.count("\n", 0, start) + 1
        assert line_of(text, (name,)) == expected
        if tables:
            assert line_of(text, (name, "key")) == expected + 1


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\u2029"])
def test_a_mistake_below_a_strange_character_is_found_on_its_line(tmp_path, sign):
    text = f'name = "x"\ntitle = "one{sign}two{sign}three"\n{TABLES}[measure]\nrepeats = 0\n'
    error = refused(tmp_path, text)
    assert error.key == "measure.repeats"
    assert error.line == text[: text.index("repeats")].count("\n") + 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_either_end_of_a_line_is_one(tmp_path, end):
    file = tmp_path / "x.toml"
    file.write_bytes(end.join(['name = "x"', "[measure]", "repeats = 0", ""]).encode())
    text, content = read_toml(file)
    assert content == {"name": "x", "measure": {"repeats": 0}}
    assert line_of(text, ("measure", "repeats")) == 3


def test_tables_below_an_array_of_tables_belong_to_its_last():
    text = "[[systems]]\nname = 1\n[systems.more]\na = 1\n[[systems]]\n[systems.more]\na = 2\n"
    assert [line_of(text, ("systems", place, "more", "a")) for place in (0, 1)] == [4, 7]


def test_a_quoted_key_is_found_by_what_it_says():
    text = "[\"a b\"]\n'c d'.e = 1\n"
    assert line_of(text, ("a b", "c d", "e")) == 2


def test_a_spec_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "x.toml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than") as caught:
        read_toml(file)
    assert caught.value.file == file


def test_too_many_brackets_are_no_crash(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("a = " + "[" * 100_000)
    with pytest.raises(UserError, match="not TOML"):
        read_toml(file)


@pytest.mark.parametrize(
    ("override", "content"),
    [
        ("measure.k=5", {"measure": {"k": 5}, "systems": [{"name": "s"}]}),
        ("systems[0].name=t u", {"measure": {}, "systems": [{"name": "t u"}]}),
        ("systems[0]={name='v'}", {"measure": {}, "systems": [{"name": "v"}]}),
        ("new.table.key=[1, 2]", {"measure": {}, "systems": [{"name": "s"}], "new": {"table": {"key": [1, 2]}}}),
        ("title=", {"measure": {}, "systems": [{"name": "s"}], "title": ""}),
        ("title=a=b", {"measure": {}, "systems": [{"name": "s"}], "title": "a=b"}),
    ],
)
def test_an_override_changes_what_it_names(override, content):
    given_content = {"measure": {}, "systems": [{"name": "s"}]}
    apply_overrides(given_content, [override])
    assert given_content == content


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("measure", "is not key=value"),
        ("=5", "is not key=value"),
        ("systems[1].name=x", "systems[1] does not exist"),
        ("systems[1]=x", "systems[1] cannot be set"),
        ("systems.name=x", "systems.name cannot be set"),
        ("measure[0]=x", "measure[0] cannot be set"),
        ("name.deep.deeper=x", "name.deep does not exist"),
    ],
)
def test_an_override_that_leads_nowhere_names_the_place(override, words):
    with pytest.raises(UserError) as caught:
        apply_overrides({"name": "x", "measure": {}, "systems": [{}]}, [override])
    assert words in caught.value.what
    assert caught.value.remedy


@given(st.lists(NAMES | st.integers(0, 9), min_size=1, max_size=5))
def test_a_path_is_written_as_overrides_read_it(path):
    """`key_text` and the parser of overrides are each other's inverse, where a path begins with a name."""
    path = ["a", *path]
    content = {}
    node = content
    for part, following in zip(path, [*path[1:], None], strict=True):
        inner = 0 if following is None else [{} for _ in range(10)] if isinstance(following, int) else {}
        node[part] = inner
        node = inner
    apply_overrides(content, [f"{key_text(path)}=7"])
    for part in path:
        content = content[part]
    assert content == 7
