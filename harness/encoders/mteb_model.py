"""Dense models of mteb's registry, loaded and prompted by mteb itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, field_validator

from harness.encoders import Encoder, register
from harness.encoders.base import Declared, EncoderBase, EncoderTypeBase, HubName
from harness.encoders.hardware import Hardware, described, not_ours
from harness.encoders.replicas import on_devices
from harness.errors import UserError, allowed
from harness.hub import Wanted, damage, remove_damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_meta import ModelMeta
    from mteb.models.models_protocols import EncoderProtocol
    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders.backbones.model_side import ModelSide
    from harness.encoders.base import ModelSize, Progress, Role
    from harness.spec.params import Params
    from harness.vectors import Kind

ABOUT = "mteb_model.json"
"""What `fit` writes: name and commit. The weights stay in the Hub's cache, from where mteb loads them."""


class MtebModelParams(Hardware):
    """A model as mteb registers it."""

    model: str = Field(pattern=r"^[^/\s]+/[^/\s]+$")
    """Its name in mteb, OWNER/NAME. mteb has registered its commit with it."""
    task: str | None = None
    """The mteb task whose prompts it gets; the one of the collection where it is left out. On other collections a model
    gets what mteb gives for retrieval in general."""
    code_revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit of the model's own code, 40 hex digits, where mteb loads the model with such code; without it none is run.
    mteb takes code and weights from the commit that it has registered: it must be that."""

    @field_validator("batch_tokens")
    @classmethod
    def _batches_of_texts(cls, tokens: int | None) -> int | None:
        if tokens is not None:
            raise ValueError("mteb is given batches of texts: use batch_size")
        return tokens


@register("mteb-model")
class MtebModelType(EncoderTypeBase):
    """A dense text model of mteb's registry: mteb chooses loader, prompts, instructions and similarity."""

    Params: ClassVar[type[Params]] = MtebModelParams
    kind: ClassVar[Kind] = "dense"
    libraries: ClassVar[tuple[str, ...]] = (
        "mteb",
        "torch",
        "transformers",
        "sentence-transformers",
        "tokenizers",
        "numpy",
    )
    params: MtebModelParams

    def params_on(self, collection: str, task: str | None) -> MtebModelParams:
        """With the task of the collection."""
        return self.params if self.params.task is not None else self.params.model_copy(update={"task": task})

    def fingerprint(self) -> str:
        """Name and registered commit."""
        return f"{self.params.model}@{self._commit()}"

    def hub_names(self) -> Sequence[HubName]:
        """The model, at the commit that mteb has registered."""
        return [HubName("model", self.params.model, self._commit())]

    def revision(self, commits: Mapping[str, str]) -> str | None:
        """The registered one."""
        return self._commit()

    def announced(self) -> ModelSize | None:
        """As mteb has registered it."""
        from harness.encoders.backbones.model_size import registered

        return registered(self.params.model, length=None, dimensions=None)

    def gpus(self) -> int:
        """As many as the spec names."""
        return self.params.gpus

    def declared(self) -> Declared:
        """Its dtype is the loader's choice: rounding is allowed as for that of the weights."""
        return Declared(dtype="auto")

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Let mteb load the model once, so that its files are in the Hub's cache; write name and commit.

        Raises:
            UserError: It is not in the registry, is no dense text model, or needs code that the spec does not pin.
            UnavailableError: The Hub does not give it, or a file came damaged.
        """
        about = {"model": self.params.model, "revision": self._commit()}
        try:
            self._loaded("cpu")
        finally:  # a damaged file may be loaded all the same, or be why it is not
            if damaged := remove_damaged(self._wanted().cached):
                raise damage(damaged, self._wanted()) from None
        (directory / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        return {"commits": {self.params.model: about["revision"]} if about["revision"] else {}}

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open it by mteb's loader."""
        if len(self.params.devices) > 1:
            raise UserError("mteb loads a model on one device", key="device", remedy='name one, such as "cuda"')
        not_ours(self.params, "mteb")
        meta = registered_model(self.params.model)
        return on_devices(
            self.params, threads, lambda device: MtebEncoder(self._loaded(device), meta, self.params, device)
        )

    def _commit(self) -> str | None:
        commit: str | None = registered_model(self.params.model).revision
        return commit

    def _loaded(self, device: str) -> EncoderProtocol:
        import mteb

        meta = registered_model(self.params.model)
        if meta.loader_kwargs.get("trust_remote_code"):
            self._check_code(meta)
        try:
            loaded: EncoderProtocol = mteb.get_model(self.params.model, self._commit(), device=device)
        except ImportError as error:
            raise UserError(
                f"mteb cannot load {self.params.model}: {error}", key="model", remedy="install it"
            ) from None
        except Exception as error:
            raise self._wanted().failure(error) from None
        return loaded

    def _wanted(self) -> Wanted:
        return Wanted("model", self.params.model, self._commit(), "model", "set HF_HOME to a cache that has it")

    def _check_code(self, meta: ModelMeta) -> None:
        commit = self._commit()
        if self.params.code_revision is None or self.params.code_revision != commit:
            raise UserError(
                f"mteb loads {meta.name} with code of its own, which is not run unless the spec pins it",
                key="code_revision",
                remedy=f'read the code; if you trust it, give code_revision = "{commit}"',
            )


def registered_model(name: str) -> ModelMeta:
    """What mteb has registered of a dense text model.

    Raises:
        UserError: mteb is not installed, has no such model, or it is no dense text model that an index can hold.
    """
    try:
        import mteb
        from mteb.models.model_implementations import MODEL_REGISTRY
    except ImportError:
        raise UserError("mteb is not installed", remedy='python -m pip install "laconic-bench[mteb]"') from None
    if name not in MODEL_REGISTRY:
        nearest = allowed(name, MODEL_REGISTRY).partition("; ")[2]
        remedy = nearest or 'use type = "sentence-transformer" for a model that is not registered'
        raise UserError(f"mteb has no model {name!r}", key="model", remedy=remedy)
    meta = mteb.get_model_meta(name, fetch_from_hf=False)
    kinds = set(meta.model_type)
    if "dense" not in kinds:
        other = 'use type = "sparse-encoder"' if "sparse" in kinds else "name a dense model"
        raise UserError(f"{name} is a {'/'.join(sorted(kinds))} model", key="model", remedy=other)
    if similarity_of(meta) is None:
        raise UserError(
            f"mteb compares vectors of {name} by {meta.similarity_fn_name!r}; our indexes by their inner product alone",
            key="model",
            remedy="name a model that is compared by cosine or dot product",
        )
    return meta


def similarity_of(meta: ModelMeta) -> str | None:
    """``cosine`` or ``dot``; None for any other. mteb compares by cosine where a model does not say it."""
    name = str(getattr(meta.similarity_fn_name, "value", meta.similarity_fn_name) or "cosine").lower()
    return {"cosine": "cosine", "cos_sim": "cosine", "dot": "dot", "dot_score": "dot"}.get(name)


class MtebEncoder(EncoderBase):
    """Texts to float32 rows by a model that mteb loaded; rows are unit length where mteb compares by cosine.

    Args:
        model: Of mteb.
        meta: As registered.
        params: Task and batch size.
        device: By torch's name.

    Raises:
        UserError: Its texts' tokens cannot be counted: mteb does not load it through sentence-transformers.
    """

    kind: Kind = "dense"

    def __init__(self, model: EncoderProtocol, meta: ModelMeta, params: MtebModelParams, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        from harness.encoders.backbones.model_side import ModelSide

        self.model, self.params, self.device = model, params, device
        self.unit = similarity_of(meta) == "cosine"
        self.task = task_metadata(params.task)
        inner = getattr(model, "model", None)
        if not isinstance(inner, SentenceTransformer):
            raise UserError(
                f"mteb does not load {params.model} through sentence-transformers, so its tokens cannot be counted",
                key="model",
                remedy="encode it with mteb, and use the vectors",
            )
        inner.eval()
        self.inner = inner
        self.sides: dict[Role, ModelSide] = {
            "document": ModelSide(inner, "document", None),
            "query": ModelSide(inner, "query", None),
        }
        self.width = int(self._encode(["x"], "query").shape[1])

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "query")

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens after the prompt that mteb gives, and truncation."""
        prompt = self.prompt(role)
        return [len(ids) for ids in self.sides[role].ids([prompt + text for text in texts])]

    def count_flops(self, tokens: int) -> float:
        """2 per multiply-add of a document."""
        return self.sides["document"].flops(tokens)

    def count_query_flops(self, tokens: int) -> float:
        """The same of a query."""
        return self.sides["query"].flops(tokens)

    def parameters(self) -> Mapping[str, float | str]:
        """Number, bytes, dtype and device of the weights."""
        from harness.encoders.backbones.sentence_transformers_model import size_of

        return {
            **size_of("", list(self.inner.parameters())),
            "dtype": str(self.inner.dtype).removeprefix("torch."),
            "device": described(self.device),
        }

    def prompt(self, role: Role) -> str:
        """What mteb's wrapper puts before a text of this task and side."""
        from mteb.models.abs_encoder import get_prompt
        from mteb.models.instruct_wrapper import InstructSentenceTransformerModel
        from mteb.types import PromptType

        side = PromptType(role)
        if isinstance(self.model, InstructSentenceTransformerModel):
            if side == PromptType.document and not self.model.apply_instruction_to_passages:
                return ""
            return str(self.model.get_task_instruction(self.task, side))
        prompts = getattr(self.model, "model_prompts", None)
        return str(get_prompt(prompts, self.task, side) or "")

    def _encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        import torch
        from datasets import Dataset
        from mteb.types import PromptType
        from torch.utils.data import DataLoader

        if not texts:
            return np.zeros((0, self.width), np.float32)
        size = self.params.batch_size
        batches = DataLoader(Dataset.from_dict({"text": list(texts)}), batch_size=size)
        with torch.inference_mode():
            vectors = self.model.encode(
                batches,
                task_metadata=self.task,
                hf_split="test",
                hf_subset="default",
                prompt_type=PromptType(role),
                batch_size=size,
                show_progress_bar=False,
            )
        tensor = vectors if isinstance(vectors, torch.Tensor) else torch.as_tensor(np.asarray(vectors))
        rows = np.asarray(tensor.detach().float().cpu().numpy(), np.float32)
        if self.unit:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return np.ascontiguousarray(rows)


def task_metadata(task: str | None) -> TaskMetadata:
    """What mteb knows of a task; of a nameless one of retrieval for None.

    Raises:
        UserError: mteb has no such task.
    """
    import mteb

    if task is None:
        known = mteb.get_task("SciFact").metadata
        return known.model_copy(update={"name": "Retrieval", "prompt": None})
    try:
        return mteb.get_task(task).metadata
    except KeyError:
        raise UserError(f"mteb has no task {task!r}", key="task", remedy="name one of mteb's tasks") from None
