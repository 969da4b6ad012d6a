"""Compiled loops that search the inverted index.

Nothing here knows of files or parameters; `_packing` says how postings are laid out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.extending import intrinsic

from harness.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numpy.typing import NDArray

    from harness.indexes._segment import Segment

    Lowering: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]
    """Writes the instructions of an intrinsic at the place of its call."""
    Intrinsic: TypeAlias = tuple[Signature, Lowering]
    Search: TypeAlias = Callable[
        [NDArray[np.int32], NDArray[np.float32], Segment, NDArray[np.float32], int, NDArray[np.int64], int], int
    ]
    """Columns and weights of a query, segment, room for scores, first document, keys, keys held: keys held now."""

TIDY, UNTIDY, NOT_FINITE, NEGATIVE, OUTSIDE = range(5)
GROUP = 64
"""Documents in a group: the group's highest score decides whether each of them is looked at."""


@intrinsic
def load_bits(typing: TypingContext, array: types.Type, bit: types.Type) -> Intrinsic:
    """64 bits of a byte array from the byte that holds `bit`, as uint64; the array ends in 7 spare bytes."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        place = builder.lshr(arguments[1], ir.Constant(ir.IntType(64), 3))
        pointer = builder.bitcast(builder.gep(view.data, [place]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, types.uint64), generate


@compiled
def inspect(indptr, indices, data, width):  # type: ignore[no-untyped-def]
    """Whether rows are TIDY (columns ascending, unique; weights positive, finite), or how they are not."""
    state = TIDY
    for row in range(len(indptr) - 1):
        before = -1
        for place in range(indptr[row], indptr[row + 1]):
            weight, column = data[place], indices[place]
            if not np.isfinite(weight):
                return NOT_FINITE
            if weight < 0:
                return NEGATIVE
            if column < 0 or column >= width:
                return OUTSIDE
            if weight == 0 or column <= before:
                state = UNTIDY
            before = column
    return state


@compiled
def place_of(term, present, ranks):  # type: ignore[no-untyped-def]
    """The term's place among those that occur, -1 where it does not."""
    word, bit = np.uint64(present[term >> 6]), np.uint64(term & 63)
    if not (word >> bit) & np.uint64(1):
        return -1
    below = word & ((np.uint64(1) << bit) - np.uint64(1))
    rank = np.int64(ranks[term >> 6])
    while below:
        below &= below - np.uint64(1)
        rank += 1
    return rank


@intrinsic
def ones(typing: TypingContext, word: types.Type) -> Intrinsic:
    """How many bits of a uint64 are set."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def add_spread(
    typing: TypingContext,
    scores: types.Type,
    first: types.Type,
    words: types.Type,
    entries: types.Type,
    factors: types.Type,
    gaps: types.Type,
    impacts: types.Type,
) -> Intrinsic:
    """Add to the scores of 64 documents from `first` on what the terms with bitmaps contribute, terms in order.

    Of each term, `words` has the next byte in `gaps`, and `entries` the next one in `impacts`; both move on. The
    impacts of the documents whose bits are set lie side by side: one instruction spreads them (AVX-512 VBMI2:
    vpexpandb). Scores stay in registers.
    """

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        def array(number: int) -> ir.Value:
            return cgutils.create_struct_proxy(signature.args[number])(context, builder, value=arguments[number])

        byte, word, real = ir.IntType(8), ir.IntType(64), ir.FloatType()
        bytes_, reals = ir.VectorType(byte, 64), ir.VectorType(real, 64)
        bits = ir.VectorType(ir.IntType(1), 64)
        kind = ir.FunctionType(bytes_, [bytes_, bytes_, bits])
        spread = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.expand.v64i8")
        room = builder.bitcast(builder.gep(array(0).data, [arguments[1]]), reals.as_pointer())
        sums = cgutils.alloca_once_value(builder, builder.load(room, align=4))
        places, entries_, factors_ = array(2), array(3).data, array(4).data
        gaps_, impacts_ = array(5).data, array(6).data
        with cgutils.for_range(builder, places.nitems) as loop:
            place, entry = builder.gep(places.data, [loop.index]), builder.gep(entries_, [loop.index])
            at, of = builder.load(place), builder.load(entry)
            bitmap = builder.load(builder.bitcast(builder.gep(gaps_, [at]), word.as_pointer()), align=1)
            builder.store(builder.add(at, ir.Constant(word, 8)), place)
            builder.store(builder.add(of, builder.ctpop(bitmap)), entry)
            # Loaded whole and then spread: the form that reads only what the mask asks for is slow on AMD's processors.
            packed = builder.load(builder.bitcast(builder.gep(impacts_, [of]), bytes_.as_pointer()), align=1)
            packed = builder.asm(ir.FunctionType(bytes_, [bytes_]), "", "=v,0", [packed], side_effect=False)
            read = builder.call(spread, [packed, ir.Constant(bytes_, None), builder.bitcast(bitmap, bits)])
            factor = builder.load(builder.gep(factors_, [loop.index]))
            lanes = builder.insert_element(ir.Constant(reals, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0))
            every = builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(ir.IntType(32), 64), None))
            added = builder.fmul(builder.uitofp(read, reals), every)
            builder.store(builder.fadd(builder.load(sums), added), sums)
        builder.store(builder.load(sums), room, align=4)
        return context.get_dummy_value()

    return types.void(scores, types.int64, words, entries, factors, gaps, impacts), generate


@compiled
def highest_of(as_bits, group):  # type: ignore[no-untyped-def]
    """The highest of a group's scores, as bits."""
    top = np.int32(0)
    for document in range(group * GROUP, group * GROUP + GROUP):
        top = max(top, as_bits[document])
    return top


@compiled
def eighths(as_bits):  # type: ignore[no-untyped-def]
    """The highest of each eighth of a group: of its documents whose numbers leave the same rest by 8."""
    highest = np.zeros(len(as_bits) // 8, np.int32)
    for group in range(len(as_bits) // GROUP):
        for row in range(8):
            for rest in range(8):
                place = group * 8 + rest
                highest[place] = max(highest[place], as_bits[group * GROUP + row * 8 + rest])
    return highest


@compiled
def above(values, limit):  # type: ignore[no-untyped-def]
    """How many int32 values are above a limit."""
    limit, count = np.int32(limit), np.int32(0)
    for place in range(len(values)):
        count += np.int32(values[place] > limit)
    return count


@compiled
def raised(maxima, k, bound):  # type: ignore[no-untyped-def]
    """The highest bound that at least k maxima are above, by halving; the given one where fewer are above that.

    All maxima are read each time, but many at once, which takes less time than np.partition.
    """
    low = np.int64(bound)
    if above(maxima, low) < k:
        return low
    high = np.int64(maxima.max())
    while high - low > 1:
        middle = (low + high) >> 1
        count = above(maxima, middle)
        if count >= k:
            low = middle
        else:
            high = middle
        if count == k:
            break
    return low


@compiled
def select(scores, highest, base, keys, held):  # type: ignore[no-untyped-def]
    """Add the best of these positive scores to those held, and clear `scores`.

    A key is the score's bits above the complement of the document's number, so that keys in descending order are
    scores in descending order and, among equals, documents in ascending order. `keys` int64 has room for 2 k; on
    entry and on return its first `held` <= k are the best so far, in no order. Groups of documents whose maximum,
    in `highest`, cannot reach the k-th best are passed over.

    Returns:
        The number held.
    """
    as_bits, groups, k = scores.view(np.int32), len(highest), len(keys) // 2
    bound = np.int64(0)
    if held == k:
        bound = keys[:held].min() >> 32
    maxima = highest if groups >= 2 * k else eighths(as_bits)
    # k sets of documents have one at least this good, so nothing below it is among the best k.
    bound = raised(maxima, k, bound)
    for group in range(groups):
        if highest[group] <= bound:
            continue
        for document in range(group * GROUP, group * GROUP + GROUP):
            score = np.int64(as_bits[document])
            if score > bound:
                if held == len(keys):
                    keys[:k] = np.partition(keys, held - k)[held - k :]
                    held = k
                    bound = max(bound, keys[:k].min() >> 32)
                    if score <= bound:
                        continue
                keys[held] = (score << 32) | (np.int64(0xFFFFFFFF) - (base + document))
                held += 1
    if held > k:
        keys[:k] = np.partition(keys[:held], held - k)[held - k :]
        held = k
    scores[:] = 0
    return held


@compiled
def ranked(keys, held, ids, scores):  # type: ignore[no-untyped-def]
    """Write the documents of the keys held, best first, and their scores as bits, int32."""
    best = np.sort(keys[:held])
    for place in range(held):
        key = best[held - 1 - place]
        ids[place], scores[place] = 0xFFFFFFFF - (key & 0xFFFFFFFF), key >> 32


@compiled
def contribution(impacts, entry, factor, table, bits):  # type: ignore[no-untyped-def]
    """What an entry adds: from the table of all products where impacts are of 4 or 8 bits, else by multiplying."""
    if bits == 8:
        return table[np.int64(impacts[entry])]
    if bits == 4:
        pair = np.int64(impacts[entry >> np.uint64(1)])
        return table[(pair >> (np.int64(entry & np.uint64(1)) << 2)) & 15]
    return factor * np.float32(impacts[entry])


@compiled
def add_bits(first, words, entries, factors, gaps, impacts, scores):  # type: ignore[no-untyped-def]
    """What `add_spread` does, on processors without its instruction: set bits are visited one by one."""
    one = np.uint64(1)
    for term in range(len(words)):
        left = load_bits(gaps, words[term] << np.uint64(3))
        words[term] += np.uint64(8)
        while left:
            document = first + np.int64(ones((left & (np.uint64(0) - left)) - one))
            scores[document] += factors[term] * np.float32(impacts[entries[term]])
            entries[term] += one
            left &= left - one


def _searcher(bits: int, expands: bool) -> Search:
    """The search of one segment, compiled for impacts of `bits` bits: a choice inside its loop would cost a third.

    It is one function that encloses two plain values: numba finds what it compiled again, in another process, only
    where no compiled function is enclosed.
    """

    @compiled
    def search_segment(columns, weights, segment, scores, base, keys, held):  # type: ignore[no-untyped-def]
        """Score one segment's documents for one query and keep the best; see `select`.

        Every term's contribution is added to its documents in float32, terms in the order given; terms with bitmaps
        are added last, 64 documents at a time. An escape has weight 0: it moves on and adds nothing. Four distances of
        up to 14 bits are in any 64 bits that begin at the first one's byte: one load reads them all. `scores` is as
        long as a whole number of groups.
        """
        present, ranks, starts, offsets = segment.present, segment.ranks, segment.starts, segment.offsets
        widths, scales, gaps, impacts = segment.widths, segment.scales, segment.gaps, segment.impacts
        words, entries = np.empty(len(columns), np.uint64), np.empty(len(columns), np.uint64)
        factors, table, bitmaps = np.empty(len(columns), np.float32), np.empty(256, np.float32), 0
        one, two, three, four, seven = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(7)
        for place in range(len(columns)):
            term = place_of(columns[place], present, ranks)
            if term < 0:
                continue
            entry, count = np.uint64(starts[term]), np.uint64(starts[term + 1] - starts[term])
            factor = weights[place] * np.uint32(np.uint32(scales[term]) << np.uint32(16)).view(np.float32)
            width = np.uint64(widths[term])
            if bits == 8 and width == 0:
                words[bitmaps], entries[bitmaps], factors[bitmaps] = np.uint64(offsets[term]), entry, factor
                bitmaps += 1
                continue
            if bits <= 8:
                for impact in range(1 << bits):
                    table[impact] = factor * np.float32(impact)
            mask, bit, document = (one << width) - one, np.uint64(offsets[term]) << three, np.uint64(0) - one
            quads = count >> two if width <= np.uint64(14) else np.uint64(0)
            for _ in range(quads):
                read = load_bits(gaps, bit) >> (bit & seven)
                first = document + (read & mask) + one
                read >>= width
                second = first + (read & mask) + one
                read >>= width
                third = second + (read & mask) + one
                document = third + ((read >> width) & mask) + one
                scores[first] += contribution(impacts, entry, factor, table, bits)
                scores[second] += contribution(impacts, entry + one, factor, table, bits)
                scores[third] += contribution(impacts, entry + two, factor, table, bits)
                scores[document] += contribution(impacts, entry + three, factor, table, bits)
                bit += width << two
                entry += four
            for _ in range(count - (quads << two)):
                document += ((load_bits(gaps, bit) >> (bit & seven)) & mask) + one
                scores[document] += contribution(impacts, entry, factor, table, bits)
                bit += width
                entry += one
        words, entries, factors = words[:bitmaps], entries[:bitmaps], factors[:bitmaps]
        as_bits, highest = scores.view(np.int32), np.empty(len(scores) // GROUP, np.int32)
        for group in range(len(highest)):
            if bits == 8:
                if expands:
                    add_spread(scores, group * GROUP, words, entries, factors, gaps, impacts)
                else:
                    add_bits(group * GROUP, words, entries, factors, gaps, impacts, scores)
            highest[group] = highest_of(as_bits, group)
        return select(scores, highest, base, keys, held)

    kernel: Search = search_segment
    return kernel


EXPANDS = bool(get_host_cpu_features().get("avx512vbmi2"))
"""Whether one instruction spreads bytes over the set bits of a word; else they are visited one by one."""
search_segment = {bits: _searcher(bits, EXPANDS) for bits in (4, 8, 16, 32)}
"""The search of one segment by the bits of an impact."""
