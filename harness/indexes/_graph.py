"""Search by the heaviest postings of a query's terms, then by links between similar documents."""

from __future__ import annotations

import numpy as np

from harness.compiled import compiled
from harness.indexes._forward import fetch_facts, fetch_row, score_of, unpack_row

LAST, NOWHERE = 0x7FFFFFFF, 0xFFFFFF
"""What document numbers are taken from in keys, so that of equal scores the lowest comes first; no link."""
BUILD_TERMS, BUILD_POSTINGS, BUILD_CANDIDATES, BUILD_POOL = 8, 1600, 32, 48
"""How the documents are searched for that one is linked to: its heaviest terms, then as in any search."""
FULL, HALVINGS = np.uint32(255), 12
"""The bits of a posting that are its impact; how often the bound of what is read is halved."""
AHEAD, FAR_AHEAD = 8, 24
"""How many candidates ahead of the one that is scored its row is asked for, and where the row begins."""
NEARER = np.float32(0.8)
"""A document is not linked to where one that is linked to already is so much more similar to it."""


@compiled
def hold(pool, held, key):  # type: ignore[no-untyped-def]
    """Insert a key into keys in descending order where it is among the best; returns how many are held, and the place.

    The place is -1 where the key is not held.
    """
    if held == len(pool):
        if key < pool[held - 1]:
            return held, -1
        held -= 1
    place = held
    while place > 0 and pool[place - 1] < key:
        pool[place] = pool[place - 1]
        place -= 1
    pool[place] = key
    return held + 1, place


@compiled
def heaviest(indptr, weights, most):  # type: ignore[no-untyped-def]
    """The places of the `most` heaviest weights of each row, ascending; of equal ones those that come first.

    Returns:
        Where each row begins among the places, and the places, int64.
    """
    begins, places, count = np.zeros(len(indptr), np.int64), np.empty(len(weights), np.int64), 0
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        chosen = np.arange(begin, end)
        if len(chosen) > most:
            chosen = begin + np.sort(np.argsort(-weights[begin:end], kind="mergesort")[:most])
        places[count : count + len(chosen)] = chosen
        count += len(chosen)
        begins[row + 1] = count
    return begins, places[:count]


@compiled
def reaching(postings, begin, end, factor, bound):  # type: ignore[no-untyped-def]
    """Where the postings of a list end whose product with a factor is at least `bound`; impacts descend."""
    while begin < end:
        middle = (begin + end) >> 1
        if factor * np.float32(postings[middle] & FULL) >= bound:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled
def seed(terms, weights, lists, budget, sums, touched):  # type: ignore[no-untyped-def]
    """Add the products of a query's heaviest postings to `sums`, at most `budget` of them where there are more.

    Returns:
        How many documents were touched, and how many postings were read.
    """
    starts, postings, scales = lists
    factors, begins = np.empty(len(terms), np.float32), np.empty(len(terms), np.int64)
    ends, highest, total = np.empty(len(terms), np.int64), np.float32(0), np.int64(0)
    for place in range(len(terms)):
        begins[place], ends[place] = starts[terms[place]], starts[terms[place] + 1]
        factors[place] = weights[place] * scales[terms[place]]
        if factors[place] == 0:  # too small for float32
            ends[place] = begins[place]
        if begins[place] < ends[place]:
            highest = max(highest, factors[place] * np.float32(postings[begins[place]] & FULL))
            total += ends[place] - begins[place]
    if total > budget:
        # Products from `bound` on are read. It is sought between 0, which too many reach, and one that none reaches.
        low, high, reached = np.float32(0), highest, np.int64(0)
        for _ in range(HALVINGS):
            bound = (low + high) / np.float32(2)
            total = np.int64(0)
            for place in range(len(terms)):
                total += reaching(postings, begins[place], ends[place], factors[place], bound) - begins[place]
            if total > budget:
                low = bound
            else:
                high, reached = bound, total
        if reached == 0:
            high = low
        for place in range(len(terms)):
            ends[place] = reaching(postings, begins[place], ends[place], factors[place], high)
    count, read = 0, np.int64(0)
    for place in range(len(terms)):
        read += ends[place] - begins[place]
        for entry in range(begins[place], ends[place]):
            posting = postings[entry]
            document = np.uint64(posting >> np.uint32(8))
            added = factors[place] * np.float32(posting & FULL)
            if sums[document] == 0 and added > 0:
                touched[count] = document
                count += 1
            sums[document] += added
    return count, read


@compiled
def best_of(touched, count, sums, wanted):  # type: ignore[no-untyped-def]
    """Move the documents with the highest sums to the front and clear all sums; returns how many there are now.

    Sums are counted by their first bits, 32 classes in each power of 2, which takes less time than np.partition. Of the
    class at the bound, the documents that were touched first are taken.
    """
    bits = sums.view(np.int32)
    counts = np.zeros(1 << 13, np.int32)
    if count > wanted:
        for place in range(count):
            counts[bits[touched[place]] >> 18] += 1
    level, above = len(counts) - 1, 0
    while count > wanted and above + counts[level] <= wanted:
        above += counts[level]
        level -= 1
    ties, held = wanted - above, 0
    for place in range(count):
        document = touched[place]
        reached = bits[document] >> 18
        sums[document] = 0
        if count <= wanted or reached > level or (reached == level and ties > 0):
            ties -= reached == level
            touched[held] = document
            held += 1
    return held


@compiled
def linked(links, place):  # type: ignore[no-untyped-def]
    """The document that a link of three bytes leads to."""
    at = np.uint64(3 * place)
    low, middle = np.uint64(links[at]), np.uint64(links[at + np.uint64(1)])
    return low | middle << np.uint64(8) | np.uint64(links[at + np.uint64(2)]) << np.uint64(16)


@compiled
def walk(candidates, query, forward, links, degree, follow, pool, seen, scored):  # type: ignore[no-untyped-def]
    """Score candidates, then what the best documents are linked to, until the links of the best `follow` are followed.

    A key of `pool` int64, in descending order: the score's bits, the complement of the document's number in 31 bits,
    and 1 where its links are still to be followed. `seen` uint8 is all 0 before and after. `scored` uint32 takes the
    documents scored, those of score 0 too.

    Returns:
        How many keys are in the pool, and how many documents were scored.
    """
    held, count, score = 0, 0, np.empty(1, np.float32)
    bits = score.view(np.int32)
    for place in range(-FAR_AHEAD, len(candidates)):
        if place + FAR_AHEAD < len(candidates):
            fetch_facts(np.uint64(candidates[place + FAR_AHEAD]), forward)
        if 0 <= place + AHEAD < len(candidates):
            fetch_row(np.uint64(candidates[place + AHEAD]), forward)
        if place < 0:
            continue
        document = np.uint64(candidates[place])
        scored[count] = document
        count += 1
        if degree:
            seen[document] = 1
        score[0] = score_of(document, forward, query)
        if score[0] > 0:
            held, _ = hold(pool, held, (np.int64(bits[0]) << 32) | ((LAST - np.int64(document)) << 1) | 1)
    place = 0
    while place < min(held, follow):
        if not pool[place] & 1:
            place += 1
            continue
        pool[place] -= 1
        document = LAST - ((pool[place] & 0xFFFFFFFF) >> 1)
        highest = place
        for link in range(document * degree, (document + 1) * degree):
            other = linked(links, link)
            if other == NOWHERE:
                break
            if seen[other]:
                continue
            seen[other] = 1
            scored[count] = other
            count += 1
            score[0] = score_of(other, forward, query)
            if score[0] > 0:
                key = (np.int64(bits[0]) << 32) | ((LAST - np.int64(other)) << 1) | 1
                held, where = hold(pool, held, key)
                if where >= 0:
                    highest = min(highest, where)
        place = highest
    if degree:
        for number in range(count):
            seen[scored[number]] = 0
    return held, count


@compiled
def score_keys(keys, columns, weights, numbers, forward, links, degree, follow, rooms, pool):  # type: ignore[no-untyped-def]
    """Score the documents of the inverted index's `keys`, see `_best.select`, and walk on; the best go into `pool`.

    `columns` and `weights` are the query's, `numbers` int32 the terms' numbers by frequency. `rooms`: query float32
    (terms), seen uint8, scored uint32 (documents); query and seen are all 0 before and after.

    Returns:
        Keys in the pool, and documents scored.
    """
    query, seen, scored = rooms
    for place in range(len(columns)):
        query[numbers[columns[place]]] = weights[place]
    candidates = np.empty(len(keys), np.uint32)
    for place in range(len(keys)):
        candidates[place] = 0xFFFFFFFF - (keys[place] & 0xFFFFFFFF)
    held, count = walk(candidates, query, forward, links, degree, follow, pool, seen, scored)
    for place in range(len(columns)):
        query[numbers[columns[place]]] = 0
    return held, count


@compiled
def score_each(keys, held, indptr, columns, weights, parts, degree, follow, rooms, pool, ids, scores):  # type: ignore[no-untyped-def]
    """Score what the inverted index proposes for each query of a block, see `score_keys`, and write the best documents.

    `keys` and `held` are the proposals, `indptr` where each query begins in `columns` and `weights`, `ids` int64 and
    `scores` (float32 as bits, int32) a row for each query. `parts`: numbers, forward, links.
    """
    numbers, forward, links = parts
    for row in range(len(held)):
        begin, end = indptr[row], indptr[row + 1]
        count, _ = score_keys(
            keys[row, : held[row]], columns[begin:end], weights[begin:end], numbers, forward, links, degree, follow,
            rooms, pool,
        )  # fmt: skip
        for place in range(min(count, ids.shape[1])):
            ids[row, place], scores[row, place] = LAST - ((pool[place] & 0xFFFFFFFF) >> 1), pool[place] >> 32


@compiled
def add_link(links, likeness, degree, document, other, like):  # type: ignore[no-untyped-def]
    """Link a document to another one: in free room, or instead of the least similar one where that is less so."""
    worst, lowest = -1, like
    for place in range(document * degree, (document + 1) * degree):
        before = linked(links, place)
        if before == NOWHERE:
            worst = place
            break
        if before == other:
            return
        if likeness[place] < lowest:
            worst, lowest = place, likeness[place]
    if worst >= 0:
        likeness[worst] = like
        for byte in range(3):
            links[3 * worst + byte] = (other >> (8 * byte)) & 255


@compiled
def link_all(forward, lists, degree, norms, links, likeness, rooms):  # type: ignore[no-untyped-def]
    """Link documents to similar ones, by a search for each with its own weights in the links so far.

    Similar is what has a high cosine. A document chooses up to two thirds of its links, the most similar first, but
    none that is much more similar to a chosen one, so that links lead in several directions. Each link is made in both
    directions, as far as there is room. `norms` float32 are the lengths of documents. `likeness` float32 is room, as
    many as links.
    """
    query, seen, scored = rooms
    sums, touched, other_query = np.zeros(len(norms), np.float32), np.empty(len(norms), np.uint32), np.zeros_like(query)
    pool, like, chosen = np.empty(BUILD_POOL, np.int64), np.empty(BUILD_POOL, np.float32), np.empty(degree, np.int64)
    terms, weights = np.empty(len(query), np.int64), np.empty(len(query), np.float32)
    other_terms, other_weights = np.empty(len(query), np.int64), np.empty(len(query), np.float32)
    for document in range(len(norms)):
        held_terms = unpack_row(document, forward, terms, weights)
        for place in range(held_terms):
            query[terms[place]] = weights[place]
        heavy = np.argsort(-weights[:held_terms])[:BUILD_TERMS]
        count, _ = seed(terms[heavy], weights[heavy], lists, BUILD_POSTINGS, sums, touched)
        count = best_of(touched, count, sums, BUILD_CANDIDATES)
        held, _ = walk(touched[:count], query, forward, links, degree, BUILD_POOL, pool, seen, scored)
        for place in range(held):
            other = LAST - ((pool[place] & 0xFFFFFFFF) >> 1)
            score = np.float32(0) if other == document else score_of(np.uint64(other), forward, query)
            like[place] = score / norms[other] / norms[document]
        taken = 0
        for place in np.argsort(-like[:held], kind="mergesort"):
            other = LAST - ((pool[place] & 0xFFFFFFFF) >> 1)
            if other == document or 3 * taken >= 2 * degree:
                continue
            others = unpack_row(other, forward, other_terms, other_weights)
            for number in range(others):
                other_query[other_terms[number]] = other_weights[number]
            new = True
            for number in range(taken):
                between = (
                    score_of(np.uint64(chosen[number]), forward, other_query) / norms[chosen[number]] / norms[other]
                )
                new = new and between * NEARER <= like[place]
            for number in range(others):
                other_query[other_terms[number]] = 0
            if new:
                chosen[taken] = other
                taken += 1
                add_link(links, likeness, degree, document, other, like[place])
                add_link(links, likeness, degree, other, document, like[place])
        for place in range(held_terms):
            query[terms[place]] = 0
