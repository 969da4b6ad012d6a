"""Tables of training pairs for tests."""

from harness.collections.base import Pair
from harness.collections.pair_table import FILE, PairTable, PairWriter


def written(folder, pairs):
    """A table of pairs, or of the keyword arguments of pairs, in this folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with PairWriter(folder / FILE) as writer:
        for pair in pairs:
            writer.add(pair if isinstance(pair, Pair) else Pair(**pair))
    return PairTable(folder / FILE)
