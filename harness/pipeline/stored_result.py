"""The results of stages as their artefacts hold them, read as the types that the steps return."""

from __future__ import annotations

import contextlib
import importlib
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.steps.observed_result import ObservedResult
from harness.pipeline.steps.result import StepResult
from harness.pipeline.store.local import MANIFEST
from harness.pipeline.store.manifest import DamagedError
from harness.typed_json import JsonTypeError, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.measure.machine.conditions import ProcessConditions
    from harness.pipeline.store.local import Artefact

R = TypeVar("R", bound=StepResult)


@cache
def result_type(function: str) -> type[StepResult] | None:
    """The type that a step returns; None where it returns a JSON object, or is not there.

    Args:
        function: ``module:function``.
    """
    module_name, _, name = function.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError:  # of a package that is gone; a stage that calls it fails in its own process and says so
        return None
    annotations: Mapping[str, object] = getattr(getattr(module, name, None), "__annotations__", {})
    kind = annotations.get("return")
    kind = getattr(module, kind, None) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) and issubclass(kind, StepResult) else None


def stored_result(artefact: Artefact, kind: type[R]) -> R:
    """What the stage of an artefact returned.

    Raises:
        DamagedError: The artefact holds something else.
    """
    try:
        return from_json(kind, artefact.result)
    except JsonTypeError as error:
        raise DamagedError(f"{artefact.directory / MANIFEST}: not the result of its step ({error})") from None


def read_result(artefact: Artefact, function: str) -> object:
    """What the step given as ``module:function`` returned: a `StepResult`, or JSON where it is annotated otherwise.

    Raises:
        DamagedError: The artefact holds something else.
    """
    kind = result_type(function)
    return artefact.result if kind is None else stored_result(artefact, kind)


def conditions_met(artefact: Artefact, function: str) -> ProcessConditions | None:
    """The conditions of the process that made an artefact; None where it was not observed.

    A step that returns a JSON object gives them as ``conditions``, as `Watched.facts` made them.

    Raises:
        DamagedError: The artefact does not hold what its step returns.
    """
    result = read_result(artefact, function)
    if isinstance(result, ObservedResult):
        return result.conditions
    if isinstance(result, dict) and "conditions" in result:
        with contextlib.suppress(JsonTypeError):
            return from_json(WatchedConditions, result["conditions"])
    return None
