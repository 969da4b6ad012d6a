"""The tokenizer of a model's folder as the text of a tokenizer.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tokenizer.json"
OLDER = ("vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
"""What a folder without tokenizer.json has where transformers can make one."""


def read_tokenizer(folder: Path, key: str) -> str:
    """The folder's tokenizer.json as it is, or the one that transformers makes of older files.

    A tokenizer.json is not passed through transformers: its class for the model may build another splitting or another
    template of special tokens than the file has, and texts would be read otherwise than in training.

    Args:
        folder: Of the model or of its tokenizer alone; or the tokenizer.json itself, whatever its name.
        key: The setting that names the folder.

    Raises:
        UserError: There is no tokenizer, it is damaged, or transformers cannot convert it.
    """
    file = folder if folder.is_file() else folder / FILE
    if file.is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise _no_tokenizer(f"not UTF-8 (byte {error.start})", file, key) from None
        _check(text, file, key)
        return text
    if not any((folder / name).is_file() for name in OLDER):
        raise UserError(
            f"the model ships no {FILE}",
            file=folder,
            key=key,
            remedy="name the folder or Hub name of its base model's tokenizer "
            "(for utahnlp/laconic-*: that of the Llama-3 base model)",
        )
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        return str(made.backend_tokenizer.to_str())
    except Exception as error:
        raise UserError(
            f"transformers does not read the tokenizer: {' '.join(str(error).split())[:300]}",
            file=folder,
            key=key,
            remedy=f"save it with transformers as {FILE}, or name a folder that has one",
        ) from None


def check_vocabulary(tokenizer: str, rows: int | None, file: Path, key: str) -> None:
    """Refuse a tokenizer that belongs to another model, as far as its size tells.

    Tokens that were added to it may lie past the embedding: texts do not have them.

    Args:
        tokenizer: Text of a tokenizer.json.
        rows: Of the model's embedding; None where they are not known.
        file: Where the tokenizer lies.
        key: The setting that names it.

    Raises:
        UserError: It has numbers that the embedding has not, or fills less than half of the embedding.
    """
    from tokenizers import Tokenizer

    parsed = Tokenizer.from_str(tokenizer)
    numbers = parsed.get_vocab(with_added_tokens=False).values()
    if not rows or not numbers:
        return
    whole = parsed.get_vocab_size(with_added_tokens=True)
    if max(numbers) >= rows or 2 * whole < rows:
        raise UserError(
            f"the tokenizer has {whole} tokens, numbered up to {max(numbers)}, and the model's embedding has {rows} "
            "rows: it belongs to another model",
            file=file,
            key=key,
            remedy="use the tokenizer that was saved with the model",
        )


def smallest_limit(*limits: float | None) -> int | None:
    """The smallest of some limits of tokens; None where none of them limits anything."""
    # A tokenizer without a limit says 1e30.
    return min((int(limit) for limit in limits if limit and limit < 1 << 31), default=None)


def _check(text: str, file: Path, key: str) -> None:
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain exceptions
        raise _no_tokenizer(str(error), file, key) from None


def _no_tokenizer(what: str, file: Path, key: str) -> UserError:
    return UserError(f"this is no tokenizer: {what}", file=file, key=key, remedy="get the file again")
