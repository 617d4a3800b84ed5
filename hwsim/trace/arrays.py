"""Arrays of a trace as Zarr v3 keeps them: metadata and chunks, in one form.

Any Zarr reader opens them. Here they are written and read without Zarr, so that every read has a bound that
follows from the array's shape: metadata are compared with the one form, which makes nothing be looked up by
a name in them, and a chunk is expanded into as many bytes as its shape has.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd

from hwsim.errors import TraceError, one_line
from hwsim.trace.store import COPY_AGAIN, trouble

CHUNK_BYTES = 64 << 20  # a map above this is cut into several chunks an image, by channels
METADATA_BYTES = 1 << 16
LEVEL = 3
Read = Callable[[str, int], bytes | None]  # bytes of a key, that many at most; None if it is not there
Write = Callable[[str, bytes], object]


@dataclass(frozen=True)
class Array:
    """An array of a trace.

    Attributes:
        path: in the trace.
        shape: of the array.
        dtype: of its values, stored little-endian.
        indexed: by how many leading indices a part is written and read: 1 for a map, the number of the image.
        length: of a chunk along the axis behind these; a chunk has one index of each before, and all of
            those behind.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    indexed: int
    length: int

    def create(self, write: Write) -> None:
        """Write the metadata; its groups are made apart (:func:`create_group`)."""
        write(f"{self.path}/zarr.json", json.dumps(self.metadata(), indent=1).encode("ascii"))

    def write(self, write: Write, values: np.ndarray, *index: int) -> None:
        """Write the values at the leading indices; a chunk of zeros is left out."""
        for start, key in self._chunks(index):
            some = values[start : start + self.length]
            data = np.zeros(self._chunk[self.indexed :], self._stored)
            data[: len(some)] = some
            if data.any():
                write(key, Zstd(LEVEL).encode(data))

    def read(self, read: Read, *index: int) -> np.ndarray:
        """The values at the leading indices.

        Raises:
            RuntimeError, ValueError: a chunk is damaged, or holds more than its shape has.
        """
        values = np.zeros(self.shape[self.indexed :], self._stored)
        for start, key in self._chunks(index):
            some = values[start : start + self.length]
            data = some if len(some) == self.length else np.zeros(self._chunk[self.indexed :], self._stored)
            coded = read(key, data.nbytes + data.nbytes // 64 + 1024)  # Zstandard never makes more of it
            if coded is not None:
                Zstd().decode(coded, data)
                some[...] = data[: len(some)]
        return values.astype(self.dtype, copy=False)

    def keys(self, *index: int) -> list[str]:
        """Of the chunks at the leading indices."""
        return [key for _, key in self._chunks(index)]

    def _chunks(self, index: tuple[int, ...]) -> list[tuple[int, str]]:
        """Where each chunk begins along its axis, and its key."""
        behind = (0,) * (len(self.shape) - self.indexed - 1)
        return [
            (start, "/".join(map(str, (self.path, "c", *index, number, *behind))))
            for number, start in enumerate(range(0, self.shape[self.indexed], self.length))
        ]

    @property
    def _chunk(self) -> tuple[int, ...]:
        return (1,) * self.indexed + (self.length, *self.shape[self.indexed + 1 :])

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")

    def metadata(self) -> dict[str, Any]:
        """The array's ``zarr.json``."""
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self._chunk)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "zstd", "configuration": {"level": LEVEL, "checksum": False}},
            ],
            "attributes": {},
        }


def map_array(path: str, images: int, shape: tuple[int, int, int]) -> Array:
    """The array of a map (C, H, W) of all images: a chunk an image, or a chunk for some of its channels."""
    channels, height, width = shape
    length = max(1, min(channels, CHUNK_BYTES // (2 * height * width)))
    return Array(path, (images, *shape), "uint16", 1, length)


def whole_array(path: str, shape: Sequence[int], dtype: str) -> Array:
    """An array of one chunk."""
    return Array(path, tuple(shape), dtype, 0, shape[0])


def as_stored(array: Array, read: Read, title: str) -> Array:
    """The array as its metadata describe it, if they are what they should be; only its chunks may be longer
    or shorter.

    Raises:
        TraceError: it is missing, damaged, of another shape or dtype, or not as hwsim writes it.
    """
    path = array.path
    with trouble(title, f"array {path}"):
        data = read(f"{path}/zarr.json", METADATA_BYTES)
        if data is None:
            raise TraceError(f"{title}: array {path} is missing: {COPY_AGAIN}")
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        kind, shape = found.get("data_type"), found.get("shape")
        if (kind, shape) != (array.dtype, list(array.shape)):
            raise TraceError(
                f"{title}: array {path} is {one_line(kind)} {one_line(shape)}, "
                f"not {array.dtype} {list(array.shape)}: {COPY_AGAIN}"
            )
        with suppress(KeyError, IndexError, TypeError):
            length = found["chunk_grid"]["configuration"]["chunk_shape"][array.indexed]
            if type(length) is int and 0 < length <= array.shape[array.indexed]:
                array = replace(array, length=length)
        form = array.metadata()
        for name in form | found:
            if name != "attributes" and found.get(name) != form.get(name):
                found = one_line(name)
                raise TraceError(f"{title}: {found} of array {path} is not as hwsim writes it: {COPY_AGAIN}")
        return array


def create_group(write: Write, path: str) -> None:
    """Make a group below the root."""
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    write(f"{path}/zarr.json", json.dumps(metadata, indent=1).encode("ascii"))


def crc32(*arrays: np.ndarray[Any, Any]) -> int:
    """CRC-32 of the arrays' values, little-endian, in C order, one after the other."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data, crc)
    return crc
