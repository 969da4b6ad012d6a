"""What sets of numbers take at least."""

from __future__ import annotations

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
    from scipy.special import gammaln

    chosen = np.asarray(sizes, np.float64)
    logarithms = gammaln(total + 1.0) - gammaln(chosen + 1) - gammaln(total - chosen + 1)
    return float(np.sum(logarithms) / np.log(2))
