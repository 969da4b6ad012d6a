"""BM25 against its formula, word by word."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.encoders.bm25 import STOP_WORDS, Bm25, Bm25Params, analyser
from harness.errors import UserError

TEXTS = st.lists(st.lists(st.sampled_from("one two three Four five".split()), max_size=12).map(" ".join), max_size=8)  # noqa: SIM905


def fitted(folder, corpus, **params):
    maker = Bm25(Bm25Params(**params))
    facts = maker.fit(folder, corpus=corpus)
    return maker.load(folder), facts


@settings(deadline=None, max_examples=60)
@given(corpus=TEXTS, k1=st.floats(0, 3), b=st.floats(0, 1), other=TEXTS)
def test_inner_products_are_the_formula(tmp_path_factory, corpus, k1, b, other):
    encoder, facts = fitted(tmp_path_factory.mktemp("bm25"), corpus, k1=k1, b=b, stemming="none", stop_words=False)
    words = [text.lower().split() for text in corpus]
    assert facts == {"documents": len(corpus), "terms": len({w for text in words for w in text})}
    mean = sum(map(len, words)) / max(len(words), 1)
    frequency = Counter(word for text in words for word in set(text))

    def score(query, document):
        total = 0.0
        for word, times in Counter(query).items():
            count = document.count(word)
            if not count:
                continue
            idf = math.log(1 + (len(words) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            total += times * idf * count * (k1 + 1) / (count + k1 * (1 - b + b * len(document) / mean))
        return total

    queries = [text.lower().split() for text in other]
    found = (encoder.encode_queries(other) @ encoder.encode_documents(corpus).T).toarray()
    expected = [[score(query, document) for document in words] for query in queries]
    np.testing.assert_allclose(found, np.reshape(expected, (len(other), len(corpus))), rtol=1e-5, atol=1e-6)


def test_words_are_stemmed_and_function_words_left_out(tmp_path):
    encoder, _ = fitted(tmp_path, ["The runners were running", "a RUN of runs"])
    assert encoder.terms(range(encoder.width)) == ["run", "runner", "were"]
    assert encoder.count_tokens(["the runs of it", ""], "query") == [1, 0]
    assert analyser(Bm25Params(stop_words=False, stemming="none"))("The THE-word") == ["the", "the", "word"]
    assert len(STOP_WORDS) == 33


def test_words_that_no_document_has_and_an_empty_corpus(tmp_path):
    (tmp_path / "some").mkdir()
    encoder, _ = fitted(tmp_path / "some", ["alpha beta"])
    assert encoder.encode_queries(["gamma", ""]).nnz == 0
    (tmp_path / "none").mkdir()
    empty, facts = fitted(tmp_path / "none", [])
    assert facts["documents"] == 0 and empty.encode_documents(["alpha"]).shape == (1, 1)


def test_no_corpus_and_progress(tmp_path):
    with pytest.raises(UserError, match="needs a corpus"):
        Bm25(Bm25Params()).fit(tmp_path)
    steps = []
    Bm25(Bm25Params()).fit(tmp_path, corpus=["word"] * 10_001, progress=lambda *given: steps.append(given))
    assert steps == [(5000, None, "documents"), (10_000, None, "documents")]


def test_documents_are_counted_alike_encoded_or_not(tmp_path):
    texts = ["alpha beta of alpha", "the", "", "gamma alpha"]
    encoder, _ = fitted(tmp_path, texts[:2])
    expected = [len(encoder.analyse(text)) for text in texts]
    assert encoder.count_tokens(texts, "document") == expected == encoder.count_tokens(texts, "query")
    encoder.encode_documents(texts[2:])
    assert encoder.count_tokens(texts, "document") == expected
    assert encoder.count_tokens(tuple(texts[2:]), "document") == expected[2:]


def test_vectors_are_those_of_plain_arithmetic_to_the_last_bit(tmp_path):
    texts = [
        "Rivers run to the sea, and the SEA is not full",
        "a river runs",
        "seas ...",
        "unto the place; naïve ΣΑΣ",
    ] * 3
    encoder, _ = fitted(tmp_path, texts[:6], k1=1.2, b=0.75)
    found = encoder.encode_documents([*texts, "unknown words alone"])
    assert found.dtype == np.float32 and found.indices.dtype == np.int32
    for row, text in enumerate(texts):
        stems = encoder.analyse(text)
        norm = 1.2 * (1 - 0.75 + 0.75 * len(stems) / encoder.mean_length)
        counts = sorted((encoder.columns[stem], n) for stem, n in Counter(stems).items() if stem in encoder.columns)
        assert found[row].indices.tolist() == [column for column, _ in counts]
        expected = [float(encoder.idf[column] * n * (1.2 + 1) / (n + norm)) for column, n in counts]
        assert found[row].data.tobytes() == np.float32(expected).tobytes()
    assert found[len(texts)].nnz == 0
