"""Queries without a model: a query's vector has the weight of each of its tokens out of a table.

Documents are encoded by the model, queries by its tokenizer alone, as by OpenSearch's doc-only models (Geng et al.
2024, arXiv 2411.04403) and `SparseStaticEmbedding` of sentence-transformers. Answering a query opens no model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator
from scipy import sparse

from harness.encoders.backbones.separate_queries import SeparateQueries
from harness.encoders.base import Probe
from harness.encoders.weights.hub_files import digest
from harness.errors import UserError
from harness.spec.params import Params
from harness.spec.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from harness.encoders.base import Encoder, Role

FOLDER = "lookup"
"""Of a model's folder: tokenizer.json and weights.npy, all that queries need."""
FORMULAS = ("root-idf", "idf", "presence")
LEARNT = "learnt"
BLOCK = 1024
"""Texts that are tokenised at a time while documents are counted."""


class LookupParams(Params):
    """How queries are encoded: by the model, or by a table."""

    queries: Literal["model", "lookup"] = "model"
    """Encode queries with the model, or look the weights of their tokens up in a table. Prefixes are then put before
    documents alone."""
    lookup: str = "root-idf"
    """The table: `root-idf` is the square root of each token's inverse document frequency in the corpus, `idf` the
    frequency itself, `presence` 1 for each token. Or a file: JSON with {token: weight}, or .safetensors with one weight
    for each token of the vocabulary. `learnt` is for a LACONIC that is trained, or whose adapter has a table: training
    then looks queries up, too, begins with `root-idf` in the training passages, and learns the weights."""

    @model_validator(mode="after")
    def _table_is_used(self) -> Self:
        if self.queries == "model" and self.lookup != "root-idf":
            raise ValueError('lookup needs queries = "lookup"')
        if self.learns_table and not self.learnable:
            raise ValueError('lookup = "learnt" is for an encoder of type laconic')
        return self

    learnable: ClassVar[bool] = False
    """Whether this type of encoder learns tables."""

    @property
    def learns_table(self) -> bool:
        """Whether the weights of queries are trained."""
        return self.lookup == LEARNT

    @property
    def looks_up(self) -> bool:
        """Whether queries need no model."""
        return self.queries == "lookup"

    @property
    def counts_documents(self) -> bool:
        """Whether the table is made of document frequencies."""
        return self.looks_up and self.lookup in {"root-idf", "idf"}

    @property
    def table_file(self) -> Path | None:
        """The file of the weights; None where they are computed.

        Raises:
            UserError: There is no such file.
        """
        if not self.looks_up or self.lookup in (*FORMULAS, LEARNT):
            return None
        file = expanded(self.lookup, "lookup")
        if not file.is_file():
            raise UserError(
                "there is no such table",
                file=file,
                key="lookup",
                remedy=f"name a .json or .safetensors file, or one of {', '.join((*FORMULAS, LEARNT))}",
            )
        return file


@dataclass(frozen=True)
class TextReader:
    """How the model of a table reads texts.

    Attributes:
        tokenizer: Text of tokenizer.json; its token ids are the columns of the documents' vectors.
        document_length: Tokens of a document that are read; None for all.
        query_length: The same of a query.
    """

    tokenizer: str
    document_length: int | None
    query_length: int | None


def table_digest(params: LookupParams) -> str:
    """Of the table's file; "" where there is none.

    Raises:
        UserError: The file is missing.
    """
    file = params.table_file
    return "" if file is None else f" {digest(file)}"


def write_table(
    folder: Path,
    params: LookupParams,
    reader: TextReader,
    width: int,
    texts: Iterable[str],
    learnt: NDArray[np.float32] | None = None,
) -> dict[str, object]:
    """Make the table of a model and write what queries need; return facts of it.

    Args:
        folder: Of the model.
        params: Say which table.
        reader: Of the model.
        width: Columns of the documents' vectors.
        texts: Whose tokens are counted, if any are.
        learnt: The weight of each column, where training gave it.

    Raises:
        UserError: A token has no column, there are no documents to count, or the file of the weights is damaged.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(reader.tokenizer)
    tokenizer.no_padding()
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    if max(vocabulary.values(), default=-1) >= width:
        raise UserError(
            f"the tokenizer has {len(vocabulary)} tokens, and the vectors have {width} columns: they are not tokens",
            key="queries",
            remedy='use queries = "model"',
        )
    file, documents = params.table_file, 0
    if file is not None:
        weights = read_weights(file, vocabulary, width)
    elif learnt is not None:
        weights = learnt.astype(np.float64)
    elif params.counts_documents:
        truncate(tokenizer, reader.document_length)
        documents, frequencies = count_documents(tokenizer, texts, width)
        if not documents:
            raise UserError("there are no documents to count tokens in", key="lookup", remedy='use lookup = "presence"')
        weights = np.log1p((documents - frequencies + 0.5) / (frequencies + 0.5))
        weights = np.sqrt(weights) if params.lookup == "root-idf" else weights
    else:
        weights = np.ones(width)
    if file is None:  # no document has them as words
        weights[special_tokens(tokenizer)] = 0
    target = folder / FOLDER
    target.mkdir()
    np.save(target / "weights.npy", weights.astype(np.float32), allow_pickle=False)
    truncate(tokenizer, reader.query_length)
    tokenizer.save(str(target / "tokenizer.json"))
    return {"lookup": params.lookup, "lookup_documents": documents, "lookup_tokens": int(np.count_nonzero(weights))}


def truncate(tokenizer: Tokenizer, length: int | None) -> None:
    """Let a tokenizer cut texts after this number of tokens; None: nowhere."""
    if length is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(length)


def special_tokens(tokenizer: Tokenizer) -> list[int]:
    """Ids of the special tokens, and of the one that stands for all that is unknown."""
    special = {token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special}
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
    return sorted(special | ({unknown} if unknown is not None else set()))


def count_documents(tokenizer: Tokenizer, texts: Iterable[str], width: int) -> tuple[int, NDArray[np.int64]]:
    """How many texts there are, and in how many of them each token stands (int64, `width`)."""
    remaining, documents = iter(texts), 0
    frequencies = np.zeros(width, np.int64)
    while block := list(islice(remaining, BLOCK)):
        documents += len(block)
        for encoding in tokenizer.encode_batch_fast(block, add_special_tokens=False):
            frequencies[list(set(encoding.ids))] += 1
    return documents, frequencies


def read_weights(file: Path, vocabulary: Mapping[str, int], width: int) -> NDArray[np.float64]:
    """The weight of each column out of a file: JSON {token: weight}, or .safetensors with one tensor of `width` values.

    Raises:
        UserError: It is neither, names a token that the model does not have, or has a weight below 0 or not finite.
    """

    def damaged(what: str) -> UserError:
        return UserError(what, file=file, key="lookup", remedy="use the table that belongs to the model")

    weights = np.zeros(width)
    try:
        if file.suffix == ".safetensors":
            from safetensors.numpy import load_file

            tensors = list(load_file(file).values())
            if len(tensors) != 1 or tensors[0].shape != (width,):
                raise damaged(f"the table has {[t.shape for t in tensors]}, not one tensor of {width} weights")
            weights[:] = tensors[0]
        else:
            table = dict(json.loads(file.read_text(encoding="utf-8")))
            unknown = [token for token in table if token not in vocabulary]
            if unknown:
                raise damaged(f"{len(unknown)} of {len(table)} tokens are not in the vocabulary: {unknown[0]!r}")
            weights[[vocabulary[token] for token in table]] = [float(weight) for weight in table.values()]
    except UserError:
        raise
    except Exception as error:
        raise damaged(f"this is no table of weights: {error}") from None
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise damaged("there are weights below 0 or not finite")
    return weights


class LookupEncoder(SeparateQueries):
    """Documents by a model, which is opened with the first of them; queries out of a table.

    Args:
        folder: Of the model, with what `write_table` wrote.
        documents: Opens the encoder of the documents.
        terms: Active terms of a query at most.
    """

    def __init__(self, folder: Path, documents: Callable[[], Encoder], terms: int | None) -> None:
        from tokenizers import Tokenizer

        super().__init__(documents)
        self.weights: NDArray[np.float32] = np.load(folder / FOLDER / "weights.npy", allow_pickle=False)
        self.width = len(self.weights)
        self._tokenizer = Tokenizer.from_file(str(folder / FOLDER / "tokenizer.json"))
        self.folder, self._terms = folder, terms

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms: the weight of each token of a query once, however often it stands there."""
        indptr = np.zeros(len(texts) + 1, np.int64)
        indices, data = [], []
        for row, ids in enumerate(self._ids(texts), start=1):
            columns = np.array(sorted(set(ids)), np.int32)
            weights = self.weights[columns]
            if not weights.all():
                columns, weights = columns[weights > 0], weights[weights > 0]
            if self._terms is not None and len(columns) > self._terms:
                best = np.sort(np.argpartition(weights, -self._terms)[-self._terms :])
                columns, weights = columns[best], weights[best]
            indices.append(columns)
            data.append(weights)
            indptr[row] = indptr[row - 1] + len(columns)
        # The first of each gives the dtype where there are no texts.
        flat = (np.concatenate([self.weights[:0], *data]), np.concatenate([np.zeros(0, np.int32), *indices]), indptr)
        return sparse.csr_matrix(flat, shape=(len(texts), self.width))

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Tokens of a query without special ones; those of a document as the model sees them."""
        if role == "document":
            return self.documents.count_tokens(texts, role)
        return [len(ids) for ids in self._ids(texts)]

    def count_query_flops(self, tokens: int) -> float:
        """0.0: nothing is multiplied."""
        return 0.0

    def terms(self, columns: Sequence[int]) -> list[str]:
        """As the model names them."""
        return self.documents.terms(columns)

    def parameters(self) -> Mapping[str, float | str]:
        """Of the documents' model, and how many tokens the table has a weight for, which is read by the processor."""
        size = float(np.count_nonzero(self.weights))
        return {
            **self.documents.parameters(),
            "device of queries": "cpu",
            "tokens in the table of queries": size,
            "query parameters": size,
        }

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Documents are tokenised ahead."""
        if role == "document":
            self.documents.expect(texts, role)

    def probe(self) -> Probe | None:
        """A look into the documents' model, which reads no query, and at the tokens of queries."""
        inside = self.documents.probe()
        if inside is None:
            return None
        ids = inside.ids
        looked_up = Probe(ids=lambda text, _: self._ids([text])[0], special=frozenset())
        return replace(inside, ids=lambda text, _: ids(text, "document"), queries=looked_up)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if len(texts) == 1:  # a batch would be handed to the library's threads
            return [self._tokenizer.encode(texts[0], add_special_tokens=False).ids]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
