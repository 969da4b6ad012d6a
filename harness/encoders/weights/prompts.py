"""What stands before a text: by side, and by the task that it is encoded for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import Field

from harness.errors import UserError
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.encoders.base import Role

V = TypeVar("V")

INSTRUCTION = "{task}"
"""What an instruction of the task replaces in a prefix."""
GENERAL_INSTRUCTION = "Find passages that answer the query"
"""The instruction of texts that belong to no task, such as those of a check."""


class Prefixes(Params):
    """Prefixes of both sides; the general ones hold where one is left out."""

    query: str | None = None
    """Put before every query."""
    document: str | None = None
    """Put before every document."""


class Prompted(Params):
    """Settings of an encoder whose prefixes may depend on the task.

    A subclass has `query_prefix` and `document_prefix`.
    """

    prefixes: dict[str, Prefixes] = Field(default_factory=dict)
    """Other prefixes on some tasks: the name of a collection of the spec or of an mteb task, in which * stands for any
    characters, with `query`, `document` or both. The first name that fits counts."""
    instructions: dict[str, str] = Field(default_factory=dict)
    """What {task} in a prefix stands for, by name as in `prefixes`. On a task of mteb that no name fits, it stands for
    mteb's own instruction."""

    def on(self, collection: str, task: str | None) -> Self:
        """These settings with the prefixes of one collection in `query_prefix` and `document_prefix`.

        Args:
            collection: Its name in the spec; empty for texts that belong to no task.
            task: The mteb task that it is; None for other collections.

        Raises:
            UserError: A prefix has {task}, and nothing says what it stands for.
        """
        chosen = self.chosen_prefixes(collection, task)
        sides: Mapping[Role, str | None] = {"query": chosen.query, "document": chosen.document}
        changed = {
            f"{role}_prefix": prefix.replace(INSTRUCTION, self._instruction(role, collection, task))
            if INSTRUCTION in prefix
            else prefix
            for role, prefix in sides.items()
            if prefix is not None
        }
        return self.model_copy(update={**changed, "prefixes": {}, "instructions": {}})

    def chosen_prefixes(self, collection: str, task: str | None) -> Prefixes:
        """The prefixes of one collection, {task} not yet replaced."""
        own = fitting(self.prefixes, collection, task) or Prefixes()
        general = self.model_dump(include={"query_prefix", "document_prefix"})
        return Prefixes(
            query=general.get("query_prefix") if own.query is None else own.query,
            document=general.get("document_prefix") if own.document is None else own.document,
        )

    def _instruction(self, role: Role, collection: str, task: str | None) -> str:
        named = fitting(self.instructions, collection, task)
        if named is not None:
            return named
        if task is not None:
            return mteb_instruction(task, role)
        if not collection:
            return GENERAL_INSTRUCTION
        raise UserError(
            f"the prefix has {INSTRUCTION}, and the collection {collection!r} is no task of mteb",
            key="instructions",
            remedy=f'say what it stands for: instructions = {{ "{collection}" = "..." }}',
        )


def fitting(named: Mapping[str, V], collection: str, task: str | None) -> V | None:
    """The first value whose name fits a collection or its task; None where none does. Case does not count.

    Args:
        named: Name, in which * and ? stand for any characters and one character, to value.
        collection: Name of the collection; nothing fits an empty one.
        task: Name of its mteb task.
    """
    names = [name.casefold() for name in (collection, task) if name]
    for pattern, value in named.items():
        if any(fnmatchcase(name, pattern.casefold()) for name in names):
            return value
    return None


def mteb_instruction(task: str, role: Role) -> str:
    """What mteb tells a model that follows instructions to do on this task; its general sentence where it has none.

    Raises:
        UserError: mteb is not installed, or has no such task.
    """
    try:
        import mteb
        from mteb.abstasks.abstask import get_abstask_prompt
    except ImportError:
        raise UserError("mteb is not installed", remedy='python -m pip install "laconic-bench[mteb]"') from None
    try:
        prompt = mteb.get_task(task).metadata.prompt
    except KeyError:
        raise UserError(
            f"mteb has no task {task!r}, so it has no instruction for it",
            key="instructions",
            remedy=f'say what it stands for: instructions = {{ "{task}" = "..." }}',
        ) from None
    if isinstance(prompt, str):
        return prompt
    if prompt:
        return str(prompt.get(role, ""))
    return str(get_abstask_prompt(task))


def registered_prompts(model: str) -> str | None:
    """What mteb puts before the texts of a model of its registry, in words; None for nothing, or no such model.

    Args:
        model: OWNER/NAME.
    """
    try:
        import mteb
    except ImportError:
        return None
    try:
        registered = mteb.get_model_meta(model)
    except (KeyError, ValueError):
        return None
    prompts = registered.loader_kwargs.get("model_prompts")
    if isinstance(prompts, dict) and any(prompts.values()):
        return ", ".join(f"{name}: {prompt!r}" for name, prompt in prompts.items())
    if registered.use_instructions:
        return "an instruction of the task before each query"
    return None
