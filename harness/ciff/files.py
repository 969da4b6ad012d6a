"""CIFF, the exchange format of inverted indexes: sparse vectors to a file that other engines read, and back.

A file is a header, a list of postings a term, and a record a document: protocol buffers, each with its length before it
(Lin et al., Supporting Interoperability Between Open-Source Search Engines with the Common Index File Format, 2020).
A posting has a whole number where a weight is meant, so weights are rounded to `levels` steps of one scale.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.vectors import VectorsInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from harness.vectors import Vectors

BUDGET = 1 << 23
"""Postings held in memory at a time while writing. The documents are read once for every `BUDGET` postings."""
BLOCK = 16384
"""Documents read at a time."""
REMEDY = "export the index again; compressed files have to be unpacked first"
Field: TypeAlias = "int | float | bytes"
"""A field of a message: a whole number, a real one, or what follows its own length."""


@dataclass(frozen=True)
class Description:
    """What the header says: the number of documents; `scale` and `columns` where this project wrote the file."""

    documents: int
    scale: float | None = None
    columns: int = 0


@dataclass(frozen=True)
class PostingList:
    """A term, the documents that have it in ascending order, and a whole number for each."""

    term: str
    documents: NDArray[np.int64]
    wholes: NDArray[np.int64]


def write_ciff(
    path: Path, documents: Vectors, names: Sequence[str] | None = None, *, terms: Sequence[str] | None = None,
    levels: int = 255,
) -> float:  # fmt: skip
    """Write vectors as an inverted index; memory is bounded by `BUDGET` postings and one number a document.

    Args:
        path: The file, written anew.
        documents: CSR, documents x terms, also memory-mapped; weights finite and not negative, columns unique in a row.
        names: A document's identifier; its number where left out.
        terms: A term's text; its number where left out.
        levels: What the highest weight becomes; every weight above 0 becomes at least 1.

    Returns:
        The scale: a weight is about scale x the whole number. It is in the header's description too.

    Raises:
        UserError: The vectors are dense, or weights cannot be rounded.
    """
    if not sparse.issparse(documents):
        raise UserError("CIFF holds inverted indexes, and these vectors are dense", remedy="give sparse vectors")
    rows = documents
    lowest = highest = 0.0
    counts, lengths = np.zeros(rows.shape[1], np.int64), np.zeros(rows.shape[0], np.int64)
    for _, columns, weights in _blocks(rows):
        if len(weights) and not np.isfinite(weights).all():
            raise UserError("vectors hold NaN or infinite weights", remedy="check the encoder's dtype and weights")
        lowest, highest = min(lowest, weights.min(initial=0)), max(highest, float(weights.max(initial=0)))
        counts += np.bincount(columns[weights > 0], minlength=len(counts))
    if lowest < 0:
        raise UserError("vectors hold negative weights", remedy="CIFF stores counts: make every weight positive")
    scale = highest / levels or 1.0
    for numbers, _, weights in _blocks(rows):
        lengths += np.bincount(numbers, _whole(weights, scale, levels), len(lengths)).astype(np.int64)
    with path.open("wb") as file:
        about = f"laconic-bench: scale={scale!r} columns={rows.shape[1]}"
        _write(file, _header(int((counts > 0).sum()), lengths, about))
        for first, last in _ranges(counts):
            for term, numbers, wholes in _lists(rows, first, last, scale, levels):
                text = (terms[term] if terms is not None else str(term)).encode()
                head = _text(1, text) + _number(2, len(numbers)) + _number(3, int(wholes.sum()))
                body = _encode(np.diff(numbers, prepend=0), wholes)
                file.write(_varint(len(head) + len(body)) + head)
                file.write(body.data)
        for number, length in enumerate(lengths):
            name = (names[number] if names is not None else str(number)).encode()
            _write(file, _number(1, number) + _text(2, name) + _number(3, int(length)))
    return float(scale)


def read_ciff(path: Path, directory: Path) -> tuple[VectorsInfo, list[str]]:
    """Read an inverted index into a folder of sparse vectors (see `harness.vectors`) and ``terms.txt``.

    A term's column is its number where this project wrote the file, else its place in the file. The file is read twice;
    memory is bounded by the longest list of postings and two numbers a document.

    Args:
        path: The file.
        directory: An existing folder.

    Returns:
        What the folder holds, and the documents' identifiers.

    Raises:
        UserError: The file is truncated, damaged or no CIFF.
    """
    description = Description(0)
    lengths: NDArray[np.int64] = np.zeros(0, np.int64)
    names: list[str] = []
    texts: list[str] = []
    with path.open("rb") as file:
        for message in _messages(path, file):
            if isinstance(message, Description):
                description, lengths = message, np.zeros(message.documents, np.int64)
            elif isinstance(message, PostingList):
                texts.append(message.term)
                lengths[message.documents] += 1
            else:
                names.append(message)
    columns = _columns_of(texts, description)
    width = max(description.columns, len(texts))
    if len(columns) and not 0 <= columns.min() <= columns.max() < width:
        raise UserError("a term's number is beyond the number of terms", file=path, remedy=REMEDY)
    if len(np.unique(columns)) < len(columns):
        raise UserError("two lists of postings are of the same term", file=path, remedy=REMEDY)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    total = int(indptr[-1])
    for name in ("data.f32", "indices.i32"):
        with (directory / name).open("wb") as file:
            file.truncate(total * 4)
    if total:
        _fill(path, directory, columns, indptr, description.scale or 1.0)
    np.save(directory / "indptr.npy", indptr)
    (directory / "terms.txt").write_text("\n".join(texts), encoding="utf-8")
    info = VectorsInfo("sparse", description.documents, width, total)
    (directory / "shape.json").write_text(json.dumps(vars(info)))
    return info, names


def _columns_of(terms: Sequence[str], description: Description) -> NDArray[np.int64]:
    """The column of each term: its number where this project numbered the terms, else its place in the file."""
    if description.scale is not None:
        try:
            return np.array([int(term) for term in terms], np.int64)
        except (ValueError, OverflowError):  # this project wrote the terms' texts
            pass
    return np.arange(len(terms))


def _fill(path: Path, directory: Path, columns: NDArray[np.int64], indptr: NDArray[np.int64], scale: float) -> None:
    """Write weights and columns of all postings into the files of the folder, which have their sizes already."""
    data = np.memmap(directory / "data.f32", np.dtype("<f4"), "r+")
    indices = np.memmap(directory / "indices.i32", np.dtype("<i4"), "r+")
    cursor, order = indptr[:-1].copy(), iter(columns)
    with path.open("rb") as file:
        for message in _messages(path, file):
            if isinstance(message, PostingList):
                places = cursor[message.documents]
                data[places], indices[places] = message.wholes * np.float32(scale), next(order)
                cursor[message.documents] += 1
    if (np.diff(columns) < 0).any():
        for begin, end in pairwise(indptr):
            ascending = np.argsort(indices[begin:end])
            indices[begin:end], data[begin:end] = indices[begin:end][ascending], data[begin:end][ascending]
    data.flush()
    indices.flush()


def _blocks(
    rows: sparse.csr_matrix,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]]:
    """(documents, columns, weights) of the entries of some rows at a time."""
    for begin in range(0, rows.shape[0], BLOCK):
        ends = rows.indptr[begin : begin + BLOCK + 1]
        part = slice(int(ends[0]), int(ends[-1]))
        numbers = np.repeat(np.arange(begin, begin + len(ends) - 1), np.diff(ends))
        yield numbers, np.asarray(rows.indices[part]), np.asarray(rows.data[part])


def _whole(weights: NDArray[np.float32], scale: float, levels: int) -> NDArray[np.int64]:
    return np.where(weights > 0, np.clip(np.rint(weights / np.float64(scale)), 1, levels), 0).astype(np.int64)


def _ranges(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of terms whose postings are at most `BUDGET`, or one term that has more."""
    first = held = 0
    for term, count in enumerate(counts):
        if held and held + count > BUDGET:
            yield first, term
            first, held = term, 0
        held += int(count)
    if held:
        yield first, len(counts)


def _lists(
    rows: sparse.csr_matrix, first: int, last: int, scale: float, levels: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """(term, documents ascending, whole numbers) of the terms in a range that occur."""
    parts = []
    for numbers, columns, weights in _blocks(rows):
        inside = (columns >= first) & (columns < last) & (weights > 0)
        parts.append((columns[inside].astype(np.int32), numbers[inside].astype(np.int32), weights[inside]))
    columns = np.concatenate([part[0] for part in parts])
    numbers = np.concatenate([part[1] for part in parts])
    weights = np.concatenate([part[2] for part in parts])
    order = np.argsort(columns, kind="stable")
    begins = np.flatnonzero(np.diff(columns[order], prepend=-1))
    for begin, end in zip(begins, np.append(begins[1:], len(order)), strict=True):
        postings = order[begin:end]
        wholes = _whole(weights[postings], scale, levels)
        yield int(columns[postings[0]]), numbers[postings].astype(np.int64), wholes


def _messages(path: Path, file: BinaryIO) -> Iterator[Description | PostingList | str]:
    """The description, each list of postings, and each document's identifier."""
    from harness.ciff.wire import decode

    size = path.stat().st_size
    try:
        header = _fields(_read(file, size))
        lists, documents = _whole_number(header, 2), _whole_number(header, 3)
        if max(lists, documents) > size:
            raise ValueError("more is announced than the file has room for")
        yield _described(documents, _bytes(header, 8).decode())
        for _ in range(lists):
            term, numbers, wholes = decode(np.frombuffer(_read(file, size), np.uint8))
            if not (len(numbers) == 0 or (numbers[-1] < documents and (np.diff(numbers) > 0).all())):
                raise ValueError("document numbers do not ascend, or are too large")
            if (wholes < 1).any():
                raise ValueError("a posting counts nothing")
            yield PostingList(term.decode(), numbers, wholes)
        for number in range(documents):
            record = _fields(_read(file, size))
            if _whole_number(record, 1) != number:
                raise ValueError("documents are not in order")
            yield _bytes(record, 2).decode()
        if file.read(1):
            raise ValueError("something follows the last document")
    except (ValueError, struct.error) as error:
        raise UserError(f"not a CIFF file, or a damaged one ({error})", file=path, remedy=REMEDY) from None


def _described(documents: int, text: str) -> Description:
    match = re.fullmatch(r"laconic-bench: scale=(\S+) columns=(\d+)", text)
    if match is None:
        return Description(documents)
    scale, columns = float(match[1]), int(match[2])
    if not (0 < scale < np.inf and columns < 1 << 31):
        raise ValueError("the description's scale or number of columns is impossible")
    return Description(documents, scale, columns)


def _whole_number(fields: dict[int, Field], number: int) -> int:
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no whole number")
    return value


def _bytes(fields: dict[int, Field], number: int) -> bytes:
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is no text")
    return value


def _read(file: BinaryIO, size: int) -> bytes:
    """The next message."""
    length = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 35:
            raise ValueError("the file ends too early" if not byte else "a length is too large")
        length |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            break
    if length > size - file.tell():
        raise ValueError("the file ends too early")
    return file.read(length)


def _fields(message: bytes) -> dict[int, Field]:
    """Fields of a small message by number: int, float or bytes."""
    fields: dict[int, Field] = {}
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while place < len(message) and shift < 64:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise ValueError("a message ends too early")

    while place < len(message):
        key = number()
        if key & 7 == 0:
            fields[key >> 3] = number()
        elif key & 7 == 1:
            fields[key >> 3] = struct.unpack_from("<d", message, place)[0]
            place += 8
        elif key & 7 == 2:
            length = number()
            if length > len(message) - place:
                raise ValueError("a message ends too early")
            fields[key >> 3] = message[place : place + length]
            place += length
        else:
            raise ValueError(f"a field of kind {key & 7}")
    return fields


def _header(lists: int, lengths: NDArray[np.int64], about: str) -> bytes:
    total, documents = int(lengths.sum()), len(lengths)
    numbers = [1, lists, documents, lists, documents, total]
    fields = b"".join(_number(field, value) for field, value in enumerate(numbers, 1))
    return fields + b"\x39" + struct.pack("<d", total / max(documents, 1)) + _text(8, about.encode())


def _write(file: BinaryIO, message: bytes) -> None:
    file.write(_varint(len(message)) + message)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _text(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _encode(gaps: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.uint8]:
    from harness.ciff.wire import encode

    out = np.empty(len(gaps) * 14, np.uint8)
    return out[: encode(gaps, wholes, out)]
