"""What a run will fetch from the Hugging Face Hub: names, revisions and sizes. The Hub is asked; nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.encoders.weights.hub_files import MODEL_FILES, TOKENIZER_FILES, UNUSED
from harness.hub import Wanted
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.shared_stages import encoder_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.store.local import Store
    from harness.spec.models import Part, Spec

ANSWER_SECONDS = 5.0
"""How long an answer of the Hub is waited for."""
SILENT = {
    "is not reached": "the Hugging Face Hub is not reached",
    "HF_HUB_OFFLINE": "HF_HUB_OFFLINE forbids the network",
}
"""What a failure says where the Hub answers nothing at all -> the same for every name; then it is not asked again."""


@dataclass(frozen=True)
class Asked:
    """Files of a repository that a run reads.

    Attributes:
        kind: Of the repository.
        name: OWNER/NAME.
        revision: What the spec, or a library of the spec, names; None for the newest commit.
        files: Patterns of the files that are read.
        unused: Patterns of those among them that are not.
        upper: The run may fetch less than all of them.
    """

    kind: Literal["model", "dataset"]
    name: str
    revision: str | None
    files: tuple[str, ...]
    unused: tuple[str, ...]
    upper: bool


@dataclass(frozen=True)
class Fetch:
    """What a run takes of one repository.

    Attributes:
        kind: Of the repository.
        name: OWNER/NAME.
        revision: What the spec names; None for the newest commit.
        users: What of the spec reads it.
        commit: What the revision is today; None where that is not known.
        bytes: Still to be fetched, at most where `upper`; None where that is not known.
        upper: The run may fetch less.
        unknown: Why the size is not known; "" where it is.
    """

    kind: Literal["model", "dataset"]
    name: str
    revision: str | None
    users: tuple[str, ...]
    commit: str | None = None
    bytes: int | None = None
    upper: bool = False
    unknown: str = ""


def fetches(spec: Spec, systems: Sequence[SystemStages], store: Store) -> list[Fetch]:
    """What the stages that are not stored take from the Hub; the Hub is asked for sizes, each repository once.

    Args:
        spec: The experiment.
        systems: The stages of its systems.
        store: Where artefacts are kept: a model that was made is not fetched again.
    """
    users: dict[Asked, dict[str, None]] = {}
    for asked, user in _asked(spec, systems, store):
        users.setdefault(asked, {})[user] = None
    silent = ""
    answers = []
    for asked, names in users.items():
        answer, silent = _answer(asked, tuple(names), silent)
        answers.append(answer)
    return answers


def _asked(spec: Spec, systems: Sequence[SystemStages], store: Store) -> Iterable[tuple[Asked, str]]:
    for stages in systems:
        encoder = stages.system.encoder
        if not store.has(stages.fit.key):
            for hub in encoder_type(encoder).hub_names():
                files = TOKENIZER_FILES if hub.key.endswith("tokenizer_revision") else MODEL_FILES
                yield Asked("model", hub.name, hub.revision, files, UNUSED, False), f"encoders.{encoder.base}"
        if not store.has(stages.prepare.key):
            yield from _data(spec.collections[stages.collection])
        for name, pairs in stages.fit.inputs.items():
            if name == "pairs" and encoder.pairs is not None and not store.has(pairs.key):
                yield from _data(spec.collections[encoder.pairs])


def _data(part: Part) -> Iterable[tuple[Asked, str]]:
    for data in REGISTRIES.collections.get(part.type)(part.params).hub_data():
        upper = data.upper or data.files == ("*",)  # a client decides which of its files it needs
        yield Asked("dataset", data.name, data.revision, data.files, (), upper), f"collections.{part.base}"


def _answer(asked: Asked, users: tuple[str, ...], silent: str) -> tuple[Fetch, str]:
    """Ask the Hub, or its cache where `silent` says why the Hub is not asked again; and why it is not asked again."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        """No bar: nothing is fetched."""

        def __init__(self, *values: object, **options: object) -> None:
            super().__init__(*values, **{**options, "disable": True})

    facts = (asked.kind, asked.name, asked.revision, users)
    options = {
        "repo_type": asked.kind,
        "revision": asked.revision,
        "allow_patterns": list(asked.files),
        "ignore_patterns": list(asked.unused),
        "tqdm_class": Silent,
    }
    unknown = silent
    if not silent:
        try:
            files = snapshot_download(asked.name, dry_run=True, etag_timeout=ANSWER_SECONDS, **options)
        except Exception as error:  # whatever it is, the plan goes on without a size
            unknown = Wanted(asked.kind, asked.name, asked.revision, "revision").failure(error).what
            silent = next((why for words, why in SILENT.items() if words in unknown), "")
            unknown = silent or unknown
        else:
            left = [file.file_size for file in files if file.will_download]
            commit = files[0].commit_hash if files else None
            if None in left:
                return Fetch(*facts, commit, None, asked.upper, "the Hub does not tell the size of every file"), ""
            return Fetch(*facts, commit, sum(left), asked.upper), ""
    try:
        commit = Path(snapshot_download(asked.name, local_files_only=True, **options)).name
    except Exception:
        return Fetch(*facts, unknown=unknown), silent
    if asked.revision is None:
        return Fetch(*facts, unknown=f"{commit[:12]} is in the cache, and whether it is the newest: {unknown}"), silent
    return Fetch(*facts, commit, 0, asked.upper), silent
