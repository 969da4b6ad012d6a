"""Texts to batches: every text once, lengths alike, no more than fits."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_tokenizer

from harness.encoders.backbones.batching import Tokeniser, by_length, pack
from harness.encoders.weights.sentence_transformers_folder import Contract

LENGTHS = st.lists(st.integers(0, 40), max_size=30)


@given(lengths=LENGTHS, size=st.integers(1, 7), tokens=st.none() | st.integers(1, 60))
def test_batches_hold_each_text_that_is_not_empty_once(lengths, size, tokens):
    batches = list(by_length(lengths, size, tokens))
    places = [place for batch in batches for place in batch]
    assert sorted(places) == [place for place, length in enumerate(lengths) if length]
    assert [lengths[place] for place in places] == sorted((n for n in lengths if n), reverse=True)
    for batch in batches:
        assert 1 <= len(batch) <= size
        longest = max(lengths[place] for place in batch)
        assert tokens is None or len(batch) * longest <= tokens or len(batch) == 1


@given(ids=st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=5), min_size=1, max_size=6), data=st.data())
def test_packed_texts_come_apart_again(ids, data):
    places = data.draw(st.lists(st.sampled_from(range(len(ids))), min_size=1, unique=True))
    packed, lengths = pack(ids, places)
    assert packed.dtype == torch.long
    assert [part.tolist() for part in packed.split(lengths)] == [ids[place] for place in places]


@given(texts=st.lists(st.text("the list sort é", max_size=30), min_size=1, max_size=4), limit=st.integers(1, 6))
def test_ids_are_those_of_prefix_and_text_cut_at_the_limit(tmp_path_factory, texts, limit):
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder, bos=True)
    file = (folder / "tokenizer.json").read_text()
    for special in (False, True):
        contract = Contract("sparse", "the ", "list ", limit, limit + 3, special_tokens=special)
        plain = Tokenizer.from_str(file)
        for role, prefix, most in (("query", "the ", limit), ("document", "list ", limit + 3)):
            expected = [plain.encode(prefix + text, add_special_tokens=special).ids[:most] for text in texts]
            assert Tokeniser(file, contract).ids(texts, role) == expected
        assert all(len(ids) <= 2 for ids in Tokeniser(file, contract).ids(texts, "query", 2))
