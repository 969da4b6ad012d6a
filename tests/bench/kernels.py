"""What the product is made of, timed by pyperf: its manager starts worker processes, one benchmark each.

    python tests/bench/kernels.py -o kernels.json
    laconic-bench compare before.json kernels.json
    laconic-bench history add kernels.json

All options of a script of pyperf hold (`--fast`, `--processes`, `--affinity`, `--debug-single-value`). A worker
prepares what its own benchmark needs, and nothing else. All work runs on one thread.
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

import pyperf

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE), str(HERE.parent / "support")]

DOCUMENTS, TERMS, K = 4096, 32_000, 100
VECTORS, DIMENSIONS = 600, 384
TEXTS, TOKENS, HIDDEN = 8, 64, 256


def search_segment():
    """One query of about 61 terms against a segment of the inverted index."""
    from synthetic import Corpus

    from harness.indexes import create
    from harness.indexes._rows import rows_of

    corpus = Corpus(terms=TERMS)
    index = create("inverted")
    index.build(corpus.documents(DOCUMENTS))
    rows = rows_of(corpus.queries(1)).tidy()
    return lambda: int(index.best(rows, K)[1][0])


def pack_segment():
    """Packing of a segment."""
    from scipy import sparse
    from synthetic import Corpus

    from harness.indexes._packing import pack
    from harness.indexes._rows import rows_of

    rows = rows_of(sparse.vstack(list(Corpus(terms=TERMS).documents(DOCUMENTS)), format="csr"))
    return lambda: pack([rows], "u8")


def streamed_head():
    """The largest logit of each term over each text's tokens, float32."""
    import torch

    from harness.training.max_head import max_logits

    torch.set_num_threads(1)
    torch.manual_seed(1)
    states, head = torch.randn(TEXTS * TOKENS, HIDDEN), torch.randn(TERMS, HIDDEN)
    return lambda: max_logits(states, [TOKENS] * TEXTS, head)


def encode_query():
    """One query of eight words through a random Llama of two layers and its head."""
    import torch
    from tiny_models import WORDS, save_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.encoders.laconic import Laconic, LaconicParams

    torch.manual_seed(1)
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4}
    with tempfile.TemporaryDirectory() as name:
        model, folder = Path(name) / "model", Path(name) / "encoder"
        folder.mkdir()
        save_tokenizer(model, size=TERMS)
        config = LlamaConfig(vocab_size=TERMS, tie_word_embeddings=True, **sizes)
        LlamaForCausalLM(config).save_pretrained(model)
        maker = Laconic(LaconicParams(backbone=str(model)))
        maker.fit(folder)
        encoder = maker.load(folder, threads=1)
        texts = [" ".join(WORDS[:8])]
        encoder.encode_queries(texts)  # the weights are read while the folder is there
    return lambda: encoder.encode_queries(texts)


def faiss_flat():
    """One query through the searcher of FAISS flat."""
    import numpy as np

    from harness.indexes import create

    rows = np.random.default_rng(1).standard_normal((VECTORS + 1, DIMENSIONS), np.float32)
    index = create("faiss-flat")
    index.build(rows[:VECTORS])
    searcher, query = index.searcher(K, threads=1), rows[VECTORS:]
    return lambda: searcher(query)


KERNELS = {
    "search_segment": (search_segment, f"{DOCUMENTS} documents, {TERMS} terms"),
    "pack_segment": (pack_segment, f"{DOCUMENTS} documents, {TERMS} terms, 8 bits"),
    "streamed_head": (streamed_head, f"{TEXTS} texts of {TOKENS} tokens, {TERMS} terms, {HIDDEN} wide"),
    "encode_query": (encode_query, f"8 words, 2 layers, {TERMS} terms, {HIDDEN} wide"),
    "faiss_flat": (faiss_flat, f"{VECTORS} x {DIMENSIONS}, k = {K}"),
}
"""Name in the file -> (what prepares the work, its size)."""


@cache
def prepared(name):
    """The work of a benchmark, done once: whatever is compiled or allocated at first is no part of a value."""
    work = KERNELS[name][0]()
    work()
    return work


def seconds(loops, name):
    """Seconds of so many loops of the work."""
    work = prepared(name)
    began = pyperf.perf_counter()
    for _ in range(loops):
        work()
    return pyperf.perf_counter() - began


def provenance():
    """What a history of such files needs beside pyperf's own metadata."""
    from harness.measure.machine.environment import instructions, machine_fingerprint
    from harness.runs.write import provenance

    facts = provenance()
    named = {"revision": facts["git revision"], "changes": facts["git changes"], "version": facts["laconic-bench"]}
    known = {name: text for name, text in named.items() if text != "not a git checkout"}
    about = {"suite": "kernels", "machine": machine_fingerprint(), "instructions": instructions(), **known}
    return {f"laconic_{name}": text for name, text in about.items()}


def main():
    """Run all benchmarks."""
    runner, about = pyperf.Runner(processes=6), provenance()
    for name, (kernel, size) in KERNELS.items():
        runner.bench_time_func(name, seconds, name, metadata={"description": kernel.__doc__, "size": size, **about})


if __name__ == "__main__":
    main()
