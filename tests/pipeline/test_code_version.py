"""The version of the code that makes an artefact follows the code."""

import pytest

from harness.pipeline import code_version as code
from harness.pipeline.code_version import code_version


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Digest of a module with a text, of which each has a name of its own."""
    written = []

    def of(text):
        name = f"versioned_code_{tmp_path.name}_{len(written)}"
        written.append(name)
        (tmp_path / f"{name}.py").write_text(text)
        return code._tree_digest(name)

    monkeypatch.syspath_prepend(str(tmp_path))
    return of


PLAIN = "def f():\n    return 1\n"


@pytest.mark.parametrize(
    "text",
    [
        '"""Doc."""\n# comment\ndef f():\n    """Doc."""\n    return 1\n',
        "def f():  return 1\n",
        "\n\n\ndef f():\n\n    return (1)\n",
    ],
)
def test_comments_docstrings_and_layout_do_not_change_the_version(digest, text):
    assert digest(text) == digest(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return 2\n",
        "def g():\n    return 1\n",
        "def f(x=1):\n    return 1\n",
        "def f() -> int:\n    return 1\n",
        "@cache\ndef f():\n    return 1\n",
        "def f():\n    'not first'; return 1\nX = 'a text that is data'\n",
    ],
)
def test_everything_else_changes_it(digest, text):
    assert digest(text) != digest(PLAIN)


def test_a_docstring_of_a_class_does_not_count_but_its_fields_do(digest):
    plain = digest("class A:\n    '''Doc.'''\n    x: int\n")
    assert digest("class A:\n    '''Another.'''\n    x: int\n") == plain
    assert digest("class A:\n    '''Doc.'''\n    x: float\n") != plain


def test_version_reaches_what_is_imported():
    assert "harness.indexes._kernels" in code._reached(("harness.indexes.inverted",))
    assert "harness.errors" not in code._reached(("harness.indexes.inverted",))
    assert code_version(("harness.indexes.inverted",)) != code_version(("harness.indexes.faiss_flat",))


def test_what_is_imported_for_types_alone_is_not_reached():
    """`harness.pipeline.stage` names JSON's types, and reads the code that computes versions."""
    reached = code._reached(("harness.pipeline.stage",))
    assert "harness.pipeline.code_version" in reached
    assert "harness.jsonvalue" not in reached


def test_imports_inside_functions_are_reached():
    assert "harness.measure.quality" in code._reached(("harness.pipeline.steps.evaluate",))


def test_an_engine_does_not_repeat_a_training():
    """The step that makes models reaches no index, and no measuring."""
    reached = code._reached(("harness.pipeline.steps.fit", "harness.encoders.bm25"))
    assert not [name for name in reached if name.startswith(("harness.indexes", "harness.measure"))]


def test_a_module_that_is_not_there_has_no_code():
    assert code._source("no_such_package.module") is None
    assert code._source("harness.no_such_module") is None
    assert code._tree_digest("harness.no_such_module") == code._tree_digest("no_such_package")


def test_the_order_of_modules_does_not_matter():
    names = ("harness.indexes.inverted", "harness.pipeline.steps.index")
    assert code_version(names) == code_version(names[::-1])
