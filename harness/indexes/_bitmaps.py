"""What terms with bitmaps add to scores: one loop for each kind of processor, all with the same results.

The impacts of the documents whose bits are set lie side by side. One instruction spreads them over 64 documents
(AVX-512 VBMI2), or a shuffle spreads them over eight (SSSE3, which every processor with AVX2 has, and NEON), or set
bits are visited one by one. All kernels read the same file, and all add in the same order.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from harness.compiled import compiled
from harness.indexes._bits import load_bits, ones

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

    Lowering: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]
    """Writes the instructions of an intrinsic at the place of its call."""
    Intrinsic: TypeAlias = tuple[Signature, Lowering]

Kernel: TypeAlias = Literal["expand", "shuffle", "bits"]
"""How impacts are spread: `add_expanded`, `add_shuffled` or `add_bits`."""
BYTE, WORD = ir.IntType(8), ir.IntType(64)
SHUFFLES = {"x86": "llvm.x86.ssse3.pshuf.b.128", "arm": "llvm.aarch64.neon.tbl1.v16i8"}
"""LLVM's name of the instruction that picks 16 bytes out of 16, and 0 where a byte of the pattern is 128."""
PATTERNS = [
    sum((bin(byte & ((1 << bit) - 1)).count("1") if byte >> bit & 1 else 128) << (8 * bit) for bit in range(8))
    for byte in range(256)
]
"""For each byte of a bitmap, eight bytes: how many lower bits are set where this bit is set, else 128."""


def kernel_for(machine: str, features: str) -> Kernel:
    """The fastest kernel that a processor has the instructions for.

    Args:
        machine: As ``platform.machine()`` gives it.
        features: What LLVM may use, as ``+name`` or ``-name`` with commas between.
    """
    has = {name[1:] for name in features.split(",") if name.startswith("+")}
    if "avx512vbmi2" in has:
        return "expand"
    if "ssse3" in has or machine in ("aarch64", "arm64"):  # NEON is part of every 64-bit Arm processor
        return "shuffle"
    return "bits"


KERNEL = kernel_for(platform.machine(), cpu_target.target_context.codegen().magic_tuple()[2])
"""The kernel of this processor, or of the one that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES describe."""


@intrinsic
def add_expanded(
    typing: TypingContext,
    scores: types.Type,
    first: types.Type,
    words: types.Type,
    entries: types.Type,
    factors: types.Type,
    gaps: types.Type,
    impacts: types.Type,
) -> Intrinsic:
    """Add what terms with bitmaps contribute to the scores of 64 documents from `first` on, terms in order.

    Of each term, `words` has the next byte in `gaps`, and `entries` the next one in `impacts`; both move on. The
    instruction that spreads them is vpexpandb of AVX-512 VBMI2. Scores stay in registers.
    """

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        bytes_, bits = ir.VectorType(BYTE, 64), ir.VectorType(ir.IntType(1), 64)
        kind = ir.FunctionType(bytes_, [bytes_, bytes_, bits])
        spread = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.expand.v64i8")

        def read(bitmap: ir.Value, place: ir.Value) -> list[ir.Value]:
            # Loaded whole and then spread: the form that reads only what the mask asks for is slow on AMD's processors.
            packed = builder.load(builder.bitcast(place, bytes_.as_pointer()), align=1)
            packed = builder.asm(ir.FunctionType(bytes_, [bytes_]), "", "=v,0", [packed], side_effect=False)
            return [builder.call(spread, [packed, ir.Constant(bytes_, None), builder.bitcast(bitmap, bits)])]

        _add_terms(context, builder, signature, arguments, read, 64)
        return context.get_dummy_value()

    return types.void(scores, types.int64, words, entries, factors, gaps, impacts), generate


@intrinsic
def add_shuffled(
    typing: TypingContext,
    scores: types.Type,
    first: types.Type,
    words: types.Type,
    entries: types.Type,
    factors: types.Type,
    gaps: types.Type,
    impacts: types.Type,
) -> Intrinsic:
    """Do what `add_expanded` does, eight documents at a time, by an instruction that shuffles bytes.

    A byte of the bitmap chooses one of 256 patterns, which say which impact each of eight documents has.
    """

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        whole = ir.VectorType(BYTE, 16)
        name = SHUFFLES["arm" if builder.module.triple.startswith(("aarch64", "arm64")) else "x86"]
        shuffle = cgutils.get_or_insert_function(builder.module, ir.FunctionType(whole, [whole, whole]), name)
        patterns = cgutils.global_constant(builder, "patterns", ir.Constant(ir.ArrayType(WORD, 256), PATTERNS))
        half = ir.Constant(ir.VectorType(ir.IntType(32), 8), list(range(8)))

        def vector(eight: ir.Value) -> ir.Value:
            two = ir.Constant(ir.VectorType(WORD, 2), [0, 0])
            return builder.bitcast(builder.insert_element(two, eight, ir.Constant(ir.IntType(32), 0)), whole)

        def read(bitmap: ir.Value, place: ir.Value) -> list[ir.Value]:
            parts = []
            for number in range(8):
                byte = builder.and_(builder.lshr(bitmap, ir.Constant(WORD, 8 * number)), ir.Constant(WORD, 255))
                pattern = builder.load(builder.gep(patterns, [ir.Constant(WORD, 0), byte]))
                packed = builder.load(builder.bitcast(place, WORD.as_pointer()), align=1)
                spread = builder.call(shuffle, [vector(packed), vector(pattern)])
                parts.append(builder.shuffle_vector(spread, ir.Constant(whole, ir.Undefined), half))
                place = builder.gep(place, [builder.ctpop(byte)])
            return parts

        _add_terms(context, builder, signature, arguments, read, 8)
        return context.get_dummy_value()

    return types.void(scores, types.int64, words, entries, factors, gaps, impacts), generate


def _add_terms(
    context: BaseContext,
    builder: ir.IRBuilder,
    signature: Signature,
    arguments: Sequence[ir.Value],
    read: Callable[[ir.Value, ir.Value], list[ir.Value]],
    lanes: int,
) -> None:
    """Write the loop over terms of `add_expanded`.

    `read` gets a term's bitmap and the address of its first impact. It writes what makes the impacts of 64 documents, 0
    where a document has none, as vectors of `lanes` bytes.
    """
    from numba.core import cgutils

    def array(number: int) -> ir.Value:
        return cgutils.create_struct_proxy(signature.args[number])(context, builder, value=arguments[number])

    reals = ir.VectorType(ir.FloatType(), lanes)
    room = builder.bitcast(builder.gep(array(0).data, [arguments[1]]), reals.as_pointer())
    rooms = [builder.gep(room, [ir.Constant(WORD, number)]) for number in range(64 // lanes)]
    sums = [cgutils.alloca_once_value(builder, builder.load(place, align=4)) for place in rooms]
    places, entries, factors = array(2), array(3).data, array(4).data
    gaps, impacts = array(5).data, array(6).data
    with cgutils.for_range(builder, places.nitems) as loop:
        place, entry = builder.gep(places.data, [loop.index]), builder.gep(entries, [loop.index])
        at, of = builder.load(place), builder.load(entry)
        bitmap = builder.load(builder.bitcast(builder.gep(gaps, [at]), WORD.as_pointer()), align=1)
        builder.store(builder.add(at, ir.Constant(WORD, 8)), place)
        builder.store(builder.add(of, builder.ctpop(bitmap)), entry)
        factor = builder.load(builder.gep(factors, [loop.index]))
        alone = builder.insert_element(ir.Constant(reals, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0))
        every = builder.shuffle_vector(alone, alone, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))
        for total, part in zip(sums, read(bitmap, builder.gep(impacts, [of])), strict=True):
            added = builder.fmul(builder.uitofp(part, reals), every)
            builder.store(builder.fadd(builder.load(total), added), total)
    for total, place in zip(sums, rooms, strict=True):
        builder.store(builder.load(total), place, align=4)


@compiled
def add_bits(words, entries, factors, gaps, impacts, scores):  # type: ignore[no-untyped-def]
    """Do what `add_expanded` does, for all documents and without such instructions: visit set bits one by one."""
    one = np.uint64(1)
    for term in range(len(words)):
        bit, entry, factor = words[term] << np.uint64(3), entries[term], factors[term]
        for first in range(0, len(scores), 64):
            left = load_bits(gaps, bit)
            while left:
                document = first + np.int64(ones((left & (np.uint64(0) - left)) - one))
                scores[document] += factor * np.float32(impacts[entry])
                entry += one
                left &= left - one
            bit += np.uint64(64)
