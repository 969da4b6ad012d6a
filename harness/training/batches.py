"""Which pairs a step sees: some are held out, the others are shuffled by their numbers and drawn."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.training.examples import Chosen, Example, Texts, examples, negatives_of
from harness.training.topics import arrange, topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.training.params import TrainingParams


def hold_out(pairs: Sequence[Example], count: int, seed: int) -> tuple[Sequence[Example], list[Example]]:
    """Training pairs, and `count` others that share no text with them."""
    if not count:
        return pairs, []
    held: list[Example] = []
    taken: set[str] = set()
    for place in _shuffled(len(pairs), random.Random(f"held out {seed}")):  # noqa: S311 - an order, not a secret
        if len(held) == count:
            break
        query, passage = pairs[place][0], pairs[place][1]
        if not {query, passage} & taken:
            held.append((query, passage))
            taken |= {query, passage}
    whole = examples(pairs)
    return Chosen(whole, ~whole.sharing(taken)), held


def batches(pairs: Sequence[Example], params: TrainingParams, seed: int) -> Iterator[list[Example]]:
    """`params.steps` batches, the pairs shuffled anew for each pass; no text stands twice in a batch.

    A passage that answers two queries of one batch would be a negative of both. Of a pair's own hard negatives,
    `params.negatives` are drawn. With `params.topics`, a batch's pairs are of one topic, except in the last batches of
    a pass. In memory there are four bytes a pair, and as many for its topic.
    """
    drawn = random.Random(seed)  # noqa: S311 - an order, not a secret
    labels = None
    if params.topics is not None:
        labels = topics(Texts(examples(pairs), lambda pair: f"{pair.query} {pair.positive}"), params.topics, seed)
    waiting = array("I")
    for _ in range(params.steps):
        batch: list[Example] = []
        taken: set[str] = set()
        later: list[int] = []
        while len(batch) < params.pairs_per_step:
            if not waiting:
                if len(later) + len(batch) >= len(pairs):
                    raise UserError(
                        f"the training pairs hold fewer than {params.pairs_per_step} different texts",
                        key="training.pairs_per_step",
                        remedy="use a collection with more pairs, or a smaller batch",
                    )
                waiting = _shuffled(len(pairs), drawn)
                if labels is not None:  # taken from the end
                    waiting = arrange(waiting, labels, params.pairs_per_step, drawn)[::-1]
                aside = set(later)
                if aside:
                    waiting = array("I", (place for place in waiting if place not in aside))
            example = pairs[place := waiting.pop()]
            query, passage = example[0], example[1]
            if query in taken or passage in taken:
                later.append(place)
                continue
            taken |= {query, passage}
            if not params.negatives:
                batch.append((query, passage))
                continue
            fresh = [text for text in dict.fromkeys(negatives_of(example)) if text not in taken]
            chosen = drawn.sample(fresh, min(params.negatives, len(fresh)))
            taken |= set(chosen)
            batch.append((query, passage, chosen))
        waiting.extend(reversed(later))
        yield batch


def _shuffled(count: int, drawn: random.Random) -> array[int]:
    """The numbers below `count` in a random order, four bytes each."""
    order = array("I", range(count))
    drawn.shuffle(order)
    return order
