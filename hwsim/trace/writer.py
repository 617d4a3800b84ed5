"""Write a trace, one map of one image at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import JsonValue

from hwsim.between import Flow
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.trace import arrays
from hwsim.trace.header import (
    Header,
    MapInfo,
    RequantizeInfo,
    RowCountsInfo,
    WeightsInfo,
    digest,
    dump,
    end_path,
    layer_path,
    map_path,
    rows_path,
)
from hwsim.trace.journal import Overshoot
from hwsim.trace.provenance import CLAMPED, ClampedValues, as_json, clamped
from hwsim.trace.reader import open_trace
from hwsim.trace.source import DIRECTORY_BYTES, ENTRY_BYTES
from hwsim.trace.store import CHECK_PLACE, ROOT, local_path, trouble
from hwsim.trace.target import Unfinished, target

if TYPE_CHECKING:
    from hwsim.quantize import Requantize


class TraceWriter:
    """A trace in the making; leaving its block without an error seals it.

    Args:
        place: folder, ``.zip`` file or fsspec URL.
        network, variant, synthetic, provenance, layers, images, weight_bits, metrics, flow, ends: see
            :class:`hwsim.trace.header.Header`. ``created_by`` is added to the provenance.
        maps: the maps that the layers read, or a mapping whose values they are.
        overwrite: whether a trace that is there already is replaced.
        unfinished: what becomes of a trace that an error or interrupt leaves unfinished: ``discard`` removes
            it, ``keep`` leaves it as ``NAME.partial``, and ``resume`` also goes on from one that was left so
            with the same header; see :attr:`images_written`. The last two take a local path. A process that
            is killed leaves it whichever is given; when resuming, a trace that is there is done.

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
        flow: Flow | None = None,
        ends: Iterable[str] = (),
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
                flow=flow,
                ends=tuple(ends),
            )
            dump(self._header)
        except ValueError as error:
            raise TraceError(f"{self.title}: {error}") from None
        self._place, self._overwrite, self._unfinished = place, overwrite, unfinished
        self._infos = self._header.stored
        self._layers = {layer.name: layer for layer in self._header.layers}
        self._crcs: dict[str, dict[int, int]] = {name: {} for name in self._infos}
        self._weights: dict[str, WeightsInfo] = {}
        self._requantize: dict[str, RequantizeInfo] = {}
        self._row_counts: dict[str, RowCountsInfo] = {}
        paths = {info.name: map_path(position, info.name) for position, info in enumerate(self._header.maps)}
        paths |= {name: end_path(position, name) for position, name in enumerate(self._header.ends)}
        self._arrays = {
            name: arrays.map_array(path, images, self._infos[name].shape) for name, path in paths.items()
        }
        self._clamped: dict[int, dict[str, Overshoot]] = {}  # by image and map
        self._sealed: Header | None = None  # of a trace that is there already, when resuming
        self._check_number_of_files()

    def __enter__(self) -> TraceWriter:
        unsealed = digest(self._header)
        self._target = target(self._place, unsealed, self._overwrite, self._unfinished, self._is_whole_at)
        try:
            if not self._target.finished:
                with trouble(self.title, "writing", CHECK_PLACE):
                    self._take_up()
                    self._create_arrays()
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

    @property
    def clamped(self) -> tuple[ClampedValues, ...]:
        """The maps with values beyond their codes, as far as they are written."""
        if self._sealed is not None:
            return clamped(self._sealed.provenance)
        return tuple(
            ClampedValues(name, sum(values for values, _ in found), max(most for _, most in found))
            for name in self._infos
            if (found := [maps[name] for maps in self._clamped.values() if name in maps])
        )

    def write_map(self, name: str, image: int, codes: np.ndarray, overshoot: Overshoot | None = None) -> None:
        """Store one map, or what the network ends in, of one image: unsigned codes of shape (C, H, W).

        Args:
            name, image, codes: what is stored where.
            overshoot: how many values were clamped to these codes, and the largest of them as a multiple of
                what the largest code stands for; it goes into the provenance.

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
            self._arrays[name].write(self._target.write, codes, image)
            self._crcs[name][image] = arrays.crc32(codes)
            if overshoot is not None and overshoot[0]:
                self._clamped.setdefault(image, {})[name] = overshoot
            if all(image in crcs for crcs in self._crcs.values()):
                crcs = {name: crcs[image] for name, crcs in self._crcs.items()}
                self._target.add(image, crcs, self._clamped.get(image, {}))

    def write_row_counts(self, name: str, counts: np.ndarray, pictures: int) -> None:
        """Store how many values of each row of a map are not zero on calibration pictures.

        Args:
            name: of the map.
            counts: integers (C, H), of all pictures together.
            pictures: how many.

        Raises:
            TraceError: unknown map, written before, or the counts do not fit the map.
        """
        if name not in self._infos:
            raise TraceError(f"{self.title} has no map {name}")
        (channels, height, width), counts = self._infos[name].shape, np.asarray(counts)
        where = f"{self.title}: row counts of map {name}"
        if name in self._row_counts:
            raise TraceError(f"{where} are written twice")
        self._check_integers(where, counts, (channels, height), 0, width * pictures)
        position = list(self._infos).index(name)
        self._write_whole(where, rows_path(position, name), counts, "int32")
        self._row_counts[name] = RowCountsInfo(pictures, arrays.crc32(counts.astype(np.int32)))

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
            requantize.clamps,
        )

    def _check_number_of_files(self) -> None:
        path, images = local_path(self.title), self._header.images
        if path is not None and path.suffix.lower() == ".zip":
            keys = [key for array in self._arrays.values() for key in array.keys(images)]
            if images * sum(ENTRY_BYTES + len(key) for key in keys) > DIRECTORY_BYTES * 7 // 8:
                raise TraceError(
                    f"{self.title}: {images * len(keys)} maps are too many for a zip file: give a folder"
                )

    def _is_whole_at(self, path: Path) -> bool:
        """Whether the trace that is there has this header, and all its data are right."""
        try:
            with open_trace(path) as trace:
                sealed = trace.header
                if digest(_unsealed(sealed)) != digest(self._header):
                    return False
                trace.check()
        except TraceError:
            return False
        self._sealed = sealed
        self._crcs = {name: dict(enumerate(crcs)) for name, crcs in sealed.checksums.items()}
        return True

    def _take_up(self) -> None:
        """Go on from the images that an earlier writing noted, if their data are there."""
        keys: set[str] = set()
        for image, crcs in self._target.images.items():
            if image in range(self._header.images) and all(
                self._is_written(name, image, crcs.get(name)) for name in self._infos
            ):
                for name, array in self._arrays.items():
                    self._crcs[name][image] = crcs[name]
                    keys |= set(array.keys(image))
                self._clamped[image] = dict(self._target.clamped.get(image, {}))
        self._target.keep(keys)

    def _is_written(self, name: str, image: int, crc: int | None) -> bool:
        try:
            codes = self._arrays[name].read(self._target.read, image)
        except (RuntimeError, ValueError):
            return False
        return arrays.crc32(codes) == crc

    def _create_arrays(self) -> None:
        for group in ("maps", "layers", "rows", *(["ends"] if self._header.ends else [])):
            arrays.create_group(self._target.write, group)
        for array in self._arrays.values():
            array.create(self._target.write)
        for position, layer in enumerate(self._header.layers):
            arrays.create_group(self._target.write, layer_path(position, layer.name))

    def _layer(self, layer: Layer | str) -> tuple[int, Layer]:
        name = layer if isinstance(layer, str) else layer.name
        if name not in self._layers:
            raise TraceError(f"{self.title} has no layer {name}")
        return list(self._layers).index(name), self._layers[name]

    def _write_array(self, position: int, layer: Layer, name: str, values: np.ndarray, dtype: str) -> None:
        path = f"{layer_path(position, layer.name)}/{name}"
        self._write_whole(f"{self.title}: {name} of {layer.name}", path, values, dtype)

    def _write_whole(self, where: str, path: str, values: np.ndarray, dtype: str) -> None:
        if self._target.finished:
            return
        with trouble(where, "writing", CHECK_PLACE):
            array = arrays.whole_array(path, values.shape, dtype)
            array.create(self._target.write)
            array.write(self._target.write, values)

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
        found: dict[str, JsonValue] = {CLAMPED: as_json(self.clamped)} if self.clamped else {}
        sealed = replace(
            self._header,
            provenance=self._header.provenance | found,
            checksums={
                name: tuple(crcs[image] for image in range(self._header.images))
                for name, crcs in self._crcs.items()
            },
            weights=self._weights,
            requantize=self._requantize,
            row_counts=self._row_counts,
        )
        try:
            sealed.check_sealed()
        except ValueError as error:
            raise TraceError(f"{self.title}: {error}") from None
        if self._sealed is None:
            with trouble(self.title, "sealing", CHECK_PLACE):
                self._target.write(ROOT, dump(sealed))
        elif sealed != self._sealed:
            raise TraceError(f"{self.title} exists, with other weights: remove it or give another name")
        self._target.commit()


def _unsealed(header: Header) -> Header:
    """A header as it was before anything was written."""
    known = {name: value for name, value in header.provenance.items() if name != CLAMPED}
    return replace(header, provenance=known, checksums={}, weights={}, requantize={}, row_counts={})
