"""The memory claim in words: what holds on paper, and what a run measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims import memory
from harness.claims.readings import AGAINST, CLAIMED, DIMENSIONS, TERMS_KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.sections.measured_memory import MeasuredPart, MeasuredSystem

AS_GOOD = 0.01
"""A dense index ranks as well as another if its nDCG@10 is lower by no more than this."""


def on_paper(bound: float = CLAIMED) -> str:
    """The answer in one sentence, for LACONIC-8B's parameters."""
    counts, total = holding(DIMENSIONS, TERMS_KEPT, bound), len(memory.SPARSE)
    always, never = [n for n, c in counts.items() if c == total], [n for n, c in counts.items() if not c]
    some = [f"{name} with {count}" for name, count in counts.items() if 0 < count < total]
    parts = [
        f"against {_listed(always)} with each of the {total} sparse codecs" if always else "",
        f"against {_listed(some)} of {total}" if some else "",
        f"against {_listed(never)} with none" if never else "",
    ]
    return (
        f"At least {bound:.0%} less, on paper ({TERMS_KEPT} terms a document against {DIMENSIONS} dimensions, as "
        f"LACONIC-8B has them): it holds {'; '.join(filter(None, parts))}."
    )


def limits(bound: float = CLAIMED) -> list[str]:
    """What else a reader should know, for LACONIC-8B's parameters."""
    cells = list(memory.grid((DIMENSIONS,), (TERMS_KEPT,)))
    needed = {
        memory.DENSE[name].label: memory.terms_for(bound, name, memory.AS_PUBLISHED, DIMENSIONS) for name in AGAINST
    }
    limits = ", ".join(f"{terms:.0f} against {name}" for name, terms in needed.items() if terms)
    lost = [
        codec.label for name, codec in memory.DENSE.items() if all(c.reduction < 0 for c in cells if c.dense == name)
    ]
    return [
        f"The plainest postings (32-bit numbers, 16-bit weights) reach {bound:.0%} with at most this many terms: "
        f"{limits}.",
        f"Whatever the sparse codec, the dense index is the smaller one with: {'; '.join(lost) or 'no codec'}. Only "
        "measuring shows what a codec costs in nDCG.",
    ]


def measured(part: MeasuredPart, baselines: Sequence[str], bound: float) -> list[str]:
    """What a collection's measured pairs say: against the claim's baseline, and the smallest dense index as good."""
    dense, sparse = part.dense, [row.system for row in part.rows]
    first = next((system for name in baselines for system in dense if system.name == name), None)
    first = first or max(dense, key=lambda system: system.bytes)
    sentences = [f"Measured on {part.collection} against {_against(first, sparse, bound)}"]
    if first.ndcg is not None:
        as_good = [system for system in dense if system.ndcg is not None and system.ndcg >= first.ndcg - AS_GOOD]
        least = min(as_good, key=lambda system: system.bytes)
        if least is not first:
            text = _against(least, sparse, bound)
            sentences.append(f"Against the smallest dense index that ranks as well within {AS_GOOD}, {text}")
    return sentences


def _against(theirs: MeasuredSystem, sparse: Sequence[MeasuredSystem], bound: float) -> str:
    enough = [system for system in sparse if 1 - system.bytes / theirs.bytes >= bound]
    text = f"{theirs.name} ({theirs.text} a document"
    text += f", nDCG@10 {theirs.ndcg:.3f}): " if theirs.ndcg is not None else "): "
    takes = "takes" if len(enough) < 2 else "take"
    text += f"{len(enough) or 'none'} of {len(sparse)} sparse indexes {takes} at least {bound:.0%} less"
    ranked = [(system.ndcg, system.name) for system in enough if system.ndcg is not None]
    if ranked and theirs.ndcg is not None:
        ndcg, name = max(ranked, key=lambda pair: pair[0])
        text += f"; of these, {name} ranks best, nDCG@10 {ndcg - theirs.ndcg:+.3f}"
    return f"{text}."


def holding(dimensions: int, terms: float, bound: float) -> dict[str, int]:
    """The number of sparse codecs that reach the bound, by dense codec."""
    return {
        codec.label.partition(" dimensions")[0].replace(", 1 byte per", " of 1 byte per"): sum(
            memory.cell(dense, sparse, dimensions, terms).reduction >= bound for sparse in memory.SPARSE
        )
        for dense, codec in memory.DENSE.items()
    }


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
