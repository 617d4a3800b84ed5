"""Write a trace, one map of one image at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.trace import arrays
from hwsim.trace.header import (
    Header,
    MapInfo,
    RequantizeInfo,
    WeightsInfo,
    digest,
    dump,
    layer_path,
    map_path,
)
from hwsim.trace.journal import Journal
from hwsim.trace.store import CHECK_PLACE, ROOT, Target, Unfinished, trouble, write

if TYPE_CHECKING:
    import zarr

    from hwsim.quantize import Requantize


class TraceWriter:
    """A trace in the making; leaving its block without an error seals it.

    Args:
        place: folder, ``.zip`` file or fsspec URL.
        network, variant, synthetic, provenance, layers, images, weight_bits, metrics: see
            :class:`hwsim.trace.header.Header`. ``created_by`` is added to the provenance.
        maps: the maps that the layers read, or a mapping whose values they are.
        overwrite: whether a trace that is there already is replaced.
        unfinished: what becomes of a trace that an error or interrupt leaves unfinished: ``discard`` removes
            it, ``keep`` leaves it as ``NAME.partial``, and ``resume`` also goes on from one that was left so
            with the same header; see :attr:`images_written`. The last two take a local path.

    Raises:
        TraceError: the parts do not fit each other, or the place is taken.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        network: str,
        variant: str,
        synthetic: bool,
        provenance: Mapping[str, Any],
        layers: Iterable[Layer],
        maps: Mapping[str, MapInfo] | Iterable[MapInfo],
        images: int,
        weight_bits: int = 8,
        metrics: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        unfinished: Unfinished = "discard",
    ) -> None:
        self.title = os.fspath(place)
        try:
            self._header = Header(
                network=network,
                variant=variant,
                synthetic=synthetic,
                provenance={"created_by": f"hwsim {version('hwsim')}", **provenance},
                metrics=dict(metrics or {}),
                images=images,
                weight_bits=weight_bits,
                layers=tuple(layers),
                maps=tuple(maps.values() if isinstance(maps, Mapping) else maps),
            )
            dump(self._header)
        except ValueError as error:
            raise TraceError(f"{self.title}: {error}") from None
        self._place, self._overwrite, self._unfinished = place, overwrite, unfinished
        self._journal: Journal | None = None
        self._infos = {info.name: info for info in self._header.maps}
        self._layers = {layer.name: layer for layer in self._header.layers}
        self._crcs: dict[str, dict[int, int]] = {name: {} for name in self._infos}
        self._weights: dict[str, WeightsInfo] = {}
        self._requantize: dict[str, RequantizeInfo] = {}
        self._arrays: dict[str, zarr.Array] = {}

    def __enter__(self) -> TraceWriter:
        self._target = Target(self._place, self._overwrite, self._unfinished)
        try:
            with trouble(self.title, "writing", CHECK_PLACE):
                self._open_journal()
                self._create_maps()
        except BaseException:
            self._target.abort()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._target.abort()
            return
        try:
            self._seal()
        except BaseException:
            self._target.abort()
            raise

    @property
    def images_written(self) -> frozenset[int]:
        """Images of which every map is there, those of an earlier, interrupted writing among them."""
        return frozenset.intersection(*(frozenset(crcs) for crcs in self._crcs.values()))

    def write_map(self, name: str, image: int, codes: np.ndarray) -> None:
        """Store one map of one image: unsigned codes of shape (C, H, W).

        Raises:
            TraceError: unknown map or image, written before, or the codes do not fit the map.
        """
        if name not in self._infos:
            raise TraceError(f"{self.title} has no map {name}")
        info, codes = self._infos[name], np.asarray(codes)
        where = f"{self.title}: map {name}, image {image}"
        if not 0 <= image < self._header.images:
            raise TraceError(f"{where}: there are images 0 .. {self._header.images - 1}")
        if image in self._crcs[name]:
            raise TraceError(f"{where} is written twice")
        self._check_integers(where, codes, info.shape, 0, (1 << info.bits) - 1)
        codes = np.ascontiguousarray(codes, np.uint16)
        with trouble(where, "writing", CHECK_PLACE):
            self._arrays[name][image] = codes
        self._crcs[name][image] = arrays.crc32(codes)
        if self._journal is not None and all(image in crcs for crcs in self._crcs.values()):
            self._journal.add(image, {name: crcs[image] for name, crcs in self._crcs.items()})

    def write_weights(self, layer: Layer | str, weights: np.ndarray, scale: float | np.ndarray) -> None:
        """Store a layer's weights: integers of shape ``layer.weight_shape``; real value = integer * scale.

        ``scale`` is one number, or one for each output channel.

        Raises:
            TraceError: unknown layer, written before, or the weights do not fit.
        """
        position, layer = self._layer(layer)
        where, weights = f"{self.title}: weights of {layer.name}", np.asarray(weights)
        if layer.name in self._weights:
            raise TraceError(f"{where} are written twice")
        limit = 1 << (self._header.weight_bits - 1)
        self._check_integers(where, weights, layer.weight_shape, -limit, limit - 1)
        scales = np.asarray(scale, np.float64)
        if scales.shape not in ((), (layer.out_shape[0],)) or not (np.isfinite(scales) & (scales > 0)).all():
            raise TraceError(
                f"{where}: scale must be one finite number above 0, or one for each output channel"
            )
        weights = weights.astype(np.int16)
        dtype = "int8" if self._header.weight_bits <= 8 else "int16"
        self._write_array(position, layer, "weights", weights, dtype)
        stored = float(scales) if scales.ndim == 0 else tuple(scales.tolist())
        self._weights[layer.name] = WeightsInfo(stored, arrays.crc32(weights))

    def write_requantize(self, layer: Layer | str, requantize: Requantize) -> None:
        """Store what a layer's drain does.

        Raises:
            TraceError: unknown layer, written before, or another number of channels.
        """
        position, layer = self._layer(layer)
        where = f"{self.title}: requantize of {layer.name}"
        if layer.name in self._requantize:
            raise TraceError(f"{where} is written twice")
        if requantize.bias.shape != (layer.out_shape[0],):
            raise TraceError(f"{where} has {requantize.bias.size} channels, the layer {layer.out_shape[0]}")
        self._write_array(position, layer, "bias", requantize.bias, "int32")
        self._write_array(position, layer, "multiplier", requantize.multiplier, "int32")
        self._requantize[layer.name] = RequantizeInfo(
            requantize.shift,
            requantize.relu,
            requantize.bits,
            requantize.signed,
            requantize.order,
            arrays.crc32(requantize.bias, requantize.multiplier),
        )

    def _open_journal(self) -> None:
        """Begin a journal, or take up the one that is there; none for a trace that is not kept unfinished."""
        if self._unfinished == "discard":
            return
        self._journal = Journal(self._target.partial)
        if not self._target.resumed:
            self._journal.begin(digest(self._header))
            return
        self._journal.take_up(digest(self._header))
        for image, crcs in self._journal.images.items():
            for name, crc in crcs.items():
                self._crcs[name][image] = crc

    def _create_maps(self) -> None:
        store = self._target.store
        for group in ("maps", "layers"):
            arrays.create_group(store, group)
        for position, info in enumerate(self._header.maps):
            shape = (self._header.images, *info.shape)
            path = map_path(position, info.name)
            self._arrays[info.name] = arrays.create(
                store, path, shape, "uint16", arrays.map_chunk(info.shape)
            )
        for position, layer in enumerate(self._header.layers):
            arrays.create_group(store, layer_path(position, layer.name))

    def _layer(self, layer: Layer | str) -> tuple[int, Layer]:
        name = layer if isinstance(layer, str) else layer.name
        if name not in self._layers:
            raise TraceError(f"{self.title} has no layer {name}")
        return list(self._layers).index(name), self._layers[name]

    def _write_array(self, position: int, layer: Layer, name: str, values: np.ndarray, dtype: str) -> None:
        with trouble(self.title, f"writing {name} of {layer.name}", CHECK_PLACE):
            path = f"{layer_path(position, layer.name)}/{name}"
            array = arrays.create(self._target.store, path, values.shape, dtype, values.shape)
            array[...] = values.astype(dtype)

    @staticmethod
    def _check_integers(where: str, values: np.ndarray, shape: tuple[int, ...], low: int, high: int) -> None:
        if values.shape != shape or values.dtype.kind not in "ui":
            raise TraceError(f"{where} must be integers of shape {shape}, not {values.dtype} {values.shape}")
        if values.min() < low or values.max() > high:
            raise TraceError(f"{where} must be within {low} .. {high}, not {values.min()} .. {values.max()}")

    def _seal(self) -> None:
        for name, crcs in self._crcs.items():
            for image in range(self._header.images):
                if image not in crcs:
                    raise TraceError(
                        f"{self.title}: map {name} of image {image} was not written: write all maps"
                    )
        sealed = replace(
            self._header,
            checksums={
                name: tuple(crcs[image] for image in range(self._header.images))
                for name, crcs in self._crcs.items()
            },
            weights=self._weights,
            requantize=self._requantize,
        )
        with trouble(self.title, "sealing", CHECK_PLACE):
            write(self._target.store, ROOT, dump(sealed))
            if self._journal is not None:
                self._journal.remove()
        self._target.commit()
