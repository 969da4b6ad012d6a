"""Decoders that have no kernel of ours (Qwen, Mistral, Gemma, ...): transformers' own network behind packed tokens.

They cost padding and the import of transformers; Llamas have `harness.encoders.backbones.llama` for that reason.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import nn

from harness.encoders.backbones.packed_attention import Layout
from harness.encoders.weights.configuration import class_names
from harness.errors import UserError
from harness.training.flops import Operations, operations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.encoders.weights.configuration import Configuration

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""What a layer must have, so that adapters reach all of it."""


class Decoder(nn.Module):
    """Packed token ids to packed states after the last norm.

    Args:
        config: Keys of config.json; `is_causal` says whether a token sees the tokens after it.

    Raises:
        UserError: The network has other parts than a Llama has, or changes the logits after its head.
    """

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        kind = config["model_type"]
        for key, plain in (("final_logit_softcapping", (None,)), ("logits_scaling", (None, 1.0))):
            if config.get(key) not in plain:
                raise _unlike(kind, f"it changes its logits: {key} = {config.get(key)!r}")
        if class_names(kind) is None:
            raise _unlike(kind, "it is no causal language model")
        from transformers import CONFIG_MAPPING, AutoModel
        from transformers.initialization import no_init_weights

        settings = CONFIG_MAPPING[kind].from_dict(dict(config))
        # The flag must be on the configuration: as an argument of from_dict it is dropped.
        settings.is_causal = bool(config.get("is_causal", True))
        with no_init_weights():
            self.model = AutoModel.from_config(settings, dtype=torch.float32)
        names = {name.split(".")[-2] for name, _ in self.model.named_parameters() if name.startswith("layers.0.")}
        missing = [name for name in PROJECTIONS if name not in names]
        if missing or not hasattr(self.model, "embed_tokens"):
            raise _unlike(kind, f"it has no {', '.join(missing) or 'embed_tokens'}")
        self.shape = DecoderShape(self, config["num_hidden_layers"], config["hidden_size"])

    def forward(self, ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Tokens x hidden size of all texts, one after the other.

        Args:
            ids: Token ids of all texts, packed.
            lengths: Tokens of each text.
        """
        layout = Layout(lengths, ids.device)
        size = layout.texts * layout.longest
        padded, mask = ids.new_zeros(size), ids.new_zeros(size)
        padded[layout.slots], mask[layout.slots] = ids, 1
        rows = (layout.texts, layout.longest)
        outputs = self.model(input_ids=padded.view(rows), attention_mask=mask.view(rows), use_cache=False)
        return outputs.last_hidden_state.flatten(0, 1)[layout.slots]

    @property
    def embed_tokens(self) -> nn.Embedding:
        """The embedding."""
        return self.model.embed_tokens

    @property
    def layers(self) -> nn.ModuleList:
        """The layers."""
        return self.model.layers

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take these weights as they are, by the names of `Llama`: those of transformers without the first ``model.``.

        Raises:
            RuntimeError: They do not fit.
        """
        self.model.load_state_dict(dict(tensors), strict=True, assign=True)
        # Tables of rotations are no weights, and follow these to their device.
        self.model.to(self.embed_tokens.weight.device)


class DecoderShape:
    """Sizes of a decoder; its operations are counted by torch at three lengths, norms and activations are not.

    Args:
        decoder: Counted when it is first asked for, with the weights that it has then.
        layers: Of it.
        hidden: Size of a state.
    """

    def __init__(self, decoder: Decoder, layers: int, hidden: int) -> None:
        self.decoder, self.layers, self.hidden = decoder, layers, hidden

    def flops(self, tokens: int) -> float:
        """2 per multiply-add of the layers for one text."""
        return self._operations.of(tokens)

    @cached_property
    def _operations(self) -> Operations:
        def run(length: int) -> None:
            self.decoder(torch.ones(length, dtype=torch.long, device=self.decoder.embed_tokens.weight.device), [length])

        return operations(run, 8)


def _unlike(kind: str, what: str) -> UserError:
    return UserError(
        f"a backbone of type {kind!r} is not supported: {what}",
        key="backbone",
        remedy="use a Llama, or a decoder that is built like one: Qwen2, Qwen3, Mistral, Gemma, SmolLM3, OLMo2, ...",
    )
