"""Texts as windows of words, and the collections that can be searched so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests_support import write_collection

from harness.collections import Document, Passages
from harness.collections._passages import PassagesParams
from harness.collections._windows import windows
from harness.collections.beir import Beir, BeirParams
from harness.collections.mteb_task import MtebParams
from harness.collections.sample import Sample, SampleParams

CUT = {"words": 200, "stride": 100}


@given(st.lists(st.text("ab", min_size=1, max_size=3), max_size=40), st.integers(1, 12), st.data())
def test_windows_cover_a_text_and_end_with_it(words, size, data):
    stride = data.draw(st.integers(1, size))
    cut = [window.split() for window in windows("  ".join(words), size, stride)]
    assert all(len(window) == min(size, len(words)) for window in cut)
    starts = [*range(0, max(len(words) - size, 0), stride), max(len(words) - size, 0)]
    assert cut == [words[start : start + size] for start in starts]
    assert {place for start in starts for place in range(start, start + len(cut[0]))} == set(range(len(words)))


def test_each_passage_has_the_title_and_a_short_text_stays_as_it_is():
    cut = Passages(2, 1)
    assert list(Document("d", "Title", "a  b\nc").passages(cut)) == ["Title a b", "Title b c"]
    assert list(Document("d", "Title", "a  b").passages(cut)) == ["Title a  b"]
    assert list(Document("d", "Title", "").passages(cut)) == ["Title"]
    assert list(Document("d", "", "a b c").passages(None)) == ["a b c"]


def test_passages_that_leave_words_out_are_refused():
    with pytest.raises(ValidationError, match=r"stride = 3 leaves words out; it may be at most words = 2"):
        PassagesParams(words=2, stride=3)
    with pytest.raises(ValidationError, match="passages need texts"):
        BeirParams(path="x", texts=False, passages=CUT)


def test_collections_say_how_they_are_cut(tmp_path):
    folder = write_collection(tmp_path)
    table = {"path": str(folder), "passages": {"words": 2, "stride": 1}}
    beir = Beir(BeirParams(**table))
    assert beir.rules().passages == Passages(2, 1)
    assert Sample(SampleParams(collection={"type": "beir", **table}, documents=4)).rules() == beir.rules()
    assert MtebParams(task="SciFact", passages=CUT).passages.rule() == Passages(200, 100)
    whole = Beir(BeirParams(path=str(folder))).sizes()
    # Texts of three words are two passages of two words each.
    assert beir.sizes().documents == 2 * whole.documents == 12
    characters = [len(" ".join(words)) for line in (folder / "corpus.jsonl").read_text().splitlines()
                  for text in [json.loads(line)["text"].split()] for words in (text[:2], text[1:])]  # fmt: skip
    assert beir.sizes().document_characters == sum(characters) / 12
