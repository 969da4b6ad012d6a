"""What each engine takes to reach a recall: every engine tuned over its parameters, on the same vectors, in one run.

python tests/bench/bench_frontier.py [--documents 20000] [--engines 'inverted;kannolo'] [--vectors D Q] [-k 10,100]

A row is one build of an engine. The searches of a build differ in its search parameters; a cell has the least median
time of those that reach the recall, and names its setting. Recall@k is against exact float32 scores. Times are
processor time of the whole process during the engine's own calls (Qdrant searches in a thread of its own); what the
adapter adds is left out. All settings of all engines take turns, pass by pass.

`--vectors` takes documents and queries as .npz files of scipy CSR matrices (several of documents, with commas between),
or as folders of stored vectors.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from bench_indexes import exact_scores, opened  # noqa: E402
from synthetic import Corpus, Topical  # noqa: E402

from harness.errors import UserError  # noqa: E402
from harness.indexes import _peers, create, inverted, scipy_csr, two_phase  # noqa: E402
from harness.indexes._bitmaps import KERNEL  # noqa: E402
from harness.measure.machine.environment import cpu_model, instructions  # noqa: E402

RECALLS = (0.9, 0.95, 0.99, 0.999)
CANDIDATES = {"ef_search": [10, 20, 40, 80, 160, 320, 640]}
SUMMARIES = {"query_cut": [5, 10, 20, 40, 80], "heap_factor": [0.2, 0.4, 0.6, 0.8, 0.9]}
LINKED = {"candidates": [50, 200, 500], "follow": [0, 20, 100]}
SMALL = {"variant": "dotvbyte", "summary_energy": 0.1, "centroid_fraction": 0.05}
ENGINES = {
    "inverted u8": ("inverted", {}, {}),
    "inverted u4": ("inverted", {"weights": "u4"}, {}),
    "inverted float32": ("inverted", {"weights": "float32"}, {}),
    "qdrant-edge": ("qdrant-edge", {}, {}),
    "qdrant-edge u8": ("qdrant-edge", {"weights": "u8"}, {}),
    "scipy": ("scipy", {}, {}),
    "two-phase": ("two-phase", {}, {"terms": [20, 30, 1000], "candidates": [100, 200, 500, 1000, 2000, 4000]}),
    "two-phase with links": ("two-phase", {"share": 0.1, "links": 8}, LINKED),
    "bmp": ("bmp", {}, {"alpha": [0.6, 0.8, 1.0], "beta": [0.3, 0.6, 1.0]}),
    "kannolo": ("kannolo", {}, CANDIDATES),
    "kannolo small graph": ("kannolo", {"m": 16, "ef_construction": 100}, CANDIDATES),
    "kannolo dotpacking8, compressed": ("kannolo", {"weights": "dotpacking8", "graph": "compressed"}, CANDIDATES),
    "kannolo ranked again": ("kannolo", {"mass": 60}, {**CANDIDATES, "candidates": [20, 60, 200]}),
    "seismic": ("seismic", {"variant": "small"}, SUMMARIES),
    "seismic small summaries": ("seismic", SMALL, SUMMARIES),
}
"""Name in the table: engine, parameters of the build, and values of the search parameters that are tried together."""


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=20_000)
    asked.add_argument("--queries", type=int, default=100)
    asked.add_argument("--passes", type=int, default=3)
    asked.add_argument("--engines", default="", help="beginnings of names in the table, with semicolons between")
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"))
    asked.add_argument("--topics", type=int, default=0, help="topics of the documents drawn; 0: hardly any are alike")
    asked.add_argument("-k", default="10,100")
    given = asked.parse_args()
    if given.vectors:
        documents = sparse.vstack([opened(Path(path)) for path in given.vectors[0].split(",")], format="csr")
        queries = opened(Path(given.vectors[1]))[: given.queries]
    else:
        corpus = Topical(topics=given.topics) if given.topics else Corpus()
        documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
        queries = corpus.queries(given.queries)
    for module in (_peers, inverted, scipy_csr, two_phase):
        module.perf_counter_ns = time.process_time_ns
    print(f"{cpu_model()} ({instructions()}); kernel for bitmaps: {KERNEL}")
    shape = f"{documents.shape[0]} documents of {documents.nnz / documents.shape[0]:.0f} terms"
    print(f"{shape}, {queries.shape[0]} queries of {queries.nnz / queries.shape[0]:.0f}")
    names = [name for name in ENGINES if name.startswith(tuple(given.engines.split(";")))]
    indexes, facts = {}, {}
    for name in names:
        engine, params, _ = ENGINES[name]
        began = time.process_time()
        try:
            index = create(engine, **params)
            index.build(documents)
        except UserError as error:
            print(f"{name} is left out: {error.what}", file=sys.stderr)
            continue
        facts[name] = time.process_time() - began, index.memory()
        indexes[name] = index
        print(f"built {name} in {facts[name][0]:.1f} s", file=sys.stderr, flush=True)
    best = np.argsort(-np.stack(list(exact_scores(documents, queries))), axis=1, kind="stable")
    rows = [queries[row] for row in range(queries.shape[0])]
    for k in map(int, given.k.split(",")):
        table(k, indexes, facts, rows, best[:, :k], documents.shape[0], given.passes)


def settings_of(name):
    """Each combination of the values of an engine's search parameters."""
    values = ENGINES[name][2]
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def table(k, indexes, facts, rows, best, documents, passes):
    """Print a row for each build."""
    tried = [(name, setting) for name in indexes for setting in settings_of(name)]
    times, recalls = [[] for _ in tried], []
    for number in range(passes + 1):
        for place in range(len(tried))[:: -1 if number % 2 else 1]:
            name, setting = tried[place]
            index = indexes[name]
            index.search_with(setting)
            searcher, answers = index.searcher(k), []
            for row in rows:
                answers.append(searcher(row)[0][0])
                if number:
                    times[place].append(searcher.engine_ns)
            if not number:
                pairs = zip(answers, best, strict=True)
                recalls.append(np.mean([np.isin(ids, wanted).sum() / k for ids, wanted in pairs]))
    medians = [np.median(taken) / 1e6 for taken in times]
    heads = "engine", "bytes a document", "build, cpu s", *(f"ms at {recall}" for recall in RECALLS), "highest recall"
    print(f"\nk = {k}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in indexes:
        places = [place for place, (other, _) in enumerate(tried) if other == name]
        cells = []
        for recall in RECALLS:
            reach = [place for place in places if recalls[place] >= recall]
            chosen = min(reach, key=lambda place: medians[place]) if reach else None
            said = "" if chosen is None else ", ".join(str(value) for value in tried[chosen][1].values())
            cells.append("" if chosen is None else f"{medians[chosen]:.3f}" + (f" ({said})" if said else ""))
        seconds, sizes = facts[name]
        lists = sizes.get("inverted index")
        room = f"{sum(sizes.values()) / documents:.0f}" + (f" (lists {lists / documents:.0f})" if lists else "")
        highest = max(recalls[place] for place in places)
        print(f"| {name} | {room} | {seconds:.1f} | {' | '.join(cells)} | {highest:.4f} |", flush=True)


if __name__ == "__main__":
    main()
