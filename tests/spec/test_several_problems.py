"""A spec with several mistakes is answered by all of them at once."""

import copy

import pytest
from small_specs import CLAIM, HEAD, TABLES, claims, line, load

from harness.errors import MultipleUserError, UserError

SYSTEMS = '[[systems]]\nname = "s"\nencoder = "e"\nindex = "i"\n'
PARTS = TABLES.removesuffix(SYSTEMS)


def problems(tmp_path, text):
    """(key, line) of each mistake, and the mistakes."""
    with pytest.raises(MultipleUserError) as caught:
        load(tmp_path, text)
    found = caught.value.problems
    assert all(problem.file == tmp_path / "x.toml" and problem.remedy for problem in found)
    return [(problem.key, problem.line) for problem in found], found


def test_every_wrong_key_of_a_table_is_named(tmp_path):
    text = f"{HEAD}{TABLES}[measure]\nk = 0\ndepth = 0\nrepets = 0\n"
    places, found = problems(tmp_path, text)
    first = line(text, "k = 0")
    assert places == [("measure.k", first), ("measure.depth", first + 1), ("measure.repets", first + 2)]
    assert "did you mean 'repeats'" in found[2].remedy


def test_tables_of_every_axis_and_the_head_are_checked_together(tmp_path):
    text = (
        f'{HEAD}[collections.c]\ntype = "sinthetic"\n[encoders.e]\ntype = "bm25"\nk2 = 1\n[indexes.i]\n'
        f'type = "inverted"\nmatrix = 1\n[indexes.j]\n{SYSTEMS}[measure]\nalso = ["nothing"]\n'
    )
    places, _ = problems(tmp_path, text)
    assert [key for key, _ in places] == [
        "collections.c.type", "encoders.e.k2", "indexes.i.matrix", "indexes.j", "measure.also[0]",
    ]  # fmt: skip
    assert [number for _, number in places] == sorted(number for _, number in places)


def test_each_system_and_each_claim_is_checked(tmp_path):
    wrong = SYSTEMS.replace('"e"', '"f"') + SYSTEMS.replace('"i"', '"j"') + '[[systems]]\nencoder = "e"\nindex = "i"\n'
    places, _ = problems(tmp_path, HEAD + PARTS + wrong)
    assert [key for key, _ in places] == ["systems[0].encoder", "systems[1].index"]
    two = claims({**CLAIM, "system": "t"}, {**CLAIM, "metric": "mteric"})
    places, _ = problems(tmp_path, HEAD + TABLES + two)
    assert [key for key, _ in places] == ["claims[0].system", "claims[1].metric"]


@pytest.mark.parametrize(("table", "mistyped"), [("[[systems]]", "[[sytems]]"), ("[encoders.e]", "[encoder.e]")])
def test_a_mistyped_table_is_one_mistake(tmp_path, table, mistyped):
    text = (HEAD + TABLES).replace(table, mistyped)
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    error = caught.value
    assert not isinstance(error, MultipleUserError)
    assert (error.what, error.line) == ("unknown key", line(text, mistyped))
    assert "did you mean" in error.remedy


def test_a_value_that_fits_no_member_of_a_union_is_one_mistake(tmp_path):
    text = HEAD + TABLES.replace('encoder = "e"', "encoder = 1")
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert caught.value.key == "systems[0].encoder"


def test_what_follows_from_a_mistake_is_not_told(tmp_path):
    """A claim on a system that is wrong itself, and a system on a collection that is wrong."""
    text = HEAD + TABLES.replace('"bm25"', '"bm52"') + claims({**CLAIM, "system": "t"})
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert caught.value.key == "encoders.e.type"


def test_the_text_lists_each_mistake_with_place_and_remedy(tmp_path):
    _, found = problems(tmp_path, f"{HEAD}{TABLES}[measure]\nk = 0\ndepth = 0\n")
    error = MultipleUserError(found)
    lines = str(error).split("\n")
    assert lines[0] == f"{tmp_path / 'x.toml'}: 2 problems"
    assert [text[0] for text in lines[1:]] == ["-", " ", "-", " "]
    assert all(text.startswith("    remedy: ") for text in lines[2::2])
    assert str(copy.copy(error)) == str(error)
