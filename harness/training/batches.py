"""Which pairs a step sees: some are held out, the others are shuffled by their numbers and drawn."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.training.examples import Example, Pair, Rest, Texts, examples
from harness.training.topics import arrange, topics

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from harness.training.params import TrainingParams


def hold_out(pairs: Sequence[Example], count: int, seed: int) -> tuple[Sequence[Example], list[Pair]]:
    """Training pairs, and `count` others that share no text with them."""
    if not count:
        return pairs, []
    whole = examples(pairs)
    held: list[Pair] = []
    taken: set[str] = set()
    for place in _shuffled(len(pairs), random.Random(f"held out {seed}")):  # noqa: S311 - an order, not a secret
        if len(held) == count:
            break
        pair = whole[place]
        if taken.isdisjoint((pair.query, *pair.positives)):
            held.append(Pair(pair.query, pair.positive, symmetric=pair.symmetric))
            taken |= {pair.query, *pair.positives}
    return Rest(whole, whole.sharing(taken)), held


def batches(pairs: Sequence[Example], params: TrainingParams, seed: int) -> Iterator[list[Pair]]:
    """The micro-batches of all steps, the pairs shuffled anew for each pass; no text stands twice in one.

    A passage that answers two queries of one batch would be a negative of both. With `params.topics`, a batch's pairs
    are of one topic, except in the last batches of a pass. `drawn_from` says what of a pair takes part. In memory there
    are four bytes a pair, and as many for its topic.
    """
    drawn = random.Random(seed)  # noqa: S311 - an order, not a secret
    whole, labels = examples(pairs), None
    if params.topics is not None:
        labels = topics(Texts(whole, lambda pair: f"{pair.query} {pair.positive}"), params.topics, seed)
    waiting, turn = array("I"), -1
    for _ in range(params.steps * params.accumulate):
        batch: list[Pair] = []
        taken: set[str] = set()
        later: list[int] = []
        while len(batch) < params.pairs_per_pool:
            if not waiting:
                if len(later) + len(batch) >= len(pairs):
                    raise UserError(
                        f"the training pairs hold fewer than {params.pairs_per_pool} different texts",
                        key="training.pairs_per_step",
                        remedy="use a collection with more pairs, or a smaller batch",
                    )
                waiting, turn = _shuffled(len(pairs), drawn), turn + 1
                if labels is not None:  # taken from the end
                    waiting = arrange(waiting, labels, params.pairs_per_pool, drawn)[::-1]
                aside = set(later)
                if aside:
                    waiting = array("I", (place for place in waiting if place not in aside))
            pair = whole[place := waiting.pop()]
            if not taken.isdisjoint((pair.query, *pair.positives)):
                later.append(place)
                continue
            taken |= {pair.query, *pair.positives}
            batch.append(drawn_from(pair, params, f"{seed} {place}", turn, taken, drawn))
            taken.update(batch[-1].negatives)
        waiting.extend(reversed(later))
        yield batch


def drawn_from(
    pair: Pair, params: TrainingParams, name: str, turn: int, taken: Collection[str], drawn: random.Random
) -> Pair:
    """What of a pair takes part in one batch: one of its positives, and `params.negatives` of its negatives.

    Both are taken in turns, so that passes take different ones before they repeat any, as LACONIC's authors do
    (`data.py`, lines 66 and 77 to 81). A pair with fewer negatives takes part with all of them, or with as many as are
    wanted, drawn with replacement.

    Args:
        pair: With all its passages.
        params: How many negatives.
        name: Of the pair: it decides the order in which its passages are taken.
        turn: Number of the pass, from 0.
        taken: Texts that are no negatives, as they stand in the batch or answer a query of it.
        drawn: Source of what is drawn with replacement.
    """
    if not (params.negatives or pair.others):
        return Pair(pair.query, pair.positive, symmetric=pair.symmetric)
    positives = pair.positives
    own = random.Random(name)  # noqa: S311 - an order, not a secret
    chosen = (own.randrange(len(positives)) + turn) % len(positives)
    places: list[int] = []
    if params.negatives:
        different = dict(zip(reversed(pair.negatives), reversed(range(len(pair.negatives))), strict=True))
        order = sorted(different.values())
        own.shuffle(order)
        first = turn * params.negatives % max(len(order), 1)
        fresh = [place for place in order[first:] + order[:first] if pair.negatives[place] not in taken]
        places = fresh[: params.negatives]
        if params.repeat_negatives and fresh and len(fresh) < params.negatives:
            places = drawn.choices(fresh, k=params.negatives)
    columns = [chosen, *(len(positives) + place for place in places)]
    return Pair(
        pair.query,
        positives[chosen],
        tuple(pair.negatives[place] for place in places),
        scores=tuple(tuple(teacher[column] for column in columns) for teacher in pair.scores),
        symmetric=pair.symmetric,
    )


def _shuffled(count: int, drawn: random.Random) -> array[int]:
    """The numbers below `count` in a random order, four bytes each."""
    order = array("I", range(count))
    drawn.shuffle(order)
    return order
