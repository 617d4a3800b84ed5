"""SEG as a numcodecs codec: for Zarr v2 arrays and whoever else takes one. Found by its entry point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray

from hwsim.codec import chunk
from hwsim.errors import CodecError


class Seg(Codec):
    """SEG chunks (hwsim.codec.chunk) of integers of 8 or 16 bits.

    As every codec of numcodecs, it takes the bytes of a buffer as they lie in memory and gives them back: an
    array in Fortran order comes back in that order, and another array is taken in C order.

    Args:
        dtype: of the values: uint8, uint16, int8 or int16, in either byte order, which is kept.
        order: k of SEG, 0 .. 15; without it every chunk takes its best one.

    Raises:
        CodecError: another dtype; also from ``encode`` and ``decode``, for data that they cannot take.
    """

    codec_id = "hwsim_seg"

    def __init__(self, dtype: Any = "uint16", order: int | None = None) -> None:
        self.dtype = chunk.as_dtype(dtype).str
        self.order = chunk.as_optional_order(order)

    def encode(self, buf: Any) -> bytes:
        """A chunk of the values of a buffer, whose bytes are read as ``dtype``.

        Raises:
            CodecError: its bytes are no whole number of values, or it is an array of another byte order.
            TypeError: it is no buffer of plain values.
        """
        found = ensure_ndarray(buf)
        self._check_byte_order(found)
        array = ensure_contiguous_ndarray(found if found.flags.forc else np.ascontiguousarray(found))
        try:
            return chunk.encode(array.view(self.dtype), self.order)
        except ValueError:
            raise CodecError(f"{array.nbytes} bytes are no whole number of {self.dtype}") from None

    def decode(self, buf: Any, out: Any = None) -> np.ndarray:
        """The values, 1-D of ``dtype``, or ``out`` filled with their bytes.

        Raises:
            CodecError: damaged data, or an ``out`` of another size or byte order, or that cannot be written.
            TypeError: either is no buffer of plain values.
        """
        values = chunk.decode(ensure_contiguous_ndarray(buf).view(np.uint8), self.dtype)
        if out is None:
            return values
        target = ensure_ndarray(out)
        if target.dtype.hasobject:
            raise TypeError("object arrays are not supported")
        self._check_byte_order(target)
        if target.nbytes != values.nbytes or not target.flags.writeable:
            raise CodecError(
                f"out must be a writeable array of {values.nbytes} bytes, as many as the chunk's, "
                f"not {'one' if target.flags.writeable else 'a read-only one'} of {target.nbytes}"
            )
        fortran = target.flags.f_contiguous and not target.flags.c_contiguous
        target[...] = values.view(target.dtype).reshape(target.shape, order="F" if fortran else "C")
        return out

    def _check_byte_order(self, array: np.ndarray) -> None:
        """Bytes of any kind may be given, but integers of this size in the other order are a mistake."""
        known = np.dtype(self.dtype)
        if array.dtype == known.newbyteorder() != known:
            raise CodecError(
                f"the array is {array.dtype.str}, the codec {self.dtype}: give Seg({array.dtype.str!r})"
            )
