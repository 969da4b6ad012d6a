"""What BM25's statistics and vectors take, beside plain Python with `re` and `Counter`, and beside bm25s.

python tests/bench/bench_bm25.py [--documents 1000000] [--words 60] [--texts FILE]

Texts are made: words of random letters, whose frequencies fall with their rank as in natural language, with English
endings. Or they come from a file with a text a line, again and again from another word on where they run out. Processor
time of fitting, encoding and counting tokens as a run does them. Plain Python does a share of the documents; so does
bm25s where it is installed, which tokenises and indexes but has no vectors for other engines.
"""

import argparse
import importlib.util
import json
import re
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from harness.encoders.bm25 import Bm25, Bm25Params, stemmer  # noqa: E402
from harness.measure.memory import peak, reset_peak  # noqa: E402

LETTERS = np.array(list("etaoinshrdlucmfwypvbgk"))
ENDINGS = np.array(["", "", "", "s", "ed", "ing", "ation", "ly", "ness"])
BLOCK = 512


def made(documents, words, seed=0):
    """Texts of about so many words each: a vocabulary that grows with the number of documents."""
    generator = np.random.default_rng(seed)
    size = 20_000 + documents // 2
    stems = ["".join(LETTERS[generator.integers(0, len(LETTERS), length)]) for length in generator.integers(2, 9, size)]
    vocabulary = np.array([stem + ending for stem, ending in zip(stems, generator.choice(ENDINGS, size), strict=True)])
    for begin in range(0, documents, 4096):
        lengths = generator.poisson(words, min(4096, documents - begin))
        ranks = np.minimum(generator.zipf(1.2, lengths.sum()), size) - 1
        ends = np.cumsum(lengths)
        yield from (" ".join(vocabulary[ranks[end - length : end]]) for length, end in zip(lengths, ends, strict=True))


def repeated(lines, documents):
    """The lines, and when they run out the same ones from a later word on."""
    yielded = skipped = 0
    while yielded < documents:
        for line in lines[: documents - yielded]:
            yield line.split(" ", skipped)[-1]
        yielded, skipped = yielded + len(lines), skipped + 5


def ours(texts):
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        maker = Bm25(Bm25Params())
        maker.fit(Path(folder), corpus=iter(texts))
        encoder = maker.load(Path(folder))
        for begin in range(0, len(texts), BLOCK):
            block = texts[begin : begin + BLOCK]
            encoder.encode_documents(block)
            encoder.count_tokens(block, "document")
    return time.process_time() - started


def plain(texts):
    """The same numbers, one word after another."""
    started = time.process_time()
    params = Bm25Params()

    def analyse():
        stem_of = cache(stemmer(params))
        return lambda text: [s for w in re.findall(r"\w+", text.lower()) if (s := stem_of(w)) is not None]

    terms_of, frequencies, total = analyse(), Counter(), 0
    for text in texts:
        terms = terms_of(text)
        frequencies.update(set(terms))
        total += len(terms)
    columns = {term: column for column, term in enumerate(sorted(frequencies))}
    json.dumps([list(columns), [frequencies[term] for term in columns]])
    counts, terms_of = np.array([frequencies[term] for term in columns]), analyse()
    idf, mean = np.log1p((len(texts) - counts + 0.5) / (counts + 0.5)), total / len(texts)
    for text in texts:
        terms = terms_of(text)
        norm = params.k1 * (1 - params.b + params.b * len(terms) / mean)
        row = sorted((columns[term], count) for term, count in Counter(terms).items())
        np.array([idf[column] * n * (params.k1 + 1) / (n + norm) for column, n in row], np.float32)
        len(terms_of(text))
    return time.process_time() - started


def others(texts):
    import bm25s
    import Stemmer

    started = time.process_time()
    tokens = bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)
    bm25s.BM25(k1=0.9, b=0.4).index(tokens, show_progress=False)
    return time.process_time() - started


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=1_000_000)
    asked.add_argument("--words", type=int, default=60)
    asked.add_argument("--texts", type=Path, help="a text a line")
    asked.add_argument("--share", type=int, default=20, help="plain Python does one in so many documents")
    given = asked.parse_args()
    if given.texts:
        texts = list(repeated(given.texts.read_text(encoding="utf-8").split("\n"), given.documents))
    else:
        texts = list(made(given.documents, given.words))
    ours(texts[:100])  # compiles
    part = texts[: max(len(texts) // given.share, 1)]
    print(f"{sum(map(len, texts)) / len(texts):.0f} characters a document")
    print("| | documents | s | microseconds a document | MiB beside the texts |\n|---|---|---|---|---|")
    runs = [("compiled loops", ours, texts), ("compiled loops", ours, part), ("plain Python", plain, part)]
    if importlib.util.find_spec("bm25s"):
        runs.append(("bm25s, its index", others, part))
    for name, work, given_texts in runs:
        reset_peak()
        before = peak()
        seconds = work(given_texts)
        row = (name, f"{len(given_texts):,}", f"{seconds:.1f}", f"{seconds / len(given_texts) * 1e6:.1f}")
        print("|", " | ".join((*row, f"{(peak() - before) >> 20:,}")), "|", flush=True)


if __name__ == "__main__":
    main()
