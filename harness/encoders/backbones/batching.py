"""Texts to packed token ids, in batches of nearly equal length."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from harness.encoders.base import Role
    from harness.encoders.weights.sentence_transformers_folder import Contract


class Tokeniser:
    """A tokenizer that follows a contract: prefix, special tokens or none, cut at the role's length.

    Args:
        tokenizer: Text of tokenizer.json.
        contract: Prefixes and lengths.
    """

    def __init__(self, tokenizer: str, contract: Contract) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.tokenizer.no_padding()
        self.contract = contract

    def ids(
        self, texts: Sequence[str], role: Role, length: int | None = None, prefix: str | None = None
    ) -> list[list[int]]:
        """Token ids of each text; an empty list only for an empty text without prefix.

        Args:
            texts: Without prefix.
            role: Decides prefix and length.
            length: Another limit than the contract's.
            prefix: Another prefix than the contract's.
        """
        query = role == "query"
        if prefix is None:
            prefix = self.prefix(role)
        limit = length or (self.contract.query_length if query else self.contract.document_length)
        self.tokenizer.enable_truncation(limit)
        encodings = self.tokenizer.encode_batch_fast(
            [prefix + text for text in texts], add_special_tokens=self.contract.special_tokens
        )
        return [encoding.ids for encoding in encodings]

    def prefix(self, role: Role) -> str:
        """Put before every text of this role."""
        return self.contract.query_prefix if role == "query" else self.contract.document_prefix


class Ahead:
    """A tokeniser that tokenises the next texts in its own thread while other texts are encoded.

    The library releases the interpreter while it works. Ids of the texts expected last stay, so that counting the
    tokens of what was just encoded costs nothing. `ids` tokenises texts that were not expected.

    Args:
        tokeniser: Does the work.
    """

    def __init__(self, tokeniser: Tokeniser) -> None:
        self.tokeniser, self.tokenizer = tokeniser, tokeniser.tokenizer
        self._pool: ThreadPoolExecutor | None = None
        self._expected: list[tuple[Sequence[str], Role, Future[list[list[int]]]]] = []

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Begin with these texts, which must not change any more; of earlier ones only the last call's stay."""
        self._pool = self._pool or ThreadPoolExecutor(1, "tokeniser")
        self._expected = [*self._expected[-1:], (texts, role, self._pool.submit(self.tokeniser.ids, texts, role))]

    def ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        """As `Tokeniser.ids`."""
        for expected, its, ids in self._expected:
            if expected is texts and its == role:
                return ids.result()
        return self.tokeniser.ids(texts, role)


def by_length(lengths: Sequence[int], size: int, tokens: int | None = None) -> Iterator[list[int]]:
    """Places of non-empty texts, longest first, at most `size` at a time.

    Args:
        lengths: Tokens of each text.
        size: Texts in a batch.
        tokens: Places in a batch, texts times the longest of them; a text that alone has more stands alone.
    """
    order = sorted((place for place, length in enumerate(lengths) if length), key=lambda place: -lengths[place])
    begin = 0
    while begin < len(order):
        fit = size if tokens is None else min(size, max(tokens // lengths[order[begin]], 1))
        yield order[begin : begin + fit]
        begin += fit


def pack(ids: Sequence[Sequence[int]], places: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
    """Token ids of the texts at these places one after the other, and the length of each."""
    return torch.tensor([token for place in places for token in ids[place]]), [len(ids[place]) for place in places]
