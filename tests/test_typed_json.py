"""Frozen dataclasses as JSON and back."""

import json
import math
from dataclasses import dataclass, fields, make_dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.typed_json import JsonTypeError, from_json, to_json


@dataclass(frozen=True)
class Side:
    rows: int
    seconds: float


@dataclass(frozen=True)
class Base:
    kind: Literal["sparse", "dense"]


@dataclass(frozen=True)
class Everything(Base):
    flag: bool
    text: str
    one: Side
    either: Side | None
    number: int | float | None
    many: tuple[Side, ...]
    pair: tuple[str, float]
    named: dict[str, tuple[int, ...]]
    listed: list[str | None]
    free: object


finite = st.floats(allow_nan=False, allow_infinity=False)
sides = st.builds(Side, rows=st.integers(), seconds=finite)
free = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
everything = st.builds(
    Everything,
    kind=st.sampled_from(["sparse", "dense"]),
    flag=st.booleans(),
    text=st.text(),
    one=sides,
    either=st.none() | sides,
    number=st.none() | st.integers() | finite,
    many=st.lists(sides, max_size=3).map(tuple),
    pair=st.tuples(st.text(), finite),
    named=st.dictionaries(st.text(), st.lists(st.integers(), max_size=3).map(tuple), max_size=3),
    listed=st.lists(st.none() | st.text(), max_size=3),
    free=free,
)


@given(everything)
def test_what_is_written_is_read_equal_and_of_the_same_types(value):
    there = json.loads(json.dumps(to_json(value), allow_nan=False))
    back = from_json(Everything, there)
    assert back == value
    assert repr(back) == repr(value), "1, 1.0 and True are equal, but not the same"
    assert to_json(back) == there


@given(everything, st.data())
def test_a_field_too_few_or_too_many_is_refused_by_name(value, data):
    there = to_json(value)
    name = data.draw(st.sampled_from([field.name for field in fields(value)]))
    with pytest.raises(JsonTypeError, match=f"Everything: {name}: missing"):
        from_json(Everything, {key: item for key, item in there.items() if key != name})
    with pytest.raises(JsonTypeError, match=r"Side: one\.strange: not declared"):
        from_json(Everything, {**there, "one": {**there["one"], "strange": 1}})


WRONG = {
    "flag": [1, "true", None],
    "text": [1, None, ["a"]],
    "kind": ["Sparse", 1, None],
    "one": [None, [], {"rows": 1.0, "seconds": 1.0}, {"rows": True, "seconds": 1.0}, {"rows": 1, "seconds": "1"}],
    "either": [1, {"rows": 1}],
    "number": ["1", True],
    "many": [{}, None, [1]],
    "pair": [["a"], ["a", 1, 2], [1, 1], "ab"],
    "named": [[], {"a": 1}, {"a": ["1"]}],
    "listed": ["ab", [1]],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name, each in WRONG.items() for wrong in each])
def test_another_type_is_refused_with_the_place(name, wrong):
    there = to_json(
        Everything("dense", True, "", Side(1, 2.0), None, 1, (), ("a", 1.0), {"a": (1,)}, ["a"], {"free": [1]})
    )
    with pytest.raises(JsonTypeError, match=name):
        from_json(Everything, {**there, name: wrong})


def test_a_whole_number_may_stand_for_a_float_and_not_the_reverse():
    made = from_json(Side, {"rows": 1, "seconds": 2})
    assert (made, type(made.seconds)) == (Side(1, 2.0), float)
    with pytest.raises(JsonTypeError, match=r"rows: 1\.0 is not a whole number"):
        from_json(Side, {"rows": 1.0, "seconds": 2})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused(number):
    with pytest.raises(JsonTypeError, match=r"seconds: .* is not finite"):
        to_json(Side(1, number))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, "a: set is not JSON"),
        ([{"b": object()}], r"\[0\].b: object is not JSON"),
        ({1: 2}, "the name 1 is no text"),
        (Side, "type is not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_the_place(value, message):
    with pytest.raises(JsonTypeError, match=message):
        to_json(value)


@pytest.mark.parametrize("wrong", [Side("1", 2.0), Side(1, None), Side(True, 2.0), {"deep": [Side(1.5, 2.0)]}])
def test_a_field_of_another_type_than_declared_is_not_written(wrong):
    with pytest.raises(JsonTypeError):
        to_json(wrong)


def test_numbers_of_numpy_are_written_as_plain_ones_where_they_are_such():
    import numpy as np

    there = to_json({"a": np.float64(0.5)})
    assert (there, type(there["a"])) == ({"a": 0.5}, float)
    with pytest.raises(JsonTypeError, match="a: int64 is not JSON"):
        to_json({"a": np.int64(1)})


def test_a_declared_type_that_cannot_be_read_is_a_mistake_of_the_program():
    with pytest.raises(TypeError, match="cannot be read from JSON"):
        from_json(make_dataclass("Strange", [("a", complex)]), {"a": 1})
    with pytest.raises(TypeError, match="cannot be read from JSON"):
        from_json(make_dataclass("Strange", [("a", frozenset[int])]), {"a": [1]})


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(JsonTypeError) as raised:
        from_json(Side, {"rows": "x" * 1000, "seconds": 1})
    assert len(str(raised.value)) < 120
