"""The results of stages as their artefacts hold them, read as the types that the steps return."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from harness.pipeline.steps.result import StepResult
from harness.pipeline.store.local import MANIFEST
from harness.pipeline.store.manifest import DamagedError
from harness.typed_json import JsonTypeError, from_json

if TYPE_CHECKING:
    from harness.pipeline.store.local import Artefact

R = TypeVar("R", bound=StepResult)


@cache
def result_type(function: str) -> type[StepResult] | None:
    """The type that a step returns; None where it returns a JSON object.

    Args:
        function: ``module:function``.
    """
    module_name, _, name = function.partition(":")
    module = importlib.import_module(module_name)
    kind: object = getattr(module, name).__annotations__.get("return")
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


def check_result(artefact: Artefact, function: str) -> None:
    """Check that an artefact holds what the step returns that is given as ``module:function``.

    Raises:
        DamagedError: It does not.
    """
    kind = result_type(function)
    if kind is not None:
        stored_result(artefact, kind)
