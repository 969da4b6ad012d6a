"""What a search of a two-phase index needs of memory beside the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rooms(NamedTuple):
    """What a search needs of memory, used again by the next one of the same thread."""

    query: NDArray[np.float32]
    sums: NDArray[np.float32]
    touched: NDArray[np.uint32]
    seen: NDArray[np.uint8]
    scored: NDArray[np.uint32]


def rooms_for(documents: int, terms: int) -> Rooms:
    """Room for searches among so many documents: 13 bytes each, and 4 a term."""
    return Rooms(
        query=np.zeros(terms, np.float32),
        sums=np.zeros(documents, np.float32),
        touched=np.zeros(documents, np.uint32),
        seen=np.zeros(documents, np.uint8),
        scored=np.zeros(documents, np.uint32),
    )
