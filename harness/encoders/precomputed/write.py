"""Write vectors as files that other programs read: the layout of lsr-benchmark, with numbers of columns."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Vectors


def write_side(folder: Path, name: str, vectors: Vectors, identifiers: Iterable[str]) -> None:
    """Write ``NAME-embeddings.npz`` (CSR; of dense vectors ``.npy``) and ``NAME-ids.txt`` into a new folder ``NAME``.

    Args:
        folder: An existing one.
        name: ``doc`` or ``query``.
        vectors: May be mapped; numpy writes arrays piece by piece.
        identifiers: Of the rows, without an end of a line.

    Raises:
        ValueError: An identifier has an end of a line.
    """
    target = folder / name
    target.mkdir()
    if isinstance(vectors, np.ndarray):
        with (target / f"{name}-embeddings.npy").open("wb") as file:
            npy.write_array(file, vectors, allow_pickle=False)
    else:
        shape = np.array(vectors.shape, np.int64)
        arrays: Mapping[str, NDArray[np.generic]] = {
            "indices": vectors.indices, "indptr": vectors.indptr, "format": np.array(b"csr"), "shape": shape,
            "data": vectors.data,
        }  # fmt: skip
        with zipfile.ZipFile(target / f"{name}-embeddings.npz", "w", zipfile.ZIP_STORED) as archive:
            for part, array in arrays.items():
                with archive.open(f"{part}.npy", "w", force_zip64=True) as file:
                    npy.write_array(file, array, allow_pickle=False)
    with (target / f"{name}-ids.txt").open("w", encoding="utf-8", newline="\n") as file_of_ids:
        for identifier in identifiers:
            if "\n" in identifier:
                raise ValueError(f"the identifier {identifier!r} has an end of a line")
            file_of_ids.write(f"{identifier}\n")
