"""SEG as a Zarr v3 codec, array to bytes, found by its entry point. Any Zarr array may be stored with it:

``zarr.create_array(..., dtype="uint16", serializer=SegCodec(), compressors=None)``
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import prod
from typing import Any, Self

from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import parse_named_configuration

from hwsim.codec import chunk
from hwsim.errors import CodecError

NAME = "hwsim.seg"


@dataclass(frozen=True)
class SegCodec(ArrayBytesCodec):
    """SEG chunks (hwsim.codec.chunk) of integers of 8 or 16 bits.

    A damaged chunk raises CodecError where the damage shows; add Zarr's ``crc32c`` to be sure of every bit.

    Attributes:
        order: k of SEG, 0 .. 15; without it every chunk takes its best one.

    Raises:
        CodecError: a wrong order; also for an array of another dtype and for damaged chunks.
    """

    order: int | None = None
    is_fixed_size = False

    def __post_init__(self) -> None:
        chunk.as_optional_order(self.order)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """From the array's metadata.

        Raises:
            CodecError: an option that this codec does not have.
        """
        _, configuration = parse_named_configuration(data, NAME, require_configuration=False)
        options = configuration or {}
        if options.keys() - {"order"}:
            raise CodecError(f"codec {NAME} has the option order only, not {', '.join(sorted(options))}")
        return cls(chunk.as_optional_order(options.get("order")))

    def to_dict(self) -> dict[str, Any]:
        """For the array's metadata."""
        return {"name": NAME, "configuration": {"order": self.order}}

    def validate(self, *, shape: Any, dtype: Any, chunk_grid: Any) -> None:
        """Refuse an array that SEG cannot store, before anything is written."""
        chunk.as_dtype(dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before encoding."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(chunk.encode, chunk_data.as_numpy_array(), self.order)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        values = await asyncio.to_thread(
            chunk.decode, chunk_data.as_numpy_array(), dtype, prod(chunk_spec.shape)
        )
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values.reshape(chunk_spec.shape))
