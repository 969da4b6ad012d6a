"""The suites of a spec: which collections, and which task each is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import allowed
from harness.spec.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.spec.models import Part
    from harness.spec.source import Source
    from harness.spec.suite import SuiteSpec


def suites_of(
    source: Source, written: Mapping[str, SuiteSpec], parts: Mapping[str, Sequence[Part]]
) -> dict[str, Suite]:
    """The suites of a spec by name: those that a collection's table names, then those of ``[suites.NAME]``.

    Args:
        source: The spec.
        written: Its tables of suites.
        parts: Its collections by the name that the spec gives them.

    Raises:
        UserError: A suite names a collection that is not there or names one twice, or two suites have one name.
    """
    suites = {suite.name: suite for suite in _named_by_collections(parts)}
    for name, table in written.items():
        path = ("suites", name)
        if name in suites:
            raise source.error(f"a collection names the suite {name!r} too", path, "give this suite another name")
        tasks = {task: _expanded(source, name, task, given, parts) for task, given in table.tasks.items()}
        suites[name] = Suite(name, tasks)
        collections = suites[name].collections
        twice = next(
            (collection for place, collection in enumerate(collections) if collection in collections[:place]), None
        )
        if twice is not None:
            raise source.error(f"the collection {twice!r} is in this suite twice", path, "name each collection once")
    return suites


def _named_by_collections(parts: Mapping[str, Sequence[Part]]) -> Iterator[Suite]:
    """A table that names a suite is one suite; with a matrix it is one for each of the matrix's other choices."""
    groups: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for base, group in parts.items():
        for part in group:
            if part.suite is not None:
                suite, task = part.suite
                other = ", ".join(f"{key}={value}" for key, value in part.varied if key != "task")
                groups.setdefault((suite, base, other), {}).setdefault(task, []).append(part.name)
    names = [suite for suite, _, _ in groups]
    for (suite, base, other), tasks in groups.items():
        name = suite if names.count(suite) == 1 else f"{suite} ({', '.join(filter(None, (base, other)))})"
        yield Suite(name, {task: tuple(collections) for task, collections in tasks.items()})


def _expanded(
    source: Source, suite: str, task: str, given: str | Sequence[str], parts: Mapping[str, Sequence[Part]]
) -> tuple[str, ...]:
    """The collections of a task; the name of a matrix stands for all its collections."""
    by_name = {part.name: [part] for group in parts.values() for part in group} | dict(parts)
    names = [given] if isinstance(given, str) else list(given)
    path = ("suites", suite, "tasks", task)
    if not names:
        raise source.error("at least one collection is needed", path, f"one of {sorted(parts)}")
    for name in names:
        if name not in by_name:
            raise source.error(f"there is no collection {name!r} in this spec", path, allowed(name, by_name))
    return tuple(part.name for name in names for part in by_name[name])
