"""Read a trace, one map of one image at a time; nothing in it is trusted before it is checked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hwsim.between import Flow, Value
from hwsim.errors import NoWeightsError, TraceError
from hwsim.layer import Layer
from hwsim.quantize import Requantize
from hwsim.trace import arrays
from hwsim.trace.header import (
    HEADER_BYTES,
    Header,
    MapInfo,
    WeightsInfo,
    digest,
    end_path,
    layer_path,
    load,
    map_path,
    rows_path,
)
from hwsim.trace.shipped import locate
from hwsim.trace.source import Source, open_source
from hwsim.trace.store import ROOT, trouble


def open_trace(place: str | os.PathLike[str]) -> StoredTrace:
    """Open a trace: a folder, a zip file or an fsspec URL (``memory://``, ``s3://``, ... with their plugins).

    Where nothing lies, the name of a trace that came with the package will do: ``lenet5_digits/sparse``.

    Raises:
        TraceError: there is none, it is foreign, unfinished, damaged, or written by a newer version.
    """
    place = locate(place)
    title = os.fspath(place)
    source = open_source(place)
    try:
        with trouble(title, "reading its metadata"):
            document = source.read(ROOT, HEADER_BYTES)
            if document is None:
                if source.read(f"maps/{ROOT}", arrays.METADATA_BYTES) is not None:
                    raise TraceError(
                        f"{title} is not a whole trace, its capture was interrupted: capture it again"
                    )
                raise TraceError(f"there is no trace at {title}: give the path of a trace")
        return StoredTrace(title, source, load(document, title))
    except BaseException:
        source.close()
        raise


class StoredTrace:
    """A sealed trace, read lazily; made by :func:`open_trace`. Closing it, or its block, frees its file.

    Attributes:
        title: the path or URL as given.
        header: all that the trace says about itself.
        network, variant, synthetic, provenance, metrics, images, weight_bits, layers: see
            :class:`hwsim.trace.header.Header`.
        maps: by name; a map is listed once, whatever the number of layers that read it.
        flow: what makes the maps, for :func:`hwsim.reference.run_network`; None if that was not recorded.
        ends: by name, the values that the network ends in and that were captured beside the maps.
    """

    def __init__(self, title: str, source: Source, header: Header) -> None:
        self.title = title
        self.network: str = header.network
        self.variant: str = header.variant
        self.synthetic: bool = header.synthetic
        self.provenance: dict[str, Any] = header.provenance
        self.metrics: dict[str, Any] = header.metrics
        self.images: int = header.images
        self.weight_bits: int = header.weight_bits
        self.layers: tuple[Layer, ...] = header.layers
        self.maps: dict[str, MapInfo] = {info.name: info for info in header.maps}
        self.flow: Flow | None = header.flow
        self.ends: dict[str, Value] = header.ending
        self._source = source
        self.header = header
        self._map_numbers = {info.name: number for number, info in enumerate(header.maps)}
        self._layer_numbers = {layer.name: number for number, layer in enumerate(header.layers)}
        self._arrays: dict[str, arrays.Array] = {}

    @property
    def digest(self) -> str:
        """The same for traces of the same content, wherever they lie: a SHA-256 in hexadecimal digits."""
        return digest(self.header)

    def __enter__(self) -> StoredTrace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process opens the trace there."""
        return open_trace, (self.title,)

    def close(self) -> None:
        """Close the file or connection."""
        self._source.close()

    def map(self, name: str, image: int) -> np.ndarray:
        """Codes of a map of an image, uint16 (C, H, W).

        Raises:
            TraceError: no such map or image, or its data is missing or damaged.
        """
        if name not in self.maps:
            raise TraceError(f"{self.title} has no map {name}; it has {', '.join(self.maps)}")
        path = map_path(self._map_numbers[name], name)
        return self._codes(self.maps[name], path, f"map {name}", image)

    def end(self, name: str, image: int) -> np.ndarray:
        """Codes of what the network ends in, as the float network made it of an image, uint16 (C, H, W).

        Raises:
            TraceError: no such end or image, or its data is missing or damaged.
        """
        if name not in self.ends:
            raise TraceError(f"{self.title} has no end {name}; it has {', '.join(self.ends) or 'none'}")
        path = end_path(list(self.ends).index(name), name)
        return self._codes(self.ends[name], path, f"end {name}", image)

    def _codes(self, info: MapInfo | Value, path: str, what: str, image: int) -> np.ndarray:
        if not 0 <= image < self.images:
            raise TraceError(f"{self.title} has no image {image}; it has 0 .. {self.images - 1}")
        what = f"{what} of image {image}"
        array = self._array(arrays.map_array(path, self.images, info.shape))
        with trouble(self.title, f"reading {what}"):
            codes = array.read(self._source.read, image)
        self._check_crc(what, arrays.crc32(codes), self.header.checksums[info.name][image])
        if codes.max() >> info.bits:
            raise TraceError(
                f"{self.title}: {what} has codes of more than {info.bits} bits: capture it again"
            )
        return codes

    def row_counts(self, name: str) -> np.ndarray | None:
        """How many values of each row of a map are not zero on the calibration pictures, int64 (C, H).

        They are counted over :attr:`calibration_pictures` together, for who must not look at the picture that
        is run. None if the trace has none: it is of schema 1.

        Raises:
            TraceError: no such map, or its counts are missing or damaged.
        """
        if name not in self.maps:
            raise TraceError(f"{self.title} has no map {name}; it has {', '.join(self.maps)}")
        info = self.header.row_counts.get(name)
        if info is None:
            return None
        counts = self._read(rows_path(self._map_numbers[name], name), self.maps[name].shape[:2], "int32")
        self._check_crc(f"row counts of map {name}", arrays.crc32(counts), info.crc32)
        return counts.astype(np.int64)

    @property
    def calibration_pictures(self) -> int:
        """How many pictures the row counts are of; 0 if the trace has none."""
        return next((info.pictures for info in self.header.row_counts.values()), 0)

    def weights(self, layer: Layer | str) -> np.ndarray:
        """Weights of a layer, int16 of shape ``layer.weight_shape``.

        Raises:
            TraceError: no such layer, the trace has no weights, or they are damaged.
        """
        position, layer = self._layer(layer)
        info = self._weights_info(layer)
        dtype = "int8" if self.weight_bits <= 8 else "int16"
        weights = self._read(f"{layer_path(position, layer.name)}/weights", layer.weight_shape, dtype)
        weights = weights.astype(np.int16)
        self._check_crc(f"weights of {layer.name}", arrays.crc32(weights), info.crc32)
        return weights

    def weight_scale(self, layer: Layer | str) -> float | np.ndarray:
        """Real weight = integer * scale: one number, or float64 (M,), one for each output channel.

        Raises:
            TraceError: no such layer, or the trace has no weights.
        """
        scale = self._weights_info(self._layer(layer)[1]).scale
        return np.array(scale) if isinstance(scale, tuple) else scale

    def requantize(self, layer: Layer | str) -> Requantize:
        """What the layer's drain does.

        Raises:
            TraceError: no such layer, the trace does not have it, or it is damaged.
        """
        position, layer = self._layer(layer)
        info = self.header.requantize.get(layer.name)
        if info is None:
            raise TraceError(f"{self.title} has no requantization of {layer.name}: use a captured trace")
        path, shape = layer_path(position, layer.name), layer.out_shape[:1]
        bias, multiplier = (self._read(f"{path}/{name}", shape, "int32") for name in ("bias", "multiplier"))
        self._check_crc(f"requantize of {layer.name}", arrays.crc32(bias, multiplier), info.crc32)
        with trouble(self.title, f"requantize of {layer.name}"):
            return Requantize(
                bias, multiplier, info.shift, info.relu, info.bits, info.signed, info.order, info.clamps
            )

    def check(self) -> None:
        """Read everything and compare it with its checksums.

        Raises:
            TraceError: the first damage found.
        """
        for name in self.maps:
            for image in range(self.images):
                self.map(name, image)
            self.row_counts(name)
        for name in self.ends:
            for image in range(self.images):
                self.end(name, image)
        for layer in self.layers:
            if layer.name in self.header.weights:
                self.weights(layer)
            if layer.name in self.header.requantize:
                self.requantize(layer)

    def _layer(self, layer: Layer | str) -> tuple[int, Layer]:
        name = layer if isinstance(layer, str) else layer.name
        number = self._layer_numbers.get(name)
        if number is None:
            raise TraceError(f"{self.title} has no layer {name}")
        return number, self.layers[number]

    def _weights_info(self, layer: Layer) -> WeightsInfo:
        if layer.name not in self.header.weights:
            raise NoWeightsError(f"{self.title} has no weights of {layer.name}: use a captured trace")
        return self.header.weights[layer.name]

    def _array(self, array: arrays.Array) -> arrays.Array:
        """The array as it is stored."""
        if array.path not in self._arrays:
            self._arrays[array.path] = arrays.as_stored(array, self._source.read, self.title)
        return self._arrays[array.path]

    def _read(self, path: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        array = self._array(arrays.whole_array(path, shape, dtype))
        with trouble(self.title, f"reading {path}"):
            return array.read(self._source.read)

    def _check_crc(self, what: str, found: int, stored: int) -> None:
        if found != stored:
            raise TraceError(f"{self.title}: {what} is damaged or missing: copy or capture the trace again")
