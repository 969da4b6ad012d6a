"""What is said of a wrong value: the keys that may stand at its place, and a value no longer than a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError
from small_specs import HEAD, TABLES, refused

from harness.spec.explain import LONGEST_VALUE, explain, fields_at
from harness.spec.models import SpecHead
from harness.spec.params import Params


class Inner(Params):
    depth: int = Field(default=1, ge=1)


class Other(Params):
    width: int = 1


class Outer(Params):
    inner: Inner = Inner()
    either: Inner | Other | str = "x"
    many: list[Inner] = Field(default_factory=list)
    named: dict[str, Other] = Field(default_factory=dict)
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ((), ["inner", "either", "many", "named", "maybe"]),
        (("inner",), ["depth"]),
        (("either",), ["depth", "width"]),
        (("either", "Inner"), ["depth", "width"]),
        (("many", 3), ["depth"]),
        (("named", "whatever"), ["width"]),
        (("maybe",), ["depth"]),
        (("inner", "depth"), []),
    ],
)
def test_keys_that_a_table_may_have(path, names):
    assert fields_at(Outer, path) == names


@pytest.mark.parametrize(
    ("table", "key", "nearest"),
    [
        (
            "[nightly.thresholds]\nindex_bytes = { relativ = 0.5 }\n",
            "nightly.thresholds.index_bytes.relativ",
            "relative",
        ),
        ("[nightly]\nreleas = 'abcd'\n", "nightly.releas", "release"),
        ("[measure.power]\nwatts_per_cor = 5\n", "measure.power.watts_per_cor", "watts_per_core"),
        ("[[systems]]\nencodr = 'e'\nindex = 'i'\n", "systems[1].encodr", "encoder"),
        ("[[claims]]\nname = 'n'\nmetrc = 'x'\nsystem = 's'\nat_least = 1\n", "claims[0].metrc", "metric"),
    ],
)
def test_a_mistyped_key_names_the_nearest_at_any_depth(tmp_path, table, key, nearest):
    error = refused(tmp_path, f"{HEAD}{TABLES}{table}")
    assert (error.key, error.what.partition(" (")[0]) == (key, "unknown key")
    assert f"did you mean {nearest!r}" in error.remedy


def problem(value):
    with pytest.raises(ValidationError) as caught:
        Inner.model_validate({"depth": value})
    (first,) = caught.value.errors(include_url=False)
    return first


@given(st.text(min_size=1) | st.lists(st.integers(), min_size=30) | st.integers(max_value=0))
def test_a_value_is_shown_in_one_line_of_bounded_length(value):
    try:
        int(value)
    except (TypeError, ValueError):
        pass
    else:
        value = min(int(value), 0)
    what, place, remedy = explain(problem(value), ("a", "depth"), Outer, ())
    assert place == ("a", "depth")
    assert remedy == "correct the value"
    assert "\n" not in what
    shown = what[len("found ") : what.rindex(f" ({type(value).__name__}): ")]
    assert len(shown) <= LONGEST_VALUE
    assert shown == repr(value) or (shown.endswith("...") and repr(value).startswith(shown[:-3]))


def test_keys_of_the_whole_spec_count_at_the_top_alone():
    with pytest.raises(ValidationError) as caught:
        SpecHead.model_validate({"name": "x", "systems": [], "encoder": 1, "measure": {"encoder": 1}})
    problems = {error["loc"]: error for error in caught.value.errors(include_url=False)}
    top = explain(problems[("encoder",)], ("encoder",), SpecHead, ("encoders",))
    below = explain(problems[("measure", "encoder")], ("measure", "encoder"), SpecHead, ("encoders",))
    assert "encoders" in top[2]
    assert "encoders" not in below[2]


def test_a_text_of_another_form_is_told_what_the_key_takes(tmp_path):
    error = refused(tmp_path, f"{HEAD}{TABLES}".replace('name = "', 'name = "a b/', 1))
    assert error.key == "name"
    assert error.what.endswith("which is not of the form that this key takes")
    assert "letters, digits" in error.remedy
