"""What all results of steps are."""

from __future__ import annotations


class StepResult:
    """Base of the results of steps: each is a frozen dataclass that is stored as JSON and read by attribute.

    A step is annotated with its result's class; by it the stored JSON is read again (`harness.typed_json`). A step that
    is annotated with something else returns a JSON object, and its readers get that.
    """
