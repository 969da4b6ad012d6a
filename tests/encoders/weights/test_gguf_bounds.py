"""Sizes that a GGUF file names and does not have: refused before a reader takes them at their word."""

import fuzzed_models
import pytest

from harness.encoders.weights.gguf_bounds import check_bounds
from harness.encoders.weights.gguf_file import GgufFile
from harness.errors import UserError


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return fuzzed_models.gguf(tmp_path_factory.mktemp("gguf"))


def changed(content, at, number, size=8):
    return content[:at] + number.to_bytes(size, "little") + content[at + size :]


def test_a_good_file_passes(content, tmp_path):
    file = tmp_path / "good.gguf"
    file.write_bytes(content)
    check_bounds(file)
    assert GgufFile(file).config()["vocab_size"] == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tensors", "entries should follow"),
        ("keys", "entries should follow"),
        ("tokens", "entries should follow"),
        ("kinds", "bytes should follow"),
        ("type", "which the format does not have"),
        ("cut", "cut off|should follow"),
        ("begin", "does not begin with GGUF"),
    ],
)
def test_what_cannot_be_true_is_refused(content, tmp_path, name, message):
    array = content.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens")
    kinds = content.index(b"tokenizer.ggml.token_type") + len(b"tokenizer.ggml.token_type")
    made = {
        "tensors": changed(content, 8, 2**62),
        "keys": changed(content, 16, 2**40),
        "tokens": changed(content, array + 8, 2**50),
        "kinds": changed(content, kinds + 8, 2**50),
        "type": changed(content, kinds, 77, size=4),
        "cut": content[:400],
        "begin": b"GGML" + content[4:],
    }[name]
    file = tmp_path / "bad.gguf"
    file.write_bytes(made)
    with pytest.raises(ValueError, match=message):
        check_bounds(file)
    with pytest.raises(UserError, match="not a GGUF file") as error:
        GgufFile(file)
    assert (error.value.file, error.value.key) == (file, "backbone")


@pytest.mark.parametrize("part", [b"token_embd.weight", b"blk.0.attn_q", b"llama.embedding_length"])
def test_a_name_that_is_damaged_is_no_traceback(content, tmp_path, part):
    file = tmp_path / "bad.gguf"
    file.write_bytes(content.replace(part, part[:-1] + b"?"))
    with pytest.raises(UserError, match=r"is damaged|lacks llama\.embedding_length"):
        made = GgufFile(file)
        made.config()
        made.weights(1)


def test_a_text_that_is_no_utf8_is_no_traceback(content, tmp_path):
    file = tmp_path / "bad.gguf"
    value = (5).to_bytes(8, "little")
    assert content.count(value + b"llama") == 1
    file.write_bytes(content.replace(value + b"llama", value + b"l\xecama"))
    with pytest.raises(UserError, match="not a GGUF file: UnicodeDecodeError"):
        GgufFile(file)
