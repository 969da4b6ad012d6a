"""What encoding the collections of a spec will cost, estimated before anything is fetched or run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.shared_stages import encoder_type

if TYPE_CHECKING:
    from harness.collections.base import Sizes
    from harness.encoders.base import ModelSize
    from harness.spec.models import Part, Spec

CHARACTERS = 4.5
"""Of a token. SmolLM2's tokenizer has 4.7 on SciFact, 4.8 on MEDLINE and 5.2 on Cranfield."""


@dataclass(frozen=True)
class Cost:
    """One encoder on one collection.

    Attributes:
        encoder: Its name in the spec.
        collection: Its name in the spec.
        why: What is not known; "" where all is, and the numbers below are 0 otherwise.
        documents: Number.
        tokens: Of documents and queries as the model reads them. Means are cut and not texts, which counts too many.
        operations: Floating point operations of encoding them.
        weight_bytes: Of the model in bfloat16.
        vector_bytes: Of the documents' vectors in the store, at most.
    """

    encoder: str
    collection: str
    why: str = ""
    documents: int = 0
    tokens: float = 0.0
    operations: float = 0.0
    weight_bytes: float = 0.0
    vector_bytes: float = 0.0


def costs(spec: Spec) -> list[Cost]:
    """Every encoder of the spec that is a model, on every collection that it encodes.

    Nothing is downloaded: sizes of an mteb task are mteb's own statistics, other collections are counted.
    """
    size_of = cache(lambda name: _size(spec.collections[name]))
    pairs = {(system.encoder.name, name): system.encoder for system in spec.systems for name in system.collections}
    estimated = []
    for (encoder, collection), part in pairs.items():
        maker = encoder_type(part)
        if not maker.learned():
            continue  # no model: it counts words, or its vectors were made elsewhere
        announced = maker.announced()
        size = size_of(collection)
        if announced is None:
            estimated.append(Cost(encoder, collection, "how large the model is"))
        elif isinstance(size, str):
            estimated.append(Cost(encoder, collection, size))
        else:
            estimated.append(_cost(encoder, collection, announced, size))
    return estimated


def cost_table(costs: list[Cost], speed: float, price: float | None) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of the encoders, each over all collections whose cost is known.

    Args:
        costs: What `costs` estimated.
        speed: Floating point operations a second of the machine that encodes.
        price: Of an hour of it; None leaves that column out.
    """
    known: dict[str, list[Cost]] = {}
    for cost in costs:
        if not cost.why:
            known.setdefault(cost.encoder, []).append(cost)
    head = ["encoder", "collections", "documents", "tokens", "operations", "hours", "weights (bfloat16)", "vectors"]
    if price is not None:
        head.insert(6, "price")
    rows = []
    for encoder, parts in known.items():
        total = _total(parts)
        hours = total.operations / speed / 3600
        cells = [encoder, total.collection, f"{total.documents:,}", f"{total.tokens / 1e6:,.3g} M"]
        cells += [f"{total.operations:.2g}", f"{hours:,.3g}", *([] if price is None else [f"{hours * price:,.3g}"])]
        cells += [f"{total.weight_bytes / 1e9:,.1f} GB", f"{total.vector_bytes / 1e9:,.3g} GB"]
        rows.append(cells)
    return head, rows


def _total(known: list[Cost]) -> Cost:
    sums = {name: sum(getattr(cost, name) for cost in known) for name in ("documents", "tokens", "operations")}
    vectors = sum(cost.vector_bytes for cost in known)
    return Cost(known[0].encoder, str(len(known)), weight_bytes=known[0].weight_bytes, vector_bytes=vectors, **sums)


def _cost(encoder: str, collection: str, model: ModelSize, size: Sizes) -> Cost:
    document = _tokens(size.document_characters, model.document_length)
    query = _tokens(size.query_characters, model.query_length)
    return Cost(
        encoder,
        collection,
        documents=size.documents,
        tokens=size.documents * document + size.queries * query,
        operations=size.documents * model.flops(document) + size.queries * model.flops(query),
        weight_bytes=2.0 * model.parameters,
        vector_bytes=float(size.documents * model.vector_bytes),
    )


def _tokens(characters: float, longest: int | None) -> float:
    """Of a text, cut to what the model reads."""
    return min(characters / CHARACTERS, math.inf if longest is None else longest)


def _size(part: Part) -> Sizes | str:
    """Announced or counted; a text that says what is missing."""
    if not REGISTRIES.collections.get(part.type).has_texts(part.params):
        return "how long the texts are"
    collection = REGISTRIES.collections.get(part.type)(part.params)
    try:
        return collection.sizes() or "how large this split or subset is"
    except UserError as error:
        return error.what
