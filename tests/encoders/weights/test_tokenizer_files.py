"""Tokenizers: a tokenizer.json as it is, older files through transformers, and what is wrong with others."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_tokenizer
from tokenizers import Tokenizer

from harness.encoders.weights.tokenizer_files import read_tokenizer
from harness.errors import UserError

LETTERS = "abcdefgh "


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A folder with vocab.json and merges.txt alone, as GPT-2 was published, and transformers' tokenizer of it."""
    from transformers import GPT2Config, GPT2Tokenizer

    folder = tmp_path_factory.mktemp("older")
    words = [*"abcdefgh", "Ġ", "ab", "cd", "abcd", "Ġa", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nc d\nab cd\nĠ a\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    GPT2Config(vocab_size=len(words)).save_pretrained(folder)
    return folder, GPT2Tokenizer.from_pretrained(folder)


@settings(deadline=None)
@given(text=st.text(LETTERS, max_size=30))
def test_older_files_are_read_as_transformers_reads_them(older, text):
    folder, theirs = older
    ours = Tokenizer.from_str(read_tokenizer(folder, "backbone.tokenizer"))
    assert ours.encode(text, add_special_tokens=False).ids == theirs(text, add_special_tokens=False)["input_ids"]


def test_a_tokenizer_json_comes_back_as_it_is(tmp_path):
    save_tokenizer(tmp_path, bos=True)
    # Transformers would take this class's own splitting in place of the file's.
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}')
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    assert read_tokenizer(tmp_path, "backbone.tokenizer") == (tmp_path / "tokenizer.json").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (None, "", r"ships no tokenizer\.json"),
        ("tokenizer.json", "{}", "no tokenizer"),
        ("tokenizer.json", "{half", "no tokenizer"),
        ("tokenizer.json", b'{"version": "\xff"}', r"no tokenizer: not UTF-8 \(byte 13\)"),
        ("vocab.json", "{half", "does not read the tokenizer"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, message):
    if name:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UserError, match=message) as error:
        read_tokenizer(tmp_path, "backbone.tokenizer")
    assert error.value.key == "backbone.tokenizer" and error.value.remedy
    assert str(tmp_path) in str(error.value.file)
