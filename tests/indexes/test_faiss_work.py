"""Work of FAISS indexes: documents scored and multiply-adds, held against brute force over lists and graphs."""

import faiss
import numpy as np
import pytest

from harness.indexes import registry
from harness.indexes.base import Work

N, D, Q, LISTS, K = 700, 16, 6, 8, 10

pytestmark = pytest.mark.filterwarnings("ignore")


def rows(count, seed):
    return np.random.default_rng(seed).standard_normal((count, D), np.float32)


DOCUMENTS, QUERIES = rows(N, 1), rows(Q, 2)


def built(factory, **params):
    engine = registry.get("faiss")
    index = engine(engine.Params(factory=factory, **params))
    index.build(DOCUMENTS)
    return index


def visited(index, nprobe):
    """Documents in the lists whose centroids are nearest to each query, by numpy."""
    whole = faiss.downcast_index(index)
    centroids = whole.quantizer.reconstruct_n(0, LISTS)
    nearest = np.argsort(-(QUERIES @ centroids.T), axis=1)[:, :nprobe]
    return sum(whole.invlists.list_size(int(number)) for number in nearest.ravel())


TABLE = 16 * D  # 4-bit codes: 16 centroids of each part
PER_CODE = {
    "Flat": (0, D),
    "SQ8": (0, D),
    "SQfp16": (0, D),
    "PQ8x4": (TABLE, 8),
    "PQ8x4fs": (TABLE, 8),
}


@pytest.mark.parametrize("codec", PER_CODE)
def test_an_index_without_lists_scores_every_document(codec):
    table, document = PER_CODE[codec]
    assert built(codec).work(QUERIES, K) == Work(Q * (table + N * document), documents=Q * N)


@pytest.mark.parametrize("codec", PER_CODE)
@pytest.mark.parametrize("nprobe", [1, 3, LISTS])
def test_an_inverted_file_scores_all_centroids_and_the_lists_that_it_visits(codec, nprobe):
    table, document = PER_CODE[codec]
    index = built(f"IVF{LISTS},{codec}", nprobe=nprobe)
    scored = visited(index.index, nprobe)
    assert index.work(QUERIES, K) == Work(Q * (LISTS * D + table) + scored * document, documents=scored)
    assert (scored == Q * N) == (nprobe == LISTS)


def graph_distances(index, query):
    """Distances that a search of breadth N computes, and documents that it reaches, by a walk through the links."""
    whole = faiss.downcast_index(index.index)
    graph = whole.hnsw
    links, offsets = faiss.vector_to_array(graph.neighbors), faiss.vector_to_array(graph.offsets)
    starts = faiss.vector_to_array(graph.cum_nneighbor_per_level)

    def neighbours(document, level):
        begin = int(offsets[document])
        part = links[begin + int(starts[level]) : begin + int(starts[level + 1])]
        return [int(other) for other in part if other >= 0]

    scores = DOCUMENTS @ query
    nearest, distances = int(graph.entry_point), 0
    for level in range(graph.max_level, 0, -1):
        while True:
            around = neighbours(nearest, level)
            distances += len(around)
            best = max([nearest, *around], key=lambda document: scores[document])
            if best == nearest:
                break
            nearest = best
    reached, frontier = {nearest}, [nearest]
    while frontier:
        new = set(neighbours(frontier.pop(), 0)) - reached
        reached |= new
        frontier += new
    return distances + len(reached) - 1, len(reached)


@pytest.mark.parametrize(("codec", "table", "document"), [("Flat", 0, D), ("SQ8", 0, D), ("PQ8x4", TABLE, 8)])
def test_a_graph_counts_the_distances_of_all_its_levels(codec, table, document):
    index = built(f"HNSW8,{codec}", ef_search=N)
    work = index.work(QUERIES, K)
    assert work.multiply_adds == Q * table + work.documents * document
    if codec == "Flat":  # other codecs choose the way through the upper levels by rounded scores
        expected = [graph_distances(index, query) for query in QUERIES]
        assert work.documents == sum(distances for distances, _ in expected)
        assert min(reached for _, reached in expected) > 0.9 * N


def test_a_narrow_search_of_a_graph_computes_less():
    documents = [built("HNSW8", ef_search=breadth).work(QUERIES, 1).documents for breadth in (4, 32, N)]
    assert documents == sorted(set(documents))
    assert documents[0] < Q * N / 2


def test_centroids_in_a_graph_are_counted_where_they_are_scored():
    work = built(f"IVF{LISTS}_HNSW4,Flat", nprobe=LISTS).work(QUERIES, K)
    assert work.documents == Q * N
    centroids, rest = divmod(work.multiply_adds - Q * N * D, D)
    assert rest == 0
    assert 0 < centroids <= 2 * Q * LISTS


def test_a_transform_multiplies_each_query():
    work = built(f"PCA8,IVF{LISTS},Flat", nprobe=LISTS).work(QUERIES, K)
    assert work == Work(Q * (D * 8 + LISTS * 8 + N * 8), documents=Q * N)
    rotated = built("OPQ4_8,PQ4x4").work(QUERIES, K)
    assert rotated == Work(Q * (D * 8 + 16 * 8 + N * 4), documents=Q * N)


def test_candidates_are_scored_again_and_counted_again():
    assert built("PQ8x4,RFlat").work(QUERIES, K) == Work(Q * (TABLE + N * 8 + K * D), documents=Q * (N + K))
    thrice = built("PQ8x4,RFlat", k_factor=3).work(QUERIES, K)
    assert thrice == Work(Q * (TABLE + N * 8 + 3 * K * D), documents=Q * (N + 3 * K))
    few = built(f"IVF{LISTS},SQ8,RFlat")  # nprobe = 1: a list holds fewer than the N candidates asked for
    scored = visited(faiss.downcast_index(few.index).base_index, 1)
    assert few.work(QUERIES, N) == Work(Q * LISTS * D + 2 * scored * D, documents=2 * scored)


@pytest.mark.parametrize(
    "factory", ["RaBitQ", "IVF8,RaBitQ4", "RaBitQfs", "IVF8,RQ4x4", "L2norm,Flat", "IVF8(IVF2,Flat),Flat"]
)
def test_what_faiss_does_not_count_is_not_told(factory):
    assert built(factory).work(QUERIES, K) is None


def test_earlier_searches_and_other_threads_do_not_count():
    index = built(f"IVF{LISTS},Flat", nprobe=2)
    first = index.work(QUERIES, K)
    index.search(QUERIES, K, threads=2)
    faiss.omp_set_num_threads(2)
    assert index.work(QUERIES, K) == first
    halves = [index.work(part, K) for part in (QUERIES[:2], QUERIES[2:])]
    assert halves[0] + halves[1] == first
