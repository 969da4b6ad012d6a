"""What a search of a two-phase index needs of memory beside the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rooms(NamedTuple):
    """What a search writes into, used again by the next one of the same thread."""

    query: NDArray[np.float32]
    seen: NDArray[np.uint8]
    scored: NDArray[np.uint32]


def rooms_for(documents: int, terms: int) -> Rooms:
    """Room for searches among documents: 5 bytes a document, and 4 a term."""
    return Rooms(np.zeros(terms, np.float32), np.zeros(documents, np.uint8), np.zeros(documents, np.uint32))
