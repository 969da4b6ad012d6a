"""Training pairs in one Arrow file that all processes map: none of them holds more of it than it reads just now."""

from __future__ import annotations

import mmap
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Self

import numpy as np

from harness.errors import UserError
from harness.training.examples import Examples, Pair

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray

FILE = "pairs.arrow"
"""Of a folder of prepared pairs."""
ROWS, LETTERS = 4096, 4_000_000
"""Of a block, at most: it is written once either number is reached."""
RELEASED = 16
"""Rows, or heads of blocks, after which a process gives back the pages that it read; the system's cache has them still.
A row lies in eight places, and the system maps 64 kB around each."""


def schema() -> pa.Schema:
    """A column for each field of `Pair`; texts are UTF-8, scores float64."""
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return pa.schema(
        {
            "query": pa.string(),
            "positive": pa.string(),
            "negatives": texts,
            "others": texts,
            "scores": pa.list_(pa.list_(pa.float64())),
            "symmetric": pa.bool_(),
        }
    )


class PairWriter:
    """Writes pairs one by one; a context manager. Half of a pair of surrogates, which has no UTF-8, becomes U+FFFD.

    Args:
        path: Of the file, which is made anew.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._schema = schema()
        self._file = pa.ipc.new_file(str(path), self._schema)
        self._rows: list[Pair] = []
        self._letters = self.count = 0

    def add(self, pair: Pair) -> None:
        """Write a pair."""
        self._rows.append(pair)
        self._letters += len(pair.query) + len(pair.positive) + sum(map(len, (*pair.negatives, *pair.others)))
        self.count += 1
        if len(self._rows) >= ROWS or self._letters >= LETTERS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        try:
            block = _block(self._rows, self._schema)
        except UnicodeEncodeError:
            block = _block([_repaired(pair) for pair in self._rows], self._schema)
        self._file.write_batch(pa.RecordBatch.from_arrays(block, schema=self._schema))
        self._rows, self._letters = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._rows and error is None:
            self._flush()
        self._file.close()


class PairTable(Examples):
    """The pairs of a file that `PairWriter` wrote.

    Args:
        path: Of the file.

    Raises:
        UserError: It is missing, or damaged.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._file = pa.ipc.open_file(pa.py_buffer(self._map))
            self._blocks = [self._block(number) for number in range(self._file.num_record_batches)]
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(
                f"the pairs cannot be read: {' '.join(str(error).split())[:300]}",
                file=path,
                remedy="remove the artefact; the next run makes it anew",
            ) from None
        self._ends = list(accumulate(len(block) for block in self._blocks))
        self._read = 0

    def _block(self, number: int) -> pa.RecordBatch:
        if number % RELEASED == 0:
            self.release()
        return self._file.get_batch(number)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, place: int) -> Pair:
        """See `Examples`."""
        number = bisect_right(self._ends, place)
        block = self._blocks[number]
        at = place - self._ends[number] + len(block)
        query, positive, negatives, others, scores, symmetric = (column[at].as_py() for column in block.columns)
        self._read += 1
        if self._read % RELEASED == 0:
            self.release()
        taught = tuple(tuple(teacher) for teacher in scores)
        return Pair(query, positive, tuple(negatives), tuple(others), taught, symmetric)

    def release(self) -> None:
        """Give back the pages that were read, where the system can: what a process holds does not grow with them."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def sharing(self, texts: Collection[str]) -> NDArray[np.bool_]:
        """See `Examples`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(sorted(texts), pa.string())

        def of(block: pa.RecordBatch) -> NDArray[np.bool_]:
            mask: NDArray[np.bool_] = np.zeros(len(block), np.bool_)
            for name in ("query", "positive"):
                mask |= pc.is_in(block.column(name), value_set=wanted).to_numpy(zero_copy_only=False)
            others = block.column("others")
            rows = pc.list_parent_indices(others).filter(pc.is_in(pc.list_flatten(others), value_set=wanted))
            mask[rows.to_numpy(zero_copy_only=False)] = True
            return mask

        return self._by_block(map(of, self._blocks))

    def with_negatives(self) -> NDArray[np.bool_]:
        """See `Examples`."""
        import pyarrow.compute as pc

        lengths = (pc.list_value_length(block.column("negatives")) for block in self._blocks)
        return self._by_block(length.to_numpy(zero_copy_only=False) > 0 for length in lengths)

    def _by_block(self, masks: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        whole = np.empty(len(self), np.bool_)
        for end, mask in zip(self._ends, masks, strict=True):
            whole[end - len(mask) : end] = mask
            self.release()
        return whole


def _block(rows: list[Pair], columns: pa.Schema) -> list[pa.Array]:
    import pyarrow as pa

    return [pa.array([pair[number] for pair in rows], field.type) for number, field in enumerate(columns)]


def _repaired(pair: Pair) -> Pair:
    def text(given: str) -> str:
        return given.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    negatives, others = (tuple(map(text, given)) for given in (pair.negatives, pair.others))
    return pair._replace(query=text(pair.query), positive=text(pair.positive), negatives=negatives, others=others)
