"""What sets of numbers take at least."""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def subset_bits(sizes: NDArray[np.int64], total: int) -> float:
    """Bits of subsets of `total` things, of these sizes, where every subset is as likely: sums of log2 C(total, size).

    No code takes fewer on average, if nothing else is known of the subsets.

    Args:
        sizes: int64, each from 0 to `total`.
        total: How many things there are.
    """
    different, often = np.unique(np.asarray(sizes, np.int64), return_counts=True)
    logarithms = [lgamma(total + 1) - lgamma(size + 1) - lgamma(total - size + 1) for size in different.tolist()]
    return float(np.dot(often, logarithms) / np.log(2))
