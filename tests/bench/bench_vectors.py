"""How synthetic vectors compare with an encoder's: neighbours, blocks of like documents, scores, recall through links.

python tests/bench/bench_vectors.py --vectors DOCUMENTS QUERIES [--documents 5120]

DOCUMENTS and QUERIES are .npz files of scipy CSR matrices or folders of stored vectors. Both generators draw as many
documents, of as many terms on average, as there are in DOCUMENTS, and queries as long as those in QUERIES.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from bench_indexes import opened  # noqa: E402
from synthetic import Corpus, Topical  # noqa: E402

from harness.indexes import create  # noqa: E402

SAMPLE, QUERIES = 200, 150
LINKED = {"share": 0.1, "links": 8, "candidates": 20}


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"), required=True)
    asked.add_argument("--documents", type=int, default=5120)
    given = asked.parse_args()
    documents, queries = (sparse.csr_matrix(opened(Path(path))) for path in given.vectors)
    documents, queries = documents[: given.documents], queries[:QUERIES]
    shape = documents.shape[1], documents.nnz / documents.shape[0], queries.nnz / queries.shape[0]
    columns = {"encoder": facts(documents, queries)}
    for name, kind in (("topics = 16", Topical), ("topics = 0", Corpus)):
        source = kind(*shape)
        drawn = sparse.vstack(list(source.documents(documents.shape[0])), format="csr")
        columns[name] = facts(drawn, source.queries(QUERIES))
    print(f"{documents.shape[0]} documents of {shape[1]:.0f} terms, queries of {shape[2]:.0f}")
    print(f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for label in columns["encoder"]:
        print(f"| {label} | {' | '.join(f'{values[label]:.3f}' for values in columns.values())} |")


def facts(documents, queries):
    """What the table says of one set of vectors: medians, but means of overlap, blocks and recall."""
    rng, count = np.random.default_rng(0), documents.shape[0]
    shares = np.sort(np.bincount(documents.indices, minlength=documents.shape[1]))[::-1] / count
    found = {f"share of documents with the term of rank {rank}": shares[rank] for rank in (15, 155, 1546)}
    chosen = rng.choice(count, SAMPLE, replace=False)
    nearest, scores, itself = neighbours(documents, chosen)
    for rank in (1, 10, 100, count // 2):
        label = "median document" if rank == count // 2 else f"neighbour {rank}"
        found[f"score of {label}, of a document's own"] = np.median(scores[:, rank - 1] / itself)
    others, _, _ = neighbours(documents, nearest[:, 0])
    shared = [len(set(a) & set(b)) for a, b in zip(nearest[:, :10].tolist(), others[:, :10].tolist(), strict=True)]
    found["of 10 neighbours, share that the nearest one has too"] = np.mean(shared) / 10
    like = [documents[np.append(one, nearest[place, :7])] for place, one in enumerate(chosen)]
    random = [documents[rng.choice(count, 8, replace=False)] for _ in range(SAMPLE)]
    for label, blocks in (("the nearest", like), ("any", random)):
        found[f"terms of 8 documents, of their postings: {label}"] = np.mean(
            [len(np.unique(block.indices)) / block.nnz for block in blocks]
        )
    ranked = -np.sort(-(queries @ documents.T).toarray(), axis=1)
    for rank in (10, 100):
        found[f"score of hit {rank}, of the best"] = np.median(ranked[:, rank - 1] / ranked[:, 0])
    exact = np.argsort(-(queries @ documents.T).toarray(), axis=1, kind="stable")[:, :100]
    index = create("two-phase", **LINKED)
    index.build(documents)
    for follow in (0, 20, 100):
        index.search_with({"follow": follow})
        ids = index.search(queries, 10)[0].tolist()
        hits = [len(set(a) & set(b[:10])) / 10 for a, b in zip(ids, exact.tolist(), strict=True)]
        found[f"recall@10, links of {follow} followed"] = np.mean(hits)
    return found


def neighbours(documents, chosen):
    """The other documents by descending product, their products, and the document's with itself."""
    scores = (documents[chosen] @ documents.T).toarray()
    rows = np.arange(len(chosen))
    itself = scores[rows, chosen].copy()
    scores[rows, chosen] = -1
    order = np.argsort(-scores, axis=1, kind="stable")
    return order, np.take_along_axis(scores, order, 1), itself


if __name__ == "__main__":
    main()
