"""Rough logits of a head in one compiled pass, for processors with AVX2: no array of tokens x terms is ever written.

A row of the head is rounded to 8 bits with a scale of its own, a state to up to 16 with one of its own. The processor
multiplies 16-bit numbers in pairs and adds each pair to a 32-bit sum (vpmaddwd). The sums are exact, as states have so
few bits that none can overflow. Four tokens share what is read of the head, and a text reads the head once.

For a state h = h' + dh and a row w = w' + dw (h' and w' rounded), the rough logit h'w' is off by no more than
|dh| |w| + |h'| |dw| (Cauchy-Schwarz). Lengths are computed in float64. The bound of a term adds what float32 rounds:

- the exact logit's sum of n products: n 2^-24 |h| |w| at most, of which twice as much is allowed for, and for n + 2;
- the sum as a float32, both scales, and the product of the three: 2^-20 of the rough logit, five times too much;
- the bias, added to either logit: 2^-24 of the bias and of the logit each;
- numbers below the least normal one, which may become 0: n 2^-126 for either logit, less than `TINIEST`, and the least
  normal one for each length;
- the bound's own arithmetic: a thousandth of it.

States for which |h| |w| may overflow have no bound.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from harness.compiled import compiled
from harness.encoders.backbones.rough_heads import MANY, TINY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature
    from numpy.typing import NDArray

    Lowering: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]
    """Writes the instructions of an intrinsic at the place of its call."""
    Intrinsic: TypeAlias = tuple[Signature, Lowering]

LANES = 8
"""32-bit sums of a register."""
GROUP = 2 * LANES
"""Rows of the head that are multiplied together: two registers."""
TOKENS = 4
"""Tokens that share what is read of the head: with two registers of rows each, all sums stay in registers."""
ROW_STEPS = 127
"""Of a row of the head, on each side of 0."""
STATE_STEPS = 32_767
"""Of a state, at most."""
SOME = 1 << 11
"""Rows that are bounded at a time."""
PREPARED = 1 << 10
"""Rows at a time while the head is prepared: their copies in float64 take little memory."""
SUMMATION = np.float32(2.0**-23)
PRODUCT = np.float32(2.0**-20)
SPARE = np.float32(1.001)
TINIEST = 1e-33
LARGEST = 1e38
"""Product of lengths of a state and a row below which no sum of float32 products overflows."""
SCALE, NORM, LOST, BIAS, SLACK = range(5)
"""What is known of each row: step, length, length of what rounding took, bias, and what else a logit may be off by."""


def has_avx2() -> bool:
    """Whether compiled loops may use AVX2: on this processor, or on that of NUMBA_CPU_NAME and NUMBA_CPU_FEATURES."""
    return "+avx2" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")


@intrinsic(prefer_literal=True)
def add_products(
    typing: TypingContext,
    tokens: types.Type,
    packed: types.Type,
    first: types.Type,
    states: types.Type,
    token: types.Type,
    pairs: types.Type,
    sizes: types.Type,
    largest: types.Type,
) -> Intrinsic:
    """Raise `largest` of GROUP rows to their products with some states, each times the state's size.

    Args:
        typing: Numba's.
        tokens: How many states, a literal.
        packed: Rows as `_packed` lays them out.
        first: Byte of these rows.
        states: Tokens x (2 x pairs), int16, flat.
        token: Number of the first state.
        pairs: Pairs of dimensions, at least 1.
        sizes: Of each state, float32.
        largest: GROUP float32 numbers.
    """

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        byte, number, word, real = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
        sums, shorts = ir.VectorType(number, LANES), ir.VectorType(ir.IntType(16), 2 * LANES)
        reals, codes = ir.VectorType(real, LANES), ir.VectorType(byte, 2 * LANES)
        product = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(sums, [shorts, shorts]), "llvm.x86.avx2.pmadd.wd"
        )
        prefetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number]),
            "llvm.prefetch.p0",
        )

        def array(place: int) -> ir.Value:
            return cgutils.create_struct_proxy(signature.args[place])(context, builder, value=arguments[place]).data

        def everywhere(value: ir.Value, kind: ir.Type) -> ir.Value:
            alone = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(number, 0))
            return builder.shuffle_vector(alone, alone, ir.Constant(sums, None))

        count, (_, _, first, _, token, pairs, _, _) = signature.args[0].literal_value, arguments
        rows = builder.gep(array(1), [first])
        width = builder.shl(pairs, ir.Constant(word, 1))
        numbers = [builder.add(token, ir.Constant(word, more)) for more in range(count)]
        own = [builder.bitcast(builder.gep(array(3), [builder.mul(n, width)]), number.as_pointer()) for n in numbers]

        before = builder.block
        inside, behind = builder.append_basic_block("pairs"), builder.append_basic_block("products")
        builder.branch(inside)
        builder.position_at_end(inside)
        pair = builder.phi(word)
        pair.add_incoming(ir.Constant(word, 0), before)
        totals = [[builder.phi(sums), builder.phi(sums)] for _ in range(count)]
        at = builder.gep(rows, [builder.mul(pair, ir.Constant(word, 2 * GROUP))])
        # The next rows: when these are done, they lie in the cache.
        ahead = builder.gep(at, [builder.mul(pairs, ir.Constant(word, 2 * GROUP))])
        builder.call(prefetch, [ahead, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        halves = [builder.gep(at, [ir.Constant(word, GROUP * half)]) for half in (0, 1)]
        loaded = [builder.load(builder.bitcast(half, codes.as_pointer()), align=1) for half in halves]
        weights = [builder.sext(codes_of_half, shorts) for codes_of_half in loaded]
        added = []
        for state, both in zip(own, totals, strict=True):
            two = builder.bitcast(everywhere(builder.load(builder.gep(state, [pair]), align=2), sums), shorts)
            added.append([builder.add(t, builder.call(product, [w, two])) for t, w in zip(both, weights, strict=True)])
        for both, new in zip(totals, added, strict=True):
            for total, value in zip(both, new, strict=True):
                total.add_incoming(ir.Constant(sums, None), before)
                total.add_incoming(value, inside)
        following = builder.add(pair, ir.Constant(word, 1))
        pair.add_incoming(following, inside)
        builder.cbranch(builder.icmp_unsigned("<", following, pairs), inside, behind)

        builder.position_at_end(behind)
        room = builder.bitcast(array(7), reals.as_pointer())
        for half in (0, 1):
            place = builder.gep(room, [ir.Constant(word, half)])
            best = builder.load(place, align=4)
            for n, both in zip(numbers, added, strict=True):
                size = everywhere(builder.load(builder.gep(array(6), [n])), reals)
                logit = builder.fmul(builder.sitofp(both[half], reals), size)
                best = builder.select(builder.fcmp_ordered(">", logit, best), logit, best)
            builder.store(best, place, align=4)
        return context.get_dummy_value()

    return types.void(tokens, packed, types.int64, states, types.int64, types.int64, sizes, largest), generate


@compiled
def largest_products(packed, states, sizes, begin, end, largest):  # type: ignore[no-untyped-def]
    """For rows of the groups from `begin` to `end`: the largest product with a state, in steps of the row."""
    tokens, width = states.shape
    flat = states.ravel()
    best = np.empty(GROUP, np.float32)
    for group in range(begin, end):
        best[:] = -np.inf
        first, token = group * GROUP * width, 0
        while token + TOKENS <= tokens:
            add_products(4, packed, first, flat, token, width // 2, sizes, best)
            token += TOKENS
        if tokens - token == 3:
            add_products(3, packed, first, flat, token, width // 2, sizes, best)
        elif tokens - token == 2:
            add_products(2, packed, first, flat, token, width // 2, sizes, best)
        elif tokens - token == 1:
            add_products(1, packed, first, flat, token, width // 2, sizes, best)
        largest[group * GROUP : (group + 1) * GROUP] = best


@compiled
def in_steps(states, steps, even, sizes):  # type: ignore[no-untyped-def]
    """Round states to whole steps, and say how long they are.

    Args:
        states: Tokens x dimensions, float32.
        steps: On each side of 0.
        even: Tokens x at least as many dimensions, int16, zeros; gets the steps.
        sizes: Gets the size of each token's step, float32.

    Returns:
        Greatest length of what rounding took from a state, and of a state; both infinite if a number is not finite.
    """
    lost = norm = 0.0
    for token in range(states.shape[0]):
        largest = np.float32(0)
        for value in states[token]:
            if not np.isfinite(value):
                return np.inf, np.inf
            largest = max(largest, abs(value))
        size = max(np.float32(largest / steps), np.float32(TINY))
        sizes[token] = size
        off = length = 0.0
        for place in range(states.shape[1]):
            value = np.float64(states[token, place])
            step = np.rint(value / size)
            even[token, place] = np.int16(step)
            length += value * value
            off += (value - step * size) ** 2
        lost, norm = max(lost, np.sqrt(off)), max(norm, np.sqrt(length))
    return lost, norm


@compiled
def add_bounds(products, rows, first, within, reach, lows, highs):  # type: ignore[no-untyped-def]
    """Turn products in steps into the least and the greatest value that each logit may have.

    Args:
        products: Of each row with a state, the largest, as `largest_products` has them.
        rows: SCALE to SLACK x rows, float32.
        first: Row to begin with.
        within: What a row of length 1 may be off by, as states are rounded.
        reach: Greatest length of a rounded state.
        lows: Gets the least values of as many rows as it has room for.
        highs: Gets the greatest values.
    """
    scales, norms, lost, biases, slack = rows[0], rows[1], rows[2], rows[3], rows[4]
    for place in range(len(lows)):
        row = first + place
        plain = products[row] * scales[row]
        off = (norms[row] * within + lost[row] * reach + PRODUCT * abs(plain) + slack[row]) * SPARE
        logit = plain + biases[row]
        lows[place] = logit - off
        highs[place] = logit + off


@compiled
def may_be_positive(products, rows, within, reach, lows, highs, terms):  # type: ignore[no-untyped-def]
    """Bound logits, and list the rows whose logit may be positive, ascending.

    Args:
        products: As of `add_bounds`, as `rows`, `within` and `reach` are.
        rows: SCALE to SLACK x rows.
        within: See there.
        reach: See there.
        lows: Gets the least value of each row that is listed.
        highs: Gets the greatest values of these.
        terms: Gets their numbers; all three have room for one more than there are rows.

    Returns:
        How many they are, or -1 where a bound is not finite.
    """
    count, finite = 0, True
    some = np.empty((2, SOME), np.float32)
    for first in range(0, rows.shape[1], SOME):
        size = min(SOME, rows.shape[1] - first)
        add_bounds(products, rows, first, within, reach, some[0, :size], some[1, :size])
        for row in range(size):
            # Written without a branch: which rows these are cannot be foreseen.
            low, high = some[0, row], some[1, row]
            finite &= high - low < np.inf
            lows[count], highs[count], terms[count] = low, high, first + row
            count += high >= 0
    return count if finite else -1


class CompiledHead:
    """A copy of the head in int8, one scale a row.

    Args:
        head: Terms x hidden size, float32.
        bias: One for each term.
    """

    def __init__(self, head: torch.Tensor, bias: torch.Tensor | None) -> None:
        terms, hidden = head.shape
        self.terms, self.hidden = terms, hidden
        self.steps = min(STATE_STEPS, (2**31 - 1) // (ROW_STEPS * hidden))
        groups, width = -(-terms // GROUP), hidden + hidden % 2
        self.packed = np.empty(groups * GROUP * width, np.int8)
        self.rows = np.zeros((5, terms), np.float32)
        for begin in range(0, groups * GROUP, PREPARED):
            part = head[begin : begin + PREPARED].double()
            scales = (part.abs().amax(1) / ROW_STEPS).clamp(min=TINY).float()
            steps = (part / scales[:, None].double()).round_().clamp_(-ROW_STEPS, ROW_STEPS)
            of_part = self.rows[:, begin : begin + PREPARED]
            of_part[SCALE], of_part[NORM] = scales.numpy(), part.norm(dim=1).add_(TINY).numpy()
            of_part[LOST] = (part - steps * scales[:, None].double()).norm(dim=1).add_(TINY).numpy()
            rows = np.zeros((-(-len(part) // GROUP) * GROUP, width), np.int8)
            rows[: len(part), :hidden] = steps.to(torch.int8).numpy()
            self.packed[begin * width : (begin + len(rows)) * width] = _packed(rows)
        if bias is not None:
            self.rows[BIAS] = bias.detach().float().numpy()
        self.rows[SLACK] = SUMMATION * np.abs(self.rows[BIAS]) + np.float32(TINIEST)
        self.longest = float(self.rows[NORM].max(initial=0))
        self._pool: ThreadPoolExecutor | None = None

    def pays(self, tokens: int, keep: int | None) -> bool:
        """For texts of any length."""
        return True

    def candidates(
        self, states: torch.Tensor, lengths: Sequence[int], keep: int | None
    ) -> Iterator[torch.Tensor | None]:
        """As of `harness.encoders.backbones.rough_heads.Rough`."""
        for state in states.split(list(lengths)):
            rounded = self.products(state.contiguous().numpy())
            yield None if rounded is None else self._chosen(*rounded, keep)

    def products(self, states: NDArray[np.float32]) -> tuple[NDArray[np.float32], np.float32, np.float32] | None:
        """What `add_bounds` makes bounds of: products of all groups of rows, `within` and `reach`.

        Args:
            states: Tokens of a text x hidden size.

        Returns:
            None for states that have no bounds.
        """
        even = np.zeros((len(states), self.hidden + self.hidden % 2), np.int16)
        sizes = np.empty(len(states), np.float32)
        lost, norm = in_steps(states, self.steps, even, sizes)
        if not norm * self.longest < LARGEST:
            return None
        products = np.empty(len(self.packed) // even.shape[1], np.float32)
        self._multiply(even, sizes, products)
        within = lost + SUMMATION * (self.hidden + 2) * norm + TINY
        return products, np.float32(within), np.float32(norm + lost + TINY)

    def _multiply(self, even: NDArray[np.int16], sizes: NDArray[np.float32], products: NDArray[np.float32]) -> None:
        groups, threads = len(products) // GROUP, torch.get_num_threads()
        if threads == 1:
            largest_products(self.packed, even, sizes, 0, groups, products)
            return
        self._pool = self._pool or ThreadPoolExecutor(threads, "head")
        ends = [groups * part // threads for part in range(threads + 1)]
        running = [
            self._pool.submit(largest_products, self.packed, even, sizes, begin, end, products)
            for begin, end in pairwise(ends)
        ]
        for part in running:
            part.result()

    def _chosen(
        self, products: NDArray[np.float32], within: np.float32, reach: np.float32, keep: int | None
    ) -> torch.Tensor | None:
        lows, highs = np.empty(self.terms + 1, np.float32), np.empty(self.terms + 1, np.float32)
        terms = np.empty(self.terms + 1, np.int64)
        count = may_be_positive(products, self.rows, within, reach, lows, highs, terms)
        if count < 0:
            return None
        terms = terms[:count]
        if keep is not None and count > keep:
            # Where the cut is below 0, all that may be positive stay.
            at_least = np.partition(lows[:count], count - keep)[count - keep]
            terms = terms[highs[:count] >= at_least]
        return torch.from_numpy(terms) if len(terms) <= MANY * self.terms else None


def _packed(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Rows in groups of GROUP; in a group pair after pair of dimensions, in a pair row after row."""
    count, width = rows.shape
    return rows.reshape(count // GROUP, GROUP, width // 2, 2).transpose(0, 2, 1, 3).ravel()
