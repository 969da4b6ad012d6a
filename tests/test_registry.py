"""Implementations by name: found in a package, refused where a hook is missing, never registered twice."""

from typing import ClassVar, Protocol

import pytest

from harness.collections.base import Collection
from harness.errors import UserError
from harness.indexes.base import Index
from harness.metrics import QualityMetric
from harness.pipeline.plan.registries import REGISTRIES
from harness.registry import Registry, hooks_of


class Plug(Protocol):
    declared: ClassVar[int]
    of_an_instance: int

    def method(self): ...

    @classmethod
    def of_the_class(cls): ...

    @staticmethod
    def free(): ...

    @property
    def size(self): ...

    def _private(self): ...


class Whole:
    declared = 1

    def method(self):
        return 1

    @classmethod
    def of_the_class(cls):
        return 2

    @staticmethod
    def free():
        return 3

    @property
    def size(self):
        return 4


@pytest.fixture
def registry():
    return Registry("toy", "harness.ciff", "nobody.has.this.group", hooks=("declared", "method"))


def test_hooks_are_what_a_class_can_have():
    assert set(hooks_of(Plug)) == {"declared", "method", "of_the_class", "free", "size"}


def test_hooks_of_a_protocol_that_extends_another():
    class More(Plug, Protocol):
        other: ClassVar[int]

        @staticmethod
        def made(): ...

    assert set(hooks_of(More)) == {*hooks_of(Plug), "other", "made"}


def test_a_class_without_a_static_method_is_refused():
    registry = Registry("toy", "harness.ciff", "nobody.has.this.group", hooks=hooks_of(Plug))
    without = {name: value for name, value in vars(Whole).items() if name != "free"}
    with pytest.raises(UserError, match="'partial' has no free"):
        registry.register("partial")(type("Partial", (), without))
    assert registry.register("whole")(Whole) is Whole


@pytest.mark.parametrize(
    ("protocol", "some"),
    [
        (Index, {"Params", "supports", "libraries", "build", "search", "save", "load", "memory", "work", "codec",
                 "modules", "libraries_with", "reach", "elsewhere"}),
        (Collection, {"Params", "libraries", "fingerprint", "documents", "queries", "judgements", "pairs", "warnings",
                      "description", "sizes", "expanded", "has_texts", "modules", "libraries_with"}),
        (QualityMetric, {"definition", "libraries", "measure", "method"}),
    ],
)  # fmt: skip
def test_hooks_of_the_plug_points(protocol, some):
    assert some <= set(hooks_of(protocol))


def test_registered_ones_are_found_by_name(registry):
    registry.register("whole")(Whole)
    assert registry.get("whole") is Whole
    assert registry.names() == ["whole"]
    assert registry.register("whole")(Whole) is Whole  # the same one again, as when its module is imported twice


def test_a_name_is_given_once(registry):
    registry.register("whole")(Whole)
    with pytest.raises(ValueError, match="toy 'whole' is registered twice"):
        registry.register("whole")(type("Other", (Whole,), {}))


def test_missing_hooks_are_named_together(registry):
    with pytest.raises(UserError, match="the toy 'empty' has no declared, method") as caught:
        registry.register("empty")(type("Empty", (), {}))
    assert "harness.ciff.base" in caught.value.remedy
    assert registry.names() == []


def test_an_unknown_name_gets_the_nearest_one(registry):
    registry.register("whole")(Whole)
    with pytest.raises(UserError, match="there is no toy 'whale'") as caught:
        registry.get("whale")
    assert "did you mean 'whole'" in caught.value.remedy


@pytest.mark.parametrize("axis", ["collections", "indexes"])
def test_every_implementation_says_on_which_libraries_it_depends(axis):
    from importlib.metadata import packages_distributions

    names = {name.lower().replace("_", "-") for known in packages_distributions().values() for name in known}
    optional = {
        "bmp",
        "kannolo",
        "pyseismic-lsr",
        "qdrant-edge-py",
        "mteb",
        "datasets",
        "ir-datasets",
        "faiss-cpu",
        "ray",
    }
    registry = getattr(REGISTRIES, axis)
    for name in registry.names():
        libraries = registry.get(name).libraries
        assert isinstance(libraries, tuple), name
        assert list(libraries) == sorted(libraries), name
        assert set(libraries) <= names | optional, name
