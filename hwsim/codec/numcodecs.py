"""SEG as a numcodecs codec: for Zarr v2 arrays and whoever else takes one. Found by its entry point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy

from hwsim.codec import chunk
from hwsim.errors import CodecError


class Seg(Codec):
    """SEG chunks (hwsim.codec.chunk) of integers of 8 or 16 bits.

    Args:
        dtype: of the values: uint8, uint16, int8 or int16.
        order: k of SEG, 0 .. 15; without it every chunk takes its best one.

    Raises:
        CodecError: another dtype; also from ``encode`` and ``decode``, for data that they cannot take.
    """

    codec_id = "hwsim_seg"

    def __init__(self, dtype: Any = "uint16", order: int | None = None) -> None:
        self.dtype = chunk.as_dtype(dtype).name
        self.order = chunk.as_optional_order(order)

    def encode(self, buf: Any) -> bytes:
        """A chunk of the values of a buffer, whose bytes are read as ``dtype``."""
        array = ensure_contiguous_ndarray(buf)
        try:
            return chunk.encode(array.view(self.dtype), self.order)
        except ValueError:
            raise CodecError(f"{array.nbytes} bytes are no whole number of {self.dtype}") from None

    def decode(self, buf: Any, out: Any = None) -> np.ndarray:
        """The values, 1-D, or ``out`` filled with them."""
        data = ensure_contiguous_ndarray(buf).view(np.uint8)
        return ndarray_copy(chunk.decode(data, self.dtype), out)
