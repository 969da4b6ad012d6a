"""The version of the code that makes an artefact, computed from the code itself."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a syntax tree that hold statements, or what has a block of them."""
# What these say does not change an artefact's content.
NEUTRAL = {"harness", "harness.errors", "harness.registry", "harness.records", "harness.metrics"}


@cache
def code_version(modules: tuple[str, ...]) -> str:
    """Digest of the syntax trees of these modules and of all modules of this package that they import.

    Comments, docstrings and layout do not count, so that a better sentence does not repeat a training.
    """
    digest = hashlib.sha256()
    for name in sorted(_reached(modules)):
        digest.update(name.encode())
        digest.update(_tree_digest(name))
    return digest.hexdigest()[:16]


def _reached(modules: tuple[str, ...]) -> set[str]:
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in reached or name in NEUTRAL:
            continue
        reached.add(name)
        waiting += _imports(name)
    return reached


@cache
def _source(name: str) -> Path | None:
    """The file of a module. Neither it nor its parents are imported: only the top package is looked up."""
    top, *parts = name.split(".")
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts) if spec.submodule_search_locations else Path(spec.origin)
    candidates = [path / "__init__.py", path.with_suffix(".py")] if parts else [Path(spec.origin)]
    return next((file for file in candidates if file.suffix == ".py" and file.is_file()), None)


@cache
def _parsed(name: str) -> ast.Module:
    path = _source(name)
    return ast.parse(path.read_text(encoding="utf-8")) if path else ast.Module(body=[], type_ignores=[])


@cache
def _imports(name: str) -> tuple[str, ...]:
    """Modules of this package that a module imports, at its top or inside a function."""
    names: list[str] = []
    for node in _with_blocks(_parsed(name), at_run_time=True):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(name for name in names if name.split(".")[0] == "harness" and _source(name) is not None)


def _with_blocks(tree: ast.Module, *, at_run_time: bool) -> Iterator[ast.AST]:
    """The module, its statements and what else has a block of statements; expressions are not looked at.

    Args:
        tree: The module.
        at_run_time: Leave out what is below ``if TYPE_CHECKING``.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        types_alone = at_run_time and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for field in ("orelse",) if types_alone else BLOCKS:
            if isinstance(below := getattr(node, field, None), list):
                waiting += below


@cache
def _tree_digest(name: str) -> bytes:
    tree = _parsed(name)
    for node in _with_blocks(tree, at_run_time=False):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            constant = body[0].value
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).digest()
