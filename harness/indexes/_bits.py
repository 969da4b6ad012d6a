"""Instructions on 64 bits that compiled loops need and numba does not offer, the same on every processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

    Lowering: TypeAlias = Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]
    """Writes the instructions of an intrinsic at the place of its call."""
    Intrinsic: TypeAlias = tuple[Signature, Lowering]

WORD = ir.IntType(64)


def _place(
    context: BaseContext, builder: ir.IRBuilder, array: types.Type, value: ir.Value, number: ir.Value, kind: ir.Type
) -> ir.Value:
    """The address of an array's element, as one of another type."""
    from numba.core import cgutils

    view = cgutils.create_struct_proxy(array)(context, builder, value=value)
    return builder.bitcast(builder.gep(view.data, [number]), kind.as_pointer())


@intrinsic
def load_bits(typing: TypingContext, array: types.Type, bit: types.Type) -> Intrinsic:
    """64 bits of a byte array from the byte that holds `bit`, as uint64; the array ends in 7 spare bytes."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        byte = builder.lshr(arguments[1], ir.Constant(WORD, 3))
        return builder.load(_place(context, builder, signature.args[0], arguments[0], byte, WORD), align=1)

    return types.uint64(array, types.uint64), generate


@intrinsic
def ones(typing: TypingContext, word: types.Type) -> Intrinsic:
    """How many bits of a uint64 are set."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def first_one(typing: TypingContext, word: types.Type) -> Intrinsic:
    """The number of the lowest bit that is set in a uint64, of which one is."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def length(typing: TypingContext, word: types.Type) -> Intrinsic:
    """How many bits a uint64 above 0 takes: the number of its highest bit that is set, and 1."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.sub(ir.Constant(WORD, 64), builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1)))

    return types.uint64(types.uint64), generate


@intrinsic
def fetch(typing: TypingContext, array: types.Type, place: types.Type) -> Intrinsic:
    """Ask for the line of the cache that holds an element, which is not waited for."""

    def generate(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        from numba.core import cgutils

        byte, number = ir.IntType(8), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
        asked = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = _place(context, builder, signature.args[0], arguments[0], arguments[1], byte)
        builder.call(asked, [place, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate
