"""Which of the passages that a search found for a training query are hard negatives of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def choose(
    ranking: Sequence[int],
    scores: Sequence[float],
    positives: Collection[int],
    positive_score: float,
    *,
    count: int,
    skip: int = 0,
    share: float = 0.95,
    spread: bool = False,
) -> list[int]:
    """The best-ranked passages that are likely wrong, or such passages from the whole ranking.

    Most of what stands near a positive in a ranking answers the query too. A passage that scores more than `share` of
    the positive probably does, too, and is left out (arXiv 2407.15831, "TopK-PercPos").

    Args:
        ranking: Passages by falling score.
        scores: Of each.
        positives: Passages known to answer the query.
        positive_score: Score of the pair's own passage, whether it is in the ranking or not.
        count: Passages to choose at most.
        skip: Ranks from the top that are left out besides.
        share: See above; 1 leaves out only what scores higher than the positive. Scores are taken as not negative.
        spread: Choose ranks that are evenly spaced, the best one first, in place of the best ones.

    Returns:
        Passages, the hardest first.
    """
    bound = share * max(positive_score, 0.0)
    likely = [
        passage
        for passage, score in list(zip(ranking, scores, strict=True))[skip:]
        if passage >= 0 and passage not in positives and score <= bound
    ]
    if spread and len(likely) > count:
        return [likely[place * len(likely) // count] for place in range(count)]
    return likely[:count]
