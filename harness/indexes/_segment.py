"""A segment of the inverted index: its arrays, in memory or mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import numpy as np

from harness.indexes.files import map_array

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)
Impact: TypeAlias = "np.uint8 | np.uint16 | np.float32"
Impacts: TypeAlias = "NDArray[Impact]"
SPARE = 7
"""Bytes at the end of `gaps` and of `scales`, so that 64 bits can be read from any entry."""
SPREAD = 63
"""Bytes at the end of 8-bit impacts, so that 64 of them can be read from any entry."""
DTYPES: dict[str, type[Impact]] = {"u4": np.uint8, "u8": np.uint8, "u16": np.uint16, "float32": np.float32}


class Segment(NamedTuple):
    """Postings of up to 65,536 documents, by term.

    `gaps` uint8: packed distances, or 64-bit words of a bitmap; each frequent term from a whole byte, then blocks of
    rare ones. `impacts`: one an entry, of frequent terms first; uint8 (two an element for 4 bits; for 8 bits `SPREAD`
    spare ones follow), uint16 or float32. Only terms that occur take room, in ascending order: `present` uint64 (a bit
    a term of the vocabulary) says which, `ranks` uint32 how many there are before each of its words; `often` and
    `often_ranks` say in the same way which of these are frequent, n of them. `starts` uint32 (n + 1): a frequent
    term's first entry. `offsets` uint32 (n): its first byte in `gaps`. `widths` uint8 (n): bits of a distance; 0 for a
    bitmap. `heads` uint32 (2 a block of rare terms): the block's first byte in `gaps`, and its first entry. `facts`
    uint32: what `harness.indexes._lists` numbers. `scales` uint8: what each term's scale is above the lowest one, in
    so many bits as `facts` says. A scale is the upper half of a float32; a weight is scale x impact.
    """

    gaps: NDArray[np.uint8]
    impacts: Impacts
    present: NDArray[np.uint64]
    ranks: NDArray[np.uint32]
    often: NDArray[np.uint64]
    often_ranks: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    offsets: NDArray[np.uint32]
    widths: NDArray[np.uint8]
    heads: NDArray[np.uint32]
    facts: NDArray[np.uint32]
    scales: NDArray[np.uint8]

    def frozen(self) -> Segment:
        """Read-only, like mapped ones, so that one compiled kernel serves both."""
        for array in self:
            array.flags.writeable = False
        return self


def map_segment(directory: Path, number: int, weights: str) -> Segment:
    """One segment of a saved index, mapped.

    Raises:
        UserError: As `map_array`.
    """

    def array(name: str, dtype: type[S]) -> NDArray[S]:
        return map_array(directory, f"{name}-{number}", dtype)

    return Segment(
        gaps=array("gaps", np.uint8),
        impacts=array("impacts", DTYPES[weights]),
        present=array("present", np.uint64),
        ranks=array("ranks", np.uint32),
        often=array("often", np.uint64),
        often_ranks=array("often_ranks", np.uint32),
        starts=array("starts", np.uint32),
        offsets=array("offsets", np.uint32),
        widths=array("widths", np.uint8),
        heads=array("heads", np.uint32),
        facts=array("facts", np.uint32),
        scales=array("scales", np.uint8),
    ).frozen()
