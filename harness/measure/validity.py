"""Is a model what its spec says it is? Figures and bounds, before anything is timed or scored.

A broken encoding contract gives vectors that look right and rank like noise; each check here names one such break.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.encoders.base import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from harness.encoders.base import Encoder, Probe, Role
    from harness.vectors import Vectors

TEXTS = (
    "The recipe asks for two eggs, butter and a pinch of nutmeg.",
    "Glaciers carve deep valleys as they slide toward the sea.",
    "A prime number has no divisor except one and itself.",
    "She tuned the violin before the concert began.",
    "Patients with high blood pressure should eat less salt.",
    "The court ruled that the contract had never been valid.",
    "Engineers tested the wing of the aircraft in a wind tunnel.",
    "Honey bees tell each other by dancing where flowers bloom.",
    "Inflation fell after the central bank raised interest rates.",
    "Python lists grow on their own when an element is appended, which takes constant time on average.",
    "The goalkeeper saved a penalty in the last minute of the match.",
    "Volcanic ash",
)
"""No two of them are about the same thing, and their lengths differ."""
UNDECLARED = Declared()
TOP = 10
"""Largest terms of a text whose overlap with those of another is taken."""
COSINE = {"sparse": 0.9, "dense": 0.95}
"""Largest mean cosine. States of language models all point one way: an untrained twin has .90, a short trained one
.87 and a good dense model .03; sparse models that work lie below .1, and those that a BOS ruins at .99."""
PADDING = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02, "int8": 0.02}
"""Largest difference that the order of additions may make, as a share of the largest value. It may move an
int8 input from one step to the next."""


@dataclass(frozen=True)
class Check:
    """One figure of a model with its bounds.

    Args:
        name: Short name.
        figure: Its value; NaN if it could not be computed.
        low: Smallest figure that passes; None without.
        high: Largest figure that passes; None without.
        meaning: What the figure is, and what a failure usually means.
    """

    name: str
    figure: float
    low: float | None
    high: float | None
    meaning: str

    @property
    def passed(self) -> bool:
        """Whether the figure lies within its bounds; NaN does not."""
        low, high = self.low, self.high
        return (low is None or self.figure >= low) and (high is None or self.figure <= high)

    @property
    def text(self) -> str:
        """Figure and bounds."""
        bounds = [f"at least {self.low:g}"] if self.low is not None else []
        bounds += [f"at most {self.high:g}"] if self.high is not None else []
        return f"{self.figure:.3g} ({' and '.join(bounds)})"


def check_encoder(encoder: Encoder, declared: Declared = UNDECLARED, texts: Sequence[str] = TEXTS) -> list[Check]:
    """Check a learned encoder.

    Args:
        encoder: Ready.
        declared: What the spec says of the model; where it says nothing, the settings of the model count.
        texts: Unrelated, of different lengths.

    Returns:
        All checks that apply to this encoder; the first alone if its vectors are not finite. Where queries pass a
        model of their own, the checks of its side end in ", queries".
    """
    inside = encoder.probe()
    sides = [_Side("document", "", encoder.encode_documents, inside)]
    if inside is not None and inside.queries is not None:
        sides.append(_Side("query", ", queries", encoder.encode_queries, inside.queries))
    batches = [side.encode(texts) for side in sides]
    queries = batches[-1] if len(sides) > 1 else encoder.encode_queries(texts)
    bad = sum(int(np.count_nonzero(~np.isfinite(_values(v)))) for v in (batches[0], queries))
    finite = Check(
        "values not finite",
        bad,
        None,
        0,
        "NaN or infinite values in the vectors: weights are damaged, or the dtype is too narrow (float16 overflows "
        "where bfloat16 and float32 do not).",
    )
    if bad:
        return [finite]
    checks = [finite]
    for side, batch in zip(sides, batches, strict=True):
        for check in _of_side(encoder, side, batch, declared, texts, only=len(sides) == 1):
            checks.append(replace(check, name=f"{check.name}{side.suffix}"))
    return checks


@dataclass(frozen=True)
class _Side:
    """What encodes the texts of one role.

    Args:
        role: Of the texts.
        suffix: Of the names of its checks.
        encode: Texts to vectors.
        inside: A look inside it.
    """

    role: Role
    suffix: str
    encode: Callable[[Sequence[str]], Vectors]
    inside: Probe | None


def _of_side(
    encoder: Encoder, side: _Side, batch: Vectors, declared: Declared, texts: Sequence[str], *, only: bool
) -> Iterator[Check]:
    """The checks of one side; `only` says that it encodes the texts of both roles."""
    inside = side.inside
    if inside is not None:
        # The spec speaks of the model that encodes documents; a query side of its own knows itself.
        of_spec = declared if side.role == "document" else UNDECLARED
        roles: tuple[Role, ...] = ("document", "query") if only else (side.role,)
        yield from _attention(inside, of_spec.attention or inside.attention, texts, side.role)
        wanted = inside.specials_wanted if of_spec.special_tokens is None else of_spec.special_tokens
        yield from _special_tokens(inside, wanted, texts, roles)
    loaded = declared.dtype if inside is None or inside.dtype is None else inside.dtype
    yield from _padding(side, batch, PADDING.get(loaded, max(PADDING.values())), texts)
    yield _cosine(batch, COSINE[encoder.kind])
    if encoder.kind == "sparse":
        terms = sparse.csr_matrix(batch)
        fired = np.diff(terms.indptr) if inside is None or inside.fired is None else inside.fired(texts)
        yield from _terms(terms, fired, encoder.width)


def _attention(inside: Probe, wanted: str | None, texts: Sequence[str], role: Role) -> Iterator[Check]:
    """Change the last token of a text: how far does an earlier state move?"""
    if inside.states is None or wanted is None:
        return
    ids = max((inside.ids(text, role) for text in texts), key=len)
    if len(ids) < 2:
        return
    other = next((token for text in texts for token in inside.ids(text, role) if token != ids[-1]), ids[-1])
    before, after = inside.states(ids)[:-1], inside.states([*ids[:-1], other])[:-1]
    size = np.linalg.norm(before, axis=1)
    moved = float((np.linalg.norm(after - before, axis=1) / np.maximum(size, 1e-12)).max())
    what = "how far another last token moves the states before it. "
    if wanted == "bidirectional":
        yield Check(
            "attention",
            moved,
            1e-4,
            None,
            f"{what}0 means causal attention where the spec says bidirectional: the flag was lost when the model was "
            "saved, or when an adapter was loaded (is_causal must be false in the config.json that is loaded).",
        )
    else:
        yield Check(
            "attention",
            moved,
            None,
            1e-5,
            f"{what}More than 0 means bidirectional where the spec says causal.",
        )


def _special_tokens(inside: Probe, wanted: bool | None, texts: Sequence[str], roles: Sequence[Role]) -> Iterator[Check]:
    if wanted is None:
        return
    counts = [sum(token in inside.special for token in inside.ids(text, role)) for text in texts for role in roles]
    what = "special tokens in a text. "
    if wanted:
        yield Check(
            "special tokens",
            min(counts),
            1,
            None,
            f"{what}The model wants them ([CLS], [SEP], ...): there are none.",
        )
    else:
        yield Check(
            "special tokens",
            max(counts),
            None,
            0,
            f"{what}A BOS draws all attention, its state fires the same general terms in every text, and all vectors "
            "become alike: use the tokenizer without special tokens.",
        )


def _padding(side: _Side, batch: Vectors, bound: float, texts: Sequence[str]) -> Iterator[Check]:
    inside = side.inside
    alone = _stacked([side.encode([text]) for text in texts])
    yield Check(
        "alone against in a batch",
        _difference(alone, batch),
        None,
        bound,
        "largest difference of a vector made alone and in a batch, as a share of the largest value. Padding is not "
        "masked: it takes part in attention, in the maximum or in the mean.",
    )
    if inside is not None and inside.on_left is not None:
        yield Check(
            "padding left against right",
            _difference(inside.on_left(texts), batch),
            None,
            bound,
            "the same with the padding on the left. Places are counted from the padding, or it is not masked.",
        )


def _cosine(vectors: Vectors, bound: float) -> Check:
    rows = sparse.csr_matrix(vectors, dtype=np.float64)
    size = sparse.linalg.norm(rows, axis=1)
    unit = sparse.diags_array(1 / np.maximum(size, 1e-12)) @ rows
    cosines = (unit @ unit.T).toarray()
    pairs = np.triu_indices(len(size), 1)
    return Check(
        "mean cosine of unrelated texts",
        float(cosines[pairs].mean()),
        None,
        bound,
        "near 1, all texts get the same vector: the model collapsed in training, or it reads texts otherwise than it "
        "was trained to (a BOS, missing prefixes, a wrong tokenizer, causal attention).",
    )


def _terms(vectors: sparse.csr_matrix, fired: NDArray[np.int64], width: int) -> Iterator[Check]:
    yield Check(
        "fewest active terms of a text",
        int(np.diff(vectors.indptr).min()),
        1,
        None,
        "a text without any term cannot be found: the ReLU died in training (learning rate or FLOPS weight too high).",
    )
    yield Check(
        "share of the vocabulary that fires",
        float(fired.mean() / width),
        None,
        0.5,
        "mean over texts, before the largest terms are chosen. Where most terms fire everywhere, the chosen ones are "
        "chance: the model was not trained to be sparse, needs a bias of the terms, or reads a BOS.",
    )
    tops = [
        set(row.indices[np.argsort(-row.data, kind="stable")[:TOP]])
        for row in (vectors[place] for place in range(vectors.shape[0]))
        if row.nnz
    ]
    overlaps = [len(a & b) / max(min(len(a), len(b)), 1) for a, b in combinations(tops, 2)]
    yield Check(
        "shared top terms of unrelated texts",
        float(np.mean(overlaps)) if overlaps else float("nan"),
        None,
        0.5,
        f"mean share of the {TOP} largest terms that two texts have in common. General terms lead everywhere: the "
        "model collapsed, or reads a BOS.",
    )


def _values(vectors: Vectors) -> NDArray[np.float32]:
    return np.asarray(vectors.data if sparse.issparse(vectors) else vectors)


def _stacked(parts: Sequence[Vectors]) -> Vectors:
    """Blocks of rows as one."""
    dense = [part for part in parts if isinstance(part, np.ndarray)]
    if dense:
        return np.vstack(dense)
    rows = [sparse.csr_matrix(part) for part in parts]
    return sparse.csr_matrix(sparse.vstack(rows, format="csr"))


def _difference(vectors: Vectors, expected: Vectors) -> float:
    """Largest absolute difference as a share of the largest absolute value expected; 0 where both are zero."""
    if isinstance(vectors, np.ndarray) and isinstance(expected, np.ndarray):
        gap: Vectors = vectors - expected
    else:
        gap = sparse.csr_matrix(vectors) - sparse.csr_matrix(expected)
    largest = _largest(expected)
    return _largest(gap) / largest if largest else _largest(vectors)


def _largest(vectors: Vectors) -> float:
    return float(np.abs(_values(vectors)).max(initial=0.0))
