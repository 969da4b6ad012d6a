"""The docstrings of attributes, read out of the source of a class."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The docstring below each annotated attribute of a class, those of its bases included.

    Args:
        cls: Any class. One whose source is not there has no docstrings.
    """
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        texts.update(_of_module(base.__module__).get(base.__qualname__, {}))
    return texts


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """By the qualified name of a class, and then by the name of an attribute."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (OSError, TypeError, KeyError):  # a builtin, an interactive session, a module that was taken out
        return {}
    texts: dict[str, dict[str, str]] = {}
    _collect(tree, "", texts)
    return texts


def _collect(node: ast.AST, prefix: str, texts: dict[str, dict[str, str]]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            texts.setdefault(prefix + child.name, {}).update(_of_body(child.body))
            _collect(child, f"{prefix}{child.name}.", texts)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _collect(child, f"{prefix}{child.name}.<locals>.", texts)
        elif isinstance(child, ast.stmt):
            _collect(child, prefix, texts)


def _of_body(body: list[ast.stmt]) -> dict[str, str]:
    return {
        above.target.id: inspect.cleandoc(below.value.value)
        for above, below in pairwise(body)
        if isinstance(above, ast.AnnAssign)
        and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
