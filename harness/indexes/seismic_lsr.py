"""Seismic (package ``pyseismic-lsr``): approximate search over clustered posting lists with summaries."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Supports, register
from harness.indexes._files import seal, unseal
from harness.indexes._peers import hits, require
from harness.indexes._rows import rows_of, tidy_csr
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.vectors import Vectors

ENGINE, VERSION = "seismic", 1
WHEELS = "CPython 3.11 alone"
CLASSES = {
    "large": ("SeismicDatasetLV", "SeismicIndexLV"),
    "small": ("SeismicDataset", "SeismicIndex"),
    "dotvbyte": ("SeismicDataset", "SeismicIndexDotVByte"),
}
LABELS = {"Forward Index": "forward index", "packed_postings": "document numbers", "block_offsets": "offsets"}
LABELS |= {"summaries": "summaries", "Knn": "graph links"}
_stdout = threading.Lock()


class SeismicParams(Params):
    """Parameters of Seismic, for building and for searching."""

    variant: Literal["large", "small", "dotvbyte"] = "large"
    """Term numbers of 32 bits, of 16 bits, or of 16 bits with compressed forward index."""
    n_postings: int = Field(default=3500, ge=1)
    """Mean postings kept a term."""
    centroid_fraction: float = Field(default=0.1, gt=0, le=1)
    """Clusters a posting."""
    min_cluster_size: int = Field(default=2, ge=1)
    """Smaller clusters are dissolved."""
    summary_energy: float = Field(default=0.4, gt=0, le=1)
    """Share of a cluster's weight that its summary keeps."""
    max_fraction: float = Field(default=1.5, ge=1)
    """Longest list, in multiples of `n_postings`."""
    doc_cut: int = Field(default=15, ge=1)
    """Terms of a document that decide its cluster."""
    nknn: int = Field(default=0, ge=0)
    """Neighbours of each document in the graph; 0 for no graph."""
    query_cut: int = Field(default=10, ge=1)
    """Heaviest query terms whose lists are visited."""
    heap_factor: float = Field(default=0.7, gt=0, le=1)
    """A cluster is skipped when its summary is below the k-th score divided by this."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build."""


@register("seismic")
class Seismic(IndexBase):
    """Approximate; scores of what it finds are those of its 16-bit weights."""

    Params: ClassVar[type[Params]] = SeismicParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("float16",))
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "pyseismic-lsr", "scipy")

    def __init__(self, params: SeismicParams) -> None:
        self.params = params
        self.terms = 0
        self.index: Any = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Hand every document to Seismic's dataset, then build over it."""
        seismic = require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS)
        rows = tidy_csr(vectors)
        self.terms = int(rows.shape[1])
        if self.params.variant != "large" and len(np.unique(rows.indices)) > 1 << 16:
            raise UserError(
                "the vectors use more than 65,536 terms", key="variant", remedy='set variant = "large" for seismic'
            )
        names, classes = self._names(), CLASSES[self.params.variant]
        dataset = getattr(seismic, classes[0])()
        for number, (begin, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
            dataset.add_document(str(number), names[rows.indices[begin:end]], rows.data[begin:end])
        asked = self.params.model_dump(exclude={"variant", "query_cut", "heap_factor", "build_threads"})
        _quietly(
            lambda: setattr(
                self,
                "index",
                getattr(seismic, classes[1]).build_from_dataset(
                    dataset, num_threads=self.params.build_threads, **asked
                ),
            )
        )

    def _names(self) -> Any:
        """Terms as Seismic takes them: strings."""
        return np.arange(self.terms).astype(
            require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS).get_seismic_string()
        )

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """What Seismic finds."""
        rows = rows_of(queries, self.terms, what="queries").tidy()
        if k < 1:
            raise UserError(f"k is {k}; it must be at least 1")
        string = require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS).get_seismic_string()
        parts = [slice(a, b) for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)]
        components = [rows.indices[part].astype(string) for part in parts]
        values = [rows.data[part] for part in parts]
        more = {"k": k, "query_cut": self.params.query_cut, "heap_factor": self.params.heap_factor}
        if len(parts) == 1:
            lists = [self.index.search("0", components[0], values[0], n_knn=self.params.nknn, sorted=True, **more)]
        else:
            asked = np.arange(len(parts)).astype(string)
            lists = self.index.batch_search(
                asked, components, values, n_knn=self.params.nknn, sorted=True, num_threads=threads, **more
            )
        found: list[Any] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(parts)
        for result in lists:
            if result:
                numbers = np.array([int(name) for _, _, name in result], np.int64)
                found[int(result[0][0])] = numbers, np.array([score for _, score, _ in result], np.float32)
        return hits(found, k)

    def save(self, directory: Path) -> None:
        """Seismic's own file."""
        _quietly(lambda: self.index.save(str(directory / "index")))
        seal(directory, ENGINE, VERSION, {"params": self.params.model_dump(), "terms": self.terms})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        facts = unseal(directory, ENGINE, VERSION)
        index = cls(SeismicParams(**facts["params"]))
        index.terms = facts["terms"]
        kind = getattr(require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS), CLASSES[index.params.variant][1])
        index.index = kind.load(str(directory / "index.index.seismic"))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes in memory by Seismic's own account; its file is up to a tenth smaller."""
        text = _quietly(self.index.print_space_usage_byte)
        found = {name: int(size) for name, size in re.findall(r"(\w[\w ]*): (\d+) Bytes", text)}
        return {label: found[name] for name, label in LABELS.items() if name in found}


def _quietly(call: Callable[[], object]) -> str:
    """Run something that prints from outside Python; return what it printed."""
    with _stdout, tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        kept = os.dup(1)
        try:
            os.dup2(file.fileno(), 1)
            call()
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        return file.read().decode("utf-8", "replace")
