"""A look inside an encoder: its tokens, its states and its terms before the largest are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.encoders.backbones.batching import Role
    from harness.encoders.backbones.packed_encoder import PackedEncoder
    from harness.encoders.backbones.sentence_transformers_model import Loaded


@dataclass(frozen=True)
class Probe:
    """What a check of a model needs besides its vectors; None where this encoder has no such thing.

    Args:
        ids: Token ids of a text as the model sees them.
        special: Ids of the tokenizer's special tokens.
        states: Token ids to tokens x size, float32.
        fired: Terms above zero of each document, before the largest are chosen.
        attention: What the model's own settings say.
        specials_wanted: Whether texts are meant to carry special tokens.
        on_left: Documents to vectors with the padding put on the left.
    """

    ids: Callable[[str, Role], list[int]]
    special: frozenset[int]
    states: Callable[[Sequence[int]], NDArray[np.float32]] | None = None
    fired: Callable[[Sequence[str]], NDArray[np.int64]] | None = None
    attention: Literal["bidirectional", "causal"] | None = None
    specials_wanted: bool | None = None
    on_left: Callable[[Sequence[str]], Any] | None = None


def probe(encoder: Any) -> Probe | None:
    """The probe of an encoder of this program; of another, what its own method `probe` gives, or None."""
    from harness.encoders.backbones.packed_encoder import PackedEncoder
    from harness.encoders.backbones.sentence_transformers_model import Loaded

    if isinstance(encoder, PackedEncoder):
        return _packed(encoder)
    if isinstance(encoder, Loaded):
        return _loaded(encoder)
    own: Probe | None = encoder.probe() if hasattr(encoder, "probe") else None
    return own


def _packed(encoder: PackedEncoder) -> Probe:
    import torch

    from harness.training.max_head import max_logits

    model, tokenizer = encoder.model, encoder.tokeniser.tokenizer
    sparse: Any = encoder

    @torch.inference_mode()
    def states(ids: Sequence[int]) -> NDArray[np.float32]:
        found = model.backbone(torch.tensor(list(ids), device=model.head.device), [len(ids)])
        return np.asarray(found.float().cpu().numpy(), np.float32)

    def fired(texts: Sequence[str]) -> NDArray[np.int64]:
        counts = np.zeros(len(texts), np.int64)
        for places, packed, lengths in model.states(encoder.tokeniser.ids(texts, "document"), encoder.batch_size):
            counts[places] = (max_logits(packed, lengths, sparse.head, sparse.bias) > 0).sum(1).cpu().numpy()
        return counts

    # A folder without the key holds a BERT, which is bidirectional by nature.
    causal = model.config.get("is_causal", False)
    return Probe(
        ids=lambda text, role: encoder.tokeniser.ids([text], role)[0],
        special=frozenset(n for n, token in tokenizer.get_added_tokens_decoder().items() if token.special),
        states=states,
        fired=fired if model.contract.kind == "sparse" else None,
        attention="causal" if causal else "bidirectional",
        specials_wanted=model.contract.special_tokens,
    )


def _loaded(encoder: Loaded) -> Probe:
    import torch

    model: Any = encoder.model
    tokenizer = model.tokenizer
    first = getattr(model[0], "auto_model", None)

    def ids(text: str, role: Role) -> list[int]:
        text = encoder.prefix(role) + text
        return list(tokenizer([text], truncation=True, max_length=model.max_seq_length)["input_ids"][0])

    @torch.inference_mode()
    def states(tokens: Sequence[int]) -> NDArray[np.float32]:
        row = torch.tensor([list(tokens)], device=model.device)
        found = model[0]({"input_ids": row, "attention_mask": torch.ones_like(row)})["token_embeddings"]
        return np.asarray(found[0].float().cpu().numpy(), np.float32)

    def on_left(texts: Sequence[str]) -> Any:
        side, tokenizer.padding_side = tokenizer.padding_side, "left"
        try:
            return encoder.encode_documents(texts)  # type: ignore[attr-defined]
        finally:
            tokenizer.padding_side = side

    rotary = hasattr(getattr(first, "config", None), "rope_parameters")
    return Probe(
        ids=ids,
        special=frozenset(getattr(tokenizer, "all_special_ids", ())),
        states=states if first is not None else None,
        # Absolute places are counted from the left edge: there, padding on the left is another input.
        on_left=on_left if rotary else None,
    )
