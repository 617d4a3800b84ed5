"""The compiled loops of fields.py: measured by benchmarks/test_codec_speed.py through their coders."""

from __future__ import annotations

from numba import njit, types, uint64

from hwsim.codec.words import BYTES, put, window

CODES = types.Array(types.uint64, 1, "C", readonly=True)


@njit(types.void(CODES, BYTES, types.uint8[::1]), cache=True, nogil=True)
def pack(codes, lengths, out):
    """Write all fields; ``out`` must be 8 bytes longer than they are."""
    byte, pending, fill = 0, uint64(0), 0
    for i in range(len(codes)):
        if lengths[i]:
            byte, pending, fill = put(out, byte, pending, fill, codes[i], types.int64(lengths[i]))


@njit(types.void(BYTES, types.int64, types.int64, types.int64[::1]), cache=True, nogil=True)
def unpack(data, bit, width, out):
    """Read fields of ``width`` bits, 1 or more, until ``out`` is full."""
    for i in range(len(out)):
        out[i] = window(data, bit) >> (64 - width)
        bit += width
