"""What a user reads of the keys of a table."""

from typing import Literal

import pytest
from pydantic import Field

from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.described import parameters
from harness.spec.params import Params


class Inner(Params):
    """A table."""

    share: float = Field(0.5, gt=0, le=1)
    """A share."""


class Table(Params):
    """A table with one key of each form."""

    path: str
    """Needed."""
    count: int | None = Field(None, ge=1)
    """May be left out."""
    kind: Literal["a", "b"] = "a"
    """One of two."""
    names: str | list[str] = "x"
    """One or several."""
    inner: Inner | None = None
    """A table."""
    phases: list[Inner] = Field([])
    """Tables."""


def test_each_key_has_its_values_its_default_and_a_sentence():
    assert [row[:3] for row in parameters(Table)] == [
        ("path", "text", "needed"),
        ("count", "integer >= 1", ""),
        ("kind", "a or b", '"a"'),
        ("names", "text or list of text", '"x"'),
        ("inner", "table", ""),
        ("inner.share", "number > 0 and <= 1", "0.5"),
        ("phases", "list of table", "[]"),
        ("phases[].share", "number > 0 and <= 1", "0.5"),
    ]
    assert [row.description for row in parameters(Table)][:3] == ["Needed.", "May be left out.", "One of two."]


@pytest.mark.parametrize("axis", ["collections", "encoders", "indexes"])
def test_every_key_of_every_type_is_described(axis):
    registry = getattr(REGISTRIES, axis)
    for name in registry.names():
        model = registry.get(name).Params
        rows = parameters(model)
        assert set(model.model_fields) <= {row.key for row in rows}
        assert all(row.values and row.values != "value" and row.description for row in rows), (name, rows)
