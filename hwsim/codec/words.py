"""64-bit big-endian access to byte buffers and bit counts, for the compiled loops.

LLVM intrinsics, since plain numba has neither: a leading-zero count and a load of 8 unaligned bytes are one
instruction each. ``load`` and ``store`` check nothing: their callers keep within the buffer.
After a change here, touch the files that compile it in: numba's cache looks at a caller's own file only.
"""

from __future__ import annotations

import sys

from llvmlite import ir
from numba import njit, types, uint64
from numba.extending import intrinsic

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
VALUES = types.Array(types.uint16, 1, "C", readonly=True)
MAP = types.Array(types.uint16, 3, "C", readonly=True)
FOUND = types.UniTuple(types.int64, 3)
"""(problem, bit, values done): what a decoding loop returns."""

WINDOW_BITS = 57
"""That :func:`window` promises."""

PUT_BITS = 56
"""That :func:`put` takes at once."""

_I64 = ir.IntType(64)


@intrinsic
def leading_zeros(typingctx, word):
    """Zero bits above the highest one of a uint64; 64 for 0."""

    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


def _word_pointer(context, builder, array_type, array, byte):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [byte]), _I64.as_pointer())


def _big_endian(builder, word):
    return builder.bswap(word) if sys.byteorder == "little" else word


@intrinsic
def load(typingctx, data, byte):
    """Bytes ``byte`` .. ``byte`` + 7 of a uint8 array as a uint64, first byte on top. Unchecked."""

    def codegen(context, builder, signature, args):
        pointer = _word_pointer(context, builder, signature.args[0], *args)
        return _big_endian(builder, builder.load(pointer, align=1))

    return types.uint64(data, types.int64), codegen


@intrinsic
def store(typingctx, data, byte, word):
    """The opposite of :func:`load`. Unchecked."""

    def codegen(context, builder, signature, args):
        pointer = _word_pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(_big_endian(builder, args[2]), pointer, align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), codegen


@njit(inline="always")
def window(data, bit):
    """The bits from ``bit`` on, at the top of a uint64: 57 at least; then zeros, as past the end."""
    byte = bit >> 3
    if byte + 8 <= len(data):
        return load(data, byte) << (bit & 7)
    return _window_at_end(data, bit)


@njit(cache=True, nogil=True)
def _window_at_end(data, bit):
    word = uint64(0)
    for byte in range(bit >> 3, (bit >> 3) + 8):
        word <<= uint64(8)
        if byte < len(data):
            word |= uint64(data[byte])
    return word << (bit & 7)


@njit(inline="always")
def put(out, byte, pending, fill, code, length):
    """Write ``length`` bits, 1 .. 56, behind ``fill`` < 8 bits that ``pending`` holds at its top.

    Writes 8 bytes from ``byte`` on, whatever the length. Returns byte, pending and fill for the next call.
    """
    fill += length
    pending |= code << (64 - fill)
    store(out, byte, pending)
    return byte + (fill >> 3), pending << (fill & 56), fill & 7
