"""Arrays of a trace: their Zarr v3 metadata, held against an allow-list before Zarr sees it.

A codec's name in an array's metadata makes Zarr import the code that answers to it, so an array is opened
only if every name in its metadata is one of ours.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError

from hwsim.errors import TraceError
from hwsim.trace.header import first_problem
from hwsim.trace.store import one_line, read, trouble, write

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

CHUNK_BYTES = 64 << 20  # a map above this is cut into several chunks an image, by channels
MAX_CHUNK_VALUES = 1 << 31
_COMPRESSION = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}
_CODECS = frozenset({"bytes", "zstd", "blosc", "gzip", "crc32c"})  # part of zarr itself, decode plain data


@dataclass(frozen=True)
class _Named:
    name: str
    configuration: dict[str, JsonValue]


@dataclass(frozen=True)
class _ArrayMetadata:
    """What an array's ``zarr.json`` may be."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    shape: tuple[int, ...]
    data_type: Literal["uint16", "int8", "int16", "int32"]
    chunk_grid: _Named
    chunk_key_encoding: _Named
    fill_value: int
    codecs: tuple[_Named, ...]

    def __post_init__(self) -> None:
        chunk = self.chunk_grid.configuration.get("chunk_shape")
        if self.chunk_grid.name != "regular" or not isinstance(chunk, list):
            raise ValueError("only regular chunks are read")
        sizes = [size for size in chunk if type(size) is int and size > 0]
        if not len(sizes) == len(chunk) == len(self.shape):
            raise ValueError(f"chunks of shape {chunk}")
        if math.prod(sizes) > MAX_CHUNK_VALUES:
            raise ValueError(f"chunks of more than 2^31 values, {chunk}")
        if self.chunk_key_encoding.name not in ("default", "v2"):
            raise ValueError(f"chunk keys {self.chunk_key_encoding.name!r}")
        for codec in self.codecs:
            if codec.name not in _CODECS:
                raise ValueError(f"codec {codec.name!r} is not one of {', '.join(sorted(_CODECS))}")


def create(store: Store, path: str, shape: Sequence[int], dtype: str, chunk: Sequence[int]) -> zarr.Array:
    """Make an empty array; its groups are made apart (:func:`create_group`)."""
    import zarr

    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, _COMPRESSION],
        "attributes": {},
    }
    write(store, f"{path}/zarr.json", json.dumps(metadata, indent=1).encode("ascii"))
    return zarr.open_array(store, path=path, mode="r+", zarr_format=3)


def create_group(store: Store, path: str) -> None:
    """Make a group below the root."""
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    write(store, f"{path}/zarr.json", json.dumps(metadata, indent=1).encode("ascii"))


def open_checked(store: Store, title: str, path: str, shape: Sequence[int], dtype: str) -> zarr.Array:
    """Open an array for reading, if its metadata is what it should be.

    Raises:
        TraceError: it is missing, damaged, of another shape or dtype, or asks for a codec off the list.
    """
    import zarr

    with trouble(title, f"array {path}"):
        document = read(store, f"{path}/zarr.json")
        if document is None:
            raise TraceError(f"{title}: array {path} is missing: copy or capture the trace again")
        try:
            # By way of json, which Zarr reads it with: no second reading of, say, a key that comes twice.
            metadata = _adapter().validate_json(json.dumps(json.loads(document)), strict=True)
        except ValidationError as error:
            reason = one_line(first_problem(error))
            raise TraceError(
                f"{title}: array {path} is damaged ({reason}): copy or capture the trace again"
            ) from None
        if (metadata.shape, metadata.data_type) != (tuple(shape), dtype):
            raise TraceError(
                f"{title}: array {path} is {metadata.data_type} {metadata.shape}, "
                f"not {dtype} {tuple(shape)}: copy or capture the trace again"
            )
        return zarr.open_array(store, path=path, mode="r", zarr_format=3)


@cache
def _adapter() -> TypeAdapter[_ArrayMetadata]:
    return TypeAdapter(_ArrayMetadata)


def map_chunk(shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Chunk of a map's array (images, C, H, W): one image, or as many channels as fit `CHUNK_BYTES`."""
    channels, height, width = shape
    return (1, max(1, min(channels, CHUNK_BYTES // (2 * height * width))), height, width)


def crc32(*arrays: np.ndarray[Any, Any]) -> int:
    """CRC-32 of the arrays' values, little-endian, in C order, one after the other."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data, crc)
    return crc
