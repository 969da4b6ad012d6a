"""Encoding with a backbone on packed tokens: what sparse and dense models have in common, and what they do not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from scipy import sparse

from harness.encoders.backbones.batching import Ahead, Tokeniser, by_length, pack
from harness.encoders.backbones.int8_linear import Int8Linear, to_int8
from harness.encoders.backbones.onnx_backbone import FILE, OnnxBackbone
from harness.encoders.backbones.query_lookup import TextReader
from harness.encoders.backbones.screened_head import Screen, rough_head
from harness.encoders.base import EncoderBase, Probe
from harness.encoders.hardware import Hardware, described
from harness.encoders.weights.configuration import Configuration
from harness.encoders.weights.sentence_transformers_folder import Contract, Weights, write
from harness.training.max_head import max_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.encoders.base import Role
    from harness.vectors import Kind

Row = TypeVar("Row")

TOKENS = 2048
"""Tokens of a batch on a processor: what one step writes, the next finds in the cache, and no memory is mapped anew."""
MANY_TOKENS = 16_384
"""Tokens of a batch on an accelerator, which is slow with little work; its memory holds the states of that many."""


class Shape(Protocol):
    """Sizes of a backbone."""

    @property
    def layers(self) -> int:
        """Layers of the backbone."""
        ...

    @property
    def hidden(self) -> int:
        """Size of a state."""
        ...

    def flops(self, tokens: int) -> float:
        """2 per multiply-add of one text of this many tokens, head not counted."""
        ...


@dataclass
class Model:
    """A backbone in torch with its head and tokenizer.

    Args:
        backbone: Packed ids and lengths to packed states, tokens x hidden size.
        shape: Its sizes.
        head: Terms x hidden size.
        bias: One for each term.
        own_head: Whether the head is other weights than the embedding.
        tokenizer: Text of tokenizer.json.
        contract: How texts are encoded.
        config: Keys of config.json.
        commits: What of it was taken from the Hub, and in which commit.
    """

    backbone: torch.nn.Module
    shape: Shape
    head: torch.Tensor
    bias: torch.Tensor | None
    own_head: bool
    tokenizer: str
    contract: Contract
    config: Configuration = field(default_factory=lambda: Configuration())
    commits: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it as a folder that sentence-transformers opens."""
        layers = {name.removeprefix("model."): tensor for name, tensor in self.backbone.state_dict().items()}
        weights = Weights(layers, self.head if self.own_head else None, self.bias)
        write(folder, self.contract, self.config, self.tokenizer, weights)

    def computed_by(self, hardware: Hardware, folder: Path) -> Model:
        """The same, its backbone replaced by the graph of the folder where the settings ask for onnxruntime.

        Raises:
            UserError: The extra is not installed, or the graph is damaged.
        """
        if hardware.backend == "onnx":
            self.backbone = OnnxBackbone(folder / FILE, torch.get_num_threads())
        return self

    def text_reader(self) -> TextReader:
        """The tokenizer and how much is read."""
        return TextReader(self.tokenizer, self.contract.document_length, self.contract.query_length)

    @torch.inference_mode()
    def states(
        self, ids: Sequence[Sequence[int]], batch_size: int, batch_tokens: int | None = None
    ) -> Iterator[tuple[list[int], torch.Tensor, list[int]]]:
        """Places, packed states and lengths of one batch after the other; empty texts are left out.

        Args:
            ids: Of each text.
            batch_size: Texts a batch.
            batch_tokens: Tokens a batch, at most; as suits the device where it is None.
        """
        most = batch_tokens or (TOKENS if self.head.device.type == "cpu" else MANY_TOKENS)
        for places in by_length([len(text) for text in ids], batch_size, most):
            tokens, lengths = pack(ids, places)
            yield places, self.backbone(tokens.to(self.head.device), lengths), lengths


class PackedEncoder(EncoderBase):
    """What both kinds tell about themselves.

    Args:
        model: Ready for encoding.
        batches: How large they are.
        facts: More for the report.
    """

    def __init__(self, model: Model, batches: Hardware, facts: Mapping[str, float] | None = None) -> None:
        self.model, self.batches, self.facts = model, batches, facts or {}
        if batches.quantise == "int8" and batches.backend == "torch":
            to_int8(model.backbone, model.head)
        self.tokeniser = Ahead(Tokeniser(model.tokenizer, model.contract))

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """These come next: they are tokenised beside whatever is encoded until then."""
        self.tokeniser.expect(texts, role)

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens after prefix and truncation."""
        return [len(ids) for ids in self.tokeniser.ids(texts, role)]

    def parameters(self) -> Mapping[str, float | str]:
        """Number, bytes, dtype and device of the weights as loaded, sizes, and what else there is to say."""
        model = self.model
        count, size = _weights_of(model.backbone)
        exported = isinstance(model.backbone, OnnxBackbone)
        if model.contract.kind == "sparse":
            count += model.head.numel() if model.own_head else 0
            # A graph has an embedding of its own, so the head lies in memory besides.
            size += model.head.numel() * model.head.element_size() if model.own_head or exported else 0
            count += 0 if model.bias is None else model.bias.numel()
            size += 0 if model.bias is None else model.bias.numel() * model.bias.element_size()
        return {
            "parameters": float(count),
            "weight bytes": float(size),
            "dtype": self.dtype,
            **({"backend": model.backbone.version} if exported else {}),
            "device": described(str(model.head.device)),
            "layers": float(model.shape.layers),
            "hidden size": float(model.shape.hidden),
            **self.facts,
        }

    @property
    def dtype(self) -> str:
        """Of weights and arithmetic, by name."""
        return self.batches.quantise or str(self.model.head.dtype).removeprefix("torch.")

    def probe(self) -> Probe:
        """Its tokens and states, and what its settings say."""
        model, tokenizer = self.model, self.tokeniser.tokenizer

        @torch.inference_mode()
        def states(ids: Sequence[int]) -> NDArray[np.float32]:
            hidden = model.backbone(torch.tensor(list(ids), device=model.head.device), [len(ids)])
            return np.asarray(hidden.float().cpu().numpy(), np.float32)

        # A configuration without the key is a BERT's, which is bidirectional by nature.
        causal = model.config.get("is_causal", False)
        return Probe(
            ids=lambda text, role: self.tokeniser.ids([text], role)[0],
            special=frozenset(n for n, token in tokenizer.get_added_tokens_decoder().items() if token.special),
            states=states,
            attention="causal" if causal else "bidirectional",
            specials_wanted=model.contract.special_tokens,
            dtype=self.dtype,
        )

    def rows(
        self,
        texts: Sequence[str],
        role: Role,
        of_batch: Callable[[torch.Tensor, list[int]], Iterable[Row]],
        empty: Row,
    ) -> list[Row]:
        """One result a text, in the order of `texts`; `of_batch` makes those of a batch, `empty` is an empty text's."""
        rows = [empty] * len(texts)
        for places, states, lengths in self._batches(self.tokeniser.ids(texts, role)):
            for place, row in zip(places, of_batch(states, lengths), strict=True):
                rows[place] = row
        return rows

    def _batches(self, ids: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], torch.Tensor, list[int]]]:
        yield from self.model.states(ids, self.batches.batch_size, self.batches.batch_tokens)


class PackedSparse(PackedEncoder):
    """Texts to CSR float32 rows over the vocabulary; besides these it holds the largest logits of one batch."""

    kind: Kind = "sparse"

    def __init__(self, model: Model, batches: Hardware, facts: Mapping[str, float] | None = None) -> None:
        super().__init__(model, batches, facts)
        self.width = int(model.head.shape[0])
        self.columns, self.head, self.bias = _useful(model)
        exact = self.head.dtype == torch.float32 and self.head.device.type == "cpu"
        rough = rough_head() if exact else None
        self.screen = None if rough is None else Screen(self.head, self.bias, rough)

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms, at most the contract's `document_terms` a row."""
        return self._encode(texts, "document", self.model.contract.document_terms)

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms, at most the contract's `query_terms` a row."""
        return self._encode(texts, "query", self.model.contract.query_terms)

    def count_flops(self, tokens: int) -> float:
        """Layers, attention and head."""
        return self.model.shape.flops(tokens) + 2.0 * tokens * self.model.shape.hidden * len(self.columns)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Tokens of the vocabulary, as text where they are whole characters."""
        tokenizer = self.tokeniser.tokenizer
        return [tokenizer.decode([int(c)]) or str(tokenizer.id_to_token(int(c))) for c in columns]

    def text_reader(self) -> TextReader:
        """Its tokenizer and how much it reads."""
        return self.model.text_reader()

    def _encode(self, texts: Sequence[str], role: Role, keep: int | None) -> sparse.csr_matrix:
        def of_batch(
            states: torch.Tensor, lengths: list[int]
        ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
            if self.screen is not None and self.screen.rough.pays(len(states), keep):
                for terms, logits in self.screen.largest(states, lengths, keep):
                    places, weights = largest_weights(logits.numpy(), keep)
                    yield self.columns[terms.numpy()[places]], weights
                return
            for row in max_logits(states, lengths, self.head, self.bias).cpu().numpy():
                places, weights = largest_weights(row, keep)
                yield self.columns[places], weights

        nothing = (np.zeros(0, np.int32), np.zeros(0, np.float32))
        rows = self.rows(texts, role, of_batch, nothing)
        indptr = np.cumsum([0, *(len(columns) for columns, _ in rows)], dtype=np.int64)
        indices = np.concatenate([nothing[0], *(columns for columns, _ in rows)])
        data = np.concatenate([nothing[1], *(weights for _, weights in rows)])
        return sparse.csr_matrix((data, indices, indptr), shape=(len(texts), self.width))

    def probe(self) -> Probe:
        """The same as of a dense model, and the terms before the largest are chosen."""
        return replace(super().probe(), fired=self._fired)

    @torch.inference_mode()
    def _fired(self, texts: Sequence[str]) -> NDArray[np.int64]:
        counts = np.zeros(len(texts), np.int64)
        for places, packed, lengths in self._batches(self.tokeniser.ids(texts, "document")):
            counts[places] = (max_logits(packed, lengths, self.head, self.bias) > 0).sum(1).cpu().numpy()
        return counts


class PackedDense(PackedEncoder):
    """Texts to float32 rows; an empty text without prefix is a row of zeros."""

    kind: Kind = "dense"

    def __init__(self, model: Model, batches: Hardware, facts: Mapping[str, float] | None = None) -> None:
        super().__init__(model, batches, facts)
        self.width = model.contract.dimensions or model.shape.hidden

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "query")

    def count_flops(self, tokens: int) -> float:
        """Layers and attention."""
        return self.model.shape.flops(tokens)

    def _encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        def of_batch(states: torch.Tensor, lengths: list[int]) -> NDArray[np.float32]:
            rows = np.asarray(pool(states.float(), lengths, self.model.contract).cpu().numpy(), np.float32)
            return rounded(rows, self.model.contract.output)

        rows = self.rows(texts, role, of_batch, np.zeros(self.width, np.float32))
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)


def _weights_of(module: torch.nn.Module) -> tuple[int, int]:
    """How many weights a module has, and how many bytes they take."""
    stored = [part for part in module.modules() if isinstance(part, (Int8Linear, OnnxBackbone))]
    plain = list(module.parameters())
    count = sum(weight.numel() for weight in plain) + sum(part.values for part in stored)
    return count, sum(weight.numel() * weight.element_size() for weight in plain) + sum(part.size for part in stored)


def _useful(model: Model) -> tuple[NDArray[np.int32], torch.Tensor, torch.Tensor | None]:
    """Columns, head and bias without the terms that can never be active: a row of zeros and no positive bias."""
    never = torch.zeros(len(model.head), dtype=torch.bool, device=model.head.device)
    if model.own_head and model.bias is not None:
        never = (model.head == 0).all(1) & (model.bias <= 0)
    if not never.any():
        return np.arange(len(model.head), dtype=np.int32), model.head, model.bias
    useful = (~never).nonzero().squeeze(1)
    bias = None if model.bias is None else model.bias.detach()[useful]
    return useful.cpu().numpy().astype(np.int32), model.head[useful], bias


def pool(states: torch.Tensor, lengths: Sequence[int], contract: Contract) -> torch.Tensor:
    """Packed states (tokens x hidden) to one row a text (texts x dimensions)."""
    sizes = torch.tensor(lengths, device=states.device)
    if contract.pooling == "last":
        rows = states[sizes.cumsum(0) - 1]
    elif contract.pooling == "first":
        rows = states[sizes.cumsum(0) - sizes]
    else:
        texts = torch.arange(len(lengths), device=states.device)
        owner = torch.repeat_interleave(texts, sizes, output_size=len(states))
        sums = states.new_zeros(len(lengths), states.shape[1]).index_add(0, owner, states)
        rows = sums / sizes[:, None]
    rows = rows[:, : contract.dimensions]
    return torch.nn.functional.normalize(rows, dim=1) if contract.normalise else rows


def rounded(rows: NDArray[np.float32], output: str) -> NDArray[np.float32]:
    """Rows with their values rounded to float16, or to 255 even steps between minus and plus each row's largest."""
    if output == "float16":
        return rows.astype(np.float16).astype(np.float32)
    if output == "int8":
        step = np.maximum(np.abs(rows).max(1, keepdims=True) / 127, np.finfo(np.float32).tiny)
        return np.asarray(np.rint(rows / step) * step, np.float32)
    return rows


def largest_weights(largest: NDArray[np.float32], keep: int | None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Columns (ascending) and log(1 + logit) of the terms above zero, the largest `keep` of them."""
    columns = np.flatnonzero(largest > 0)
    if keep is not None and len(columns) > keep:
        columns = np.sort(columns[np.argpartition(largest[columns], -keep)[-keep:]])
    return columns.astype(np.int32), np.log1p(largest[columns])
