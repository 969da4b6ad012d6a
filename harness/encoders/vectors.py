"""Vectors that were made elsewhere: encoded on other machines, measured here."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

import numpy as np
from pydantic import model_validator

from harness.encoders import EncoderBase, EncoderTypeBase, Progress, register
from harness.encoders.precomputed.vector_files import FORMATS, NAMED, Columns, VectorFile
from harness.encoders.weights.hub_files import digest
from harness.errors import UserError
from harness.spec.params import Params
from harness.spec.paths import expanded
from harness.vectors import VectorsWriter, load_vectors, vectors_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders.base import Role
    from harness.vectors import Kind, Vectors

PLURALS: dict[Role, str] = {"document": "documents", "query": "queries"}
SHORT: dict[Role, str] = {"document": "doc", "query": "query"}
"""Names in the layout of lsr-benchmark."""
BLOCK = 4096
"""Identifiers that are compared at a time."""
TOKENS, HASHES = "tokens.json", "hashes.npy"
REMEDY = "encode the same collection, and give every document's vector with its identifier"


class VectorsParams(Params):
    """Files of vectors: a folder in the layout of lsr-benchmark, or a file for each side."""

    folder: str | None = None
    """Holds `doc/doc-embeddings.npz` (or another format), `doc/doc-ids.txt`, and the same with `query`."""
    documents: str | None = None
    """File of the documents' vectors: .npz (CSR), .npy (dense), .safetensors or .parquet (either), or .jsonl with
    {"id", "vector": {token: weight}} a line."""
    document_ids: str | None = None
    """Their identifiers, one a line; `ids.txt` beside the file where it is left out. A .parquet and a .jsonl have
    their own."""
    queries: str | None = None
    """File of the queries' vectors."""
    query_ids: str | None = None
    """Their identifiers."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        files = (self.documents, self.queries)
        if (self.folder is None) == (None in files) or (self.folder is not None and files != (None, None)):
            raise ValueError("give a folder, or files of documents and queries")
        return self

    def paths(self, role: Role) -> tuple[Path, Path]:
        """Where the vectors of a side and their identifiers lie, whether or not they are there."""
        if self.folder is not None:
            base = expanded(self.folder, "folder") / SHORT[role]
            files = [base / f"{SHORT[role]}-embeddings{suffix}" for suffix in FORMATS]
            return next((file for file in files if file.exists()), files[0]), base / f"{SHORT[role]}-ids.txt"
        names = (self.documents, self.document_ids) if role == "document" else (self.queries, self.query_ids)
        file = expanded(str(names[0]), "documents" if role == "document" else "queries")
        return file, file.with_name("ids.txt") if names[1] is None else expanded(names[1], "ids")

    def side(self, role: Role) -> VectorFile:
        """The file of a side.

        Raises:
            UserError: It is not there, or of no known format.
        """
        file, ids = self.paths(role)
        if file.suffix not in FORMATS:
            raise UserError(
                "no format of vectors", file=file, key=PLURALS[role], remedy=f"use one of {', '.join(FORMATS)}"
            )
        wanted = [file] if file.suffix in NAMED else [file, ids]
        for path in wanted:
            if not path.is_file():
                raise UserError(
                    f"there is no file of the {PLURALS[role]}", file=path, key=PLURALS[role], remedy="correct the path"
                )
        return VectorFile(file, None if file.suffix in NAMED else ids)


@register("vectors")
class SparseVectors(EncoderTypeBase):
    """Sparse vectors out of files."""

    Params: ClassVar[type[Params]] = VectorsParams
    kind: ClassVar[Kind] = "sparse"
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    params: VectorsParams

    @classmethod
    def libraries_with(cls, params: VectorsParams) -> tuple[str, ...]:
        """Besides those of the class pyarrow, where it reads a file."""
        parquet = any(params.paths(role)[0].suffix == ".parquet" for role in PLURALS)
        return (*cls.libraries, "pyarrow") if parquet else cls.libraries

    def encodes(self) -> bool:
        """No: there is no model."""
        return False

    def learned(self) -> bool:
        """There is no model to check."""
        return False

    def fingerprint(self) -> str:
        """Of all files."""
        whole = hashlib.sha256()
        for side in (self.params.side("document"), self.params.side("query")):
            for file in (side.file, side.ids):
                whole.update(f"{'' if file is None else digest(file)}\n".encode())
        return whole.hexdigest()

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Bring the files into the form that is memory-mapped; at most a block of rows is held.

        Raises:
            UserError: A file is damaged, the two sides have different widths, or an identifier is there twice.
        """
        sides: dict[Role, VectorFile] = {"document": self.params.side("document"), "query": self.params.side("query")}
        for side in sides.values():
            if side.kind() != self.kind:
                other = "dense-vectors" if self.kind == "sparse" else "vectors"
                raise UserError("these are vectors of the other kind", file=side.file, remedy=f'use type = "{other}"')
        columns = Columns()
        named = [side.names_tokens() for side in sides.values()]
        if named[0] != named[1]:
            raise UserError(
                "one side has tokens and the other has numbers of columns",
                file=sides["query"].file,
                remedy="write both sides with tokens, or both with numbers",
            )
        if named[0]:
            for side in sides.values():
                side.tokens(columns)
            (directory / TOKENS).write_text(json.dumps(list(columns), ensure_ascii=False), encoding="utf-8")
        widths = [len(columns) if named[0] else side.width() for side in sides.values()]
        if self.kind == "dense" and widths[0] != widths[1]:
            raise UserError(
                f"documents have {widths[0]} dimensions, queries {widths[1]}",
                file=sides["query"].file,
                remedy=REMEDY,
            )
        for role, side in sides.items():
            _import(directory / PLURALS[role], side, self.kind, max(*widths, 1), columns, progress)
        return {"vectors": {name: vectors_info(directory / name).rows for name in PLURALS.values()}}

    def load(self, directory: Path, *, threads: int = 1) -> StoredVectors:
        """Map what `fit` wrote."""
        return StoredVectors(directory)


@register("dense-vectors")
class DenseVectors(SparseVectors):
    """Dense vectors out of files."""

    kind: ClassVar[Kind] = "dense"


class StoredVectors(EncoderBase):
    """Rows by identifier; no text can be encoded.

    Args:
        folder: That `fit` wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        info = vectors_info(folder / "documents")
        self.kind: Kind = info.kind
        self.width = info.columns
        self._sides: dict[Role, tuple[Vectors, NDArray[np.uint64], NDArray[np.int64]]] = {}
        for role, name in PLURALS.items():
            hashes = np.load(folder / name / HASHES, allow_pickle=False)
            order = np.argsort(hashes, kind="stable")
            self._sides[role] = load_vectors(folder / name), hashes[order], order

    def rows(self, identifiers: Sequence[str], role: Role) -> Vectors:
        """Vectors of these documents or queries, in this order.

        Raises:
            UserError: Some have none.
        """
        vectors, hashes, order = self._sides[role]
        places, there = _places(identifiers, hashes)
        if not there.all():
            lacking = [name for name, present in zip(identifiers, there.tolist(), strict=True) if not present]
            raise UserError(
                f"{len(lacking)} of {len(identifiers)} {PLURALS[role]} in a row have no vector, such as {lacking[0]!r}",
                key=PLURALS[role],
                remedy=REMEDY,
            )
        chosen = vectors[order[places]]
        return np.asarray(chosen, np.float32) if self.kind == "dense" else chosen

    def match(self, identifiers: Iterable[str], role: Role) -> None:
        """Compare all identifiers of a collection with those of the vectors.

        Vectors of more queries are no mistake: queries without a relevant document are left out of a collection.

        Raises:
            UserError: Documents or queries have no vector, or vectors have no document.
        """
        _, hashes, _ = self._sides[role]
        total, lacking, example, matched = 0, 0, "", 0
        remaining = iter(identifiers)
        while block := list(islice(remaining, BLOCK)):
            _, present = _places(block, hashes)
            total, matched = total + len(block), matched + int(present.sum())
            if not present.all():
                example = example or block[int(np.argmin(present))]
                lacking += int((~present).sum())
        surplus = len(hashes) - matched if role == "document" else 0
        if lacking or surplus:
            such = f", such as {example!r}" if lacking else ""
            raise UserError(
                f"{lacking} of {total} {PLURALS[role]} have no vector{such}; "
                f"{surplus} of {len(hashes)} vectors have no {role} in the collection",
                key=PLURALS[role],
                remedy=REMEDY,
            )

    def encode_documents(self, texts: Sequence[str]) -> NoReturn:
        """Refused.

        Raises:
            UserError: Always.
        """
        raise UserError(
            "vectors that were made elsewhere belong to their own texts: no other text can be encoded",
            key="type",
            remedy="use an encoder that has its model here",
        )

    encode_queries = encode_documents

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Not known: no token of a text was counted. It is never asked for where vectors are stored."""
        self.encode_documents(texts)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Tokens where the files name them; else the numbers of the columns."""
        if self.kind == "dense":
            return []
        file = self.folder / TOKENS
        if not file.is_file():
            return [str(column) for column in columns]
        names: list[str] = json.loads(file.read_text(encoding="utf-8"))
        return [names[column] for column in columns]


def hashes_of(identifiers: Sequence[str]) -> NDArray[np.uint64]:
    """Eight bytes of each identifier's BLAKE2b. Of ten million, two are alike with a chance of 3 in a million."""
    names = (name.encode("utf-8", "surrogatepass") for name in identifiers)
    return np.frombuffer(b"".join(hashlib.blake2b(name, digest_size=8).digest() for name in names), "<u8")


def _places(identifiers: Sequence[str], hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each identifier stands in ascending hashes, and whether it is there."""
    wanted = hashes_of(identifiers)
    places = np.searchsorted(hashes, wanted)
    there = places < len(hashes)
    there[there] = hashes[places[there]] == wanted[there]
    return places, there


def _import(
    target: Path, side: VectorFile, kind: Kind, width: int, columns: Columns, progress: Progress | None
) -> None:
    target.mkdir()
    writer = VectorsWriter(target, kind, width)
    hashes = [np.zeros(0, np.uint64)]
    for ids, rows in side.blocks(width, columns):
        writer.append(rows)
        hashes.append(hashes_of(ids))
        if progress:
            progress(writer.rows, None, target.name)
    writer.close()
    joined = np.concatenate(hashes)
    twice = len(joined) - len(np.unique(joined))
    if twice:
        raise UserError(f"{twice} identifiers are there twice", file=side.file, remedy=REMEDY)
    np.save(target / HASHES, joined, allow_pickle=False)
