"""Texts that are tokenised while others are encoded."""

import threading

import pytest

from harness.encoders import EncoderBase
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.pipeline.steps.encode import _one_ahead


@pytest.mark.parametrize(("type", "params"), [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)])
def test_what_is_expected_is_tokenised_once_beside_the_encoding_and_gives_the_same(
    llama_folder, tmp_path, texts, monkeypatch, type, params
):
    maker = type(params(backbone=str(llama_folder)))
    maker.fit(tmp_path)
    encoder = maker.load(tmp_path)
    plain, counts = encoder.encode_documents(texts), encoder.count_tokens(texts, "document")
    tokenise, threads = encoder.tokeniser.tokeniser.ids, []

    def told(*given):
        threads.append(threading.current_thread())
        return tokenise(*given)

    monkeypatch.setattr(encoder.tokeniser.tokeniser, "ids", told)
    encoder.expect(texts, "document")
    encoder.expect(texts[:2], "document")
    found = encoder.encode_documents(texts)
    difference = found - plain
    assert abs(difference).max() == 0
    assert encoder.count_tokens(texts, "document") == counts
    assert len(threads) == 2 and threading.main_thread() not in threads
    encoder.encode_queries(texts)  # the same texts in another role were not expected
    encoder.encode_documents(list(texts))
    assert threads[2:] == [threading.main_thread()] * 2


def test_the_blocks_come_in_order_and_each_is_known_before_the_one_in_front_of_it_is_encoded():
    class Knows:
        def expect(self, block, role):
            seen.append((role, block))

    blocks, seen, given = [["a"], ["b"], ["c"]], [], []
    for block in _one_ahead(iter(blocks), Knows(), "query"):
        given.append(block)
        assert [known for _, known in seen] == blocks[: len(given) + 1]
    assert given == blocks and {role for role, _ in seen} == {"query"}
    assert list(_one_ahead(iter(blocks), EncoderBase(), "query")) == blocks
    assert list(_one_ahead(iter(()), Knows(), "query")) == []


def test_what_goes_wrong_beside_the_encoding_is_said_where_it_is_needed(llama_folder, tmp_path, texts, monkeypatch):
    maker = DenseTwin(DenseTwinParams(backbone=str(llama_folder)))
    maker.fit(tmp_path)
    encoder = maker.load(tmp_path)

    def broken(*_):
        raise ValueError("no such token")

    monkeypatch.setattr(encoder.tokeniser.tokeniser, "ids", broken)
    encoder.expect(texts, "document")
    with pytest.raises(ValueError, match="no such token"):
        encoder.encode_documents(texts)
