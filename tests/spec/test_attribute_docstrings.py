"""Docstrings of attributes: read out of the source, those of bases too, and by nobody who asks for no schema."""

import json
import subprocess
import sys

from pydantic import Field

from harness.spec.attribute_docstrings import attribute_docstrings
from harness.spec.params import Params


class Base(Params):
    """A base."""

    size: int = 1
    """Of the base."""
    depth: int = 2
    """Of the base too."""
    bare: int = 3


class Derived(Base):
    """A table with an inner class, and a method with a local variable."""

    class Inner(Params):
        """Inside."""

        size: int = 4
        """Of the inner class,
        over two lines.
        """

    depth: int = 5
    """Of the derived class."""
    named: int = Field(6, description="Its own description.")
    """Not this."""
    inner: Inner = Inner()
    """A table."""

    def method(self) -> None:
        """Look at nothing."""
        local: int = 0
        """A local variable."""
        assert local == 0


def test_docstrings_of_a_class_and_its_bases_are_read():
    assert attribute_docstrings(Derived) == {
        "size": "Of the base.",
        "depth": "Of the derived class.",
        "named": "Not this.",
        "inner": "A table.",
    } | attribute_docstrings(Params)
    assert attribute_docstrings(Derived.Inner)["size"] == "Of the inner class,\nover two lines."


def test_a_class_inside_a_function_or_a_condition_is_read_too():
    if sys.platform:

        class Local(Params):
            width: int = 1
            """Of a local class."""

    assert attribute_docstrings(Local)["width"] == "Of a local class."


def test_a_class_without_source_has_none():
    made = type("Made", (), {"__annotations__": {"size": int}})
    assert attribute_docstrings(made) == {} == attribute_docstrings(int)
    made.__module__ = "a.module.that.is.not.there"
    assert attribute_docstrings(made) == {}


def test_a_schema_describes_fields_by_their_docstrings_and_own_descriptions_come_first():
    schema = Derived.model_json_schema()
    about = {name: node.get("description") for name, node in schema["properties"].items()}
    assert about == {
        "size": "Of the base.",
        "depth": "Of the derived class.",
        "bare": None,
        "named": "Its own description.",
        "inner": "A table.",
    }
    assert schema["$defs"]["Inner"]["properties"]["size"]["description"] == "Of the inner class,\nover two lines."
    assert schema["$defs"]["Inner"]["description"] == "Inside."


def test_a_process_that_asks_for_no_schema_reads_no_source():
    code = (
        "import inspect, json\n"
        "calls = []\n"
        "inspect.findsource = lambda what: calls.append(repr(what)) or ([''], 0)\n"
        "import harness.encoders.bm25, harness.indexes.inverted\n"
        "print(json.dumps(calls))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
