"""Rows as FAISS takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.vectors import Vectors


def checked_rows(rows: Vectors, engine: str, width: int | None = None, *, what: str = "vectors") -> NDArray[np.float32]:
    """Dense rows as FAISS takes them: float32 in C order; a copy only where they are not.

    Args:
        rows: Vectors or queries.
        engine: Its name in specs.
        width: Dimensions that the rows must have; None for any.
        what: How a message calls the rows.

    Raises:
        UserError: They are sparse, have another width, or hold NaN or infinite values.
    """
    if not isinstance(rows, np.ndarray):
        raise UserError(
            f"{engine} takes dense {what}, found sparse ones", remedy="use a sparse engine, such as inverted"
        )
    if width is not None and rows.shape[1] != width:
        raise UserError(f"{what} have {rows.shape[1]} dimensions, the index {width}")
    dense = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(dense).all():
        raise UserError(f"{what} hold NaN or infinite values", remedy="check the encoder's dtype and weights")
    return dense
