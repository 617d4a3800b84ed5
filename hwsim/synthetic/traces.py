"""Synthetic traces in memory and in files."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import NoReturn
from zlib import crc32

import numpy as np

from hwsim import networks
from hwsim.codec import seg
from hwsim.errors import NetworkError, NoWeightsError, TraceError, shown
from hwsim.layer import Layer
from hwsim.networks import Network
from hwsim.synthetic.densities import Densities, map_densities
from hwsim.synthetic.fields import CHANNEL_BYTES, PEAK_BYTES, activation_map
from hwsim.trace import MapInfo, TraceWriter
from hwsim.trace.header import MAX_CHECKSUMS, MAX_VALUES

_PIXEL_BITS = 8
_WEIGHT_BITS = 8


class SyntheticTrace:
    """A synthetic trace in memory, read as any other :class:`hwsim.trace.Trace`.

    A map is made when it is first asked for, from a seed of its own: (seed, map, image). Scale and order of a
    map are chosen on one more, calibration, image.

    Args:
        network: whose geometry.
        density: of the maps, see :func:`hwsim.synthetic.map_densities`.
        seed: 0 or more; the same seed gives the same values everywhere.
        images: how many, 1 or more.
        bits: width of the values, 1 .. 16; the first layer's image has 8 at most.
        advance: called after every map that is calibrated.

    Raises:
        NetworkError: an argument that makes no sense, or a layer that is too large for a trace.
    """

    synthetic = True
    variant = "synthetic"
    weight_bits = _WEIGHT_BITS
    flow = None
    calibration_pictures = 1

    def __init__(
        self,
        network: Network,
        density: Densities = 0.5,
        seed: int = 0,
        images: int = 1,
        bits: int = 16,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        if seed < 0 or images < 1 or not 1 <= bits <= 16:
            raise NetworkError(
                f"seed must be 0 or more, images 1 or more, bits 1 .. 16; not {seed}, {images} and {bits}"
            )
        _check_sizes(network)
        self.title = f"synthetic {network.name}"
        self.network, self.layers, self.images = network.name, network.layers, images
        self._seed, self._densities = seed, map_densities(network, density)
        self.provenance = {
            "recipe": "hwsim.synthetic: made-up activation maps, not measured ones; no weights",
            "geometry": network.source,
            "seed": seed,
            "density": self._densities,
            **({"geometry_notes": list(network.notes)} if network.notes else {}),
        }
        self.metrics: dict[str, object] = {}
        image = network.layers[0].input
        self.maps: dict[str, MapInfo] = {}
        self._row_counts: dict[str, np.ndarray] = {}
        for name, shape in network.maps.items():
            width = min(bits, _PIXEL_BITS) if name == image else bits
            self.maps[name] = self._calibrate(name, shape, width)
            advance()
        self._made: dict[tuple[str, int], np.ndarray] = {}

    def map(self, name: str, image: int) -> np.ndarray:
        """Codes of a map of an image, uint16 (C, H, W); kept for the next time."""
        if (name, image) not in self._made:
            self._made[name, image] = self.make(name, image)
        return self._made[name, image]

    def make(self, name: str, image: int) -> np.ndarray:
        """As :meth:`map`, but not kept.

        Raises:
            TraceError: no such map or image.
        """
        if name not in self.maps or not 0 <= image < self.images:
            raise TraceError(f"{self.title} has no map {name} of image {image}")
        info = self.maps[name]
        return _codes(self._values(name, info.shape, image), info.scale, info.bits)

    def row_counts(self, name: str) -> np.ndarray:
        """How many values of each row of a map are not zero on the calibration image, int64 (C, H).

        Raises:
            TraceError: no such map.
        """
        if name not in self.maps:
            raise TraceError(f"{self.title} has no map {name}")
        return self._row_counts[name]

    def weights(self, layer: Layer | str) -> NoReturn:
        """There are none.

        Raises:
            TraceError: always.
        """
        raise NoWeightsError(f"{self.title} has no weights: use a captured trace for what needs them")

    weight_scale = requantize = weights

    def _values(self, name: str, shape: tuple[int, int, int], image: int) -> np.ndarray:
        """Image -1 is the one for calibration."""
        seeds = np.random.SeedSequence(self._seed, spawn_key=(crc32(name.encode()), image + 1))
        return activation_map(shape, self._densities[name], np.random.Generator(np.random.PCG64(seeds)))

    def _calibrate(self, name: str, shape: tuple[int, int, int], bits: int) -> MapInfo:
        values = self._values(name, shape, -1)
        scale = float(values.max()) / ((1 << bits) - 1) or 1.0
        codes = _codes(values, scale, bits)
        self._row_counts[name] = np.count_nonzero(codes, axis=2)
        order = seg.best_order(codes)
        return MapInfo(name, shape, bits, order, signed=False, scale=scale)


def _codes(values: np.ndarray, scale: float, bits: int) -> np.ndarray:
    """Codes, uint16; what is not zero stays so, what is too large is cut."""
    codes = values / scale
    np.rint(codes, out=codes)
    np.clip(codes, values > 0, (1 << bits) - 1, out=codes)
    return codes.astype(np.uint16)


def synthetic_trace(
    network: str | os.PathLike[str] | Network,
    density: Densities = 0.5,
    seed: int = 0,
    images: int = 1,
    bits: int = 16,
) -> SyntheticTrace:
    """A synthetic trace in memory of a network, by name, as geometry, or of a SCALE-Sim topology (``.csv``).

    Raises:
        NetworkError: an unknown network, a topology that cannot be read, or see :class:`SyntheticTrace`.
    """
    return SyntheticTrace(find_network(network), density, seed, images, bits)


def find_network(network: str | os.PathLike[str] | Network) -> Network:
    """A network by name, as geometry, or from a SCALE-Sim topology (``.csv``).

    Raises:
        NetworkError: an unknown network, or a topology that cannot be read.
    """
    if isinstance(network, Network):
        return network
    if Path(network).suffix.lower() == ".csv":
        from hwsim.networks.scalesim import read_topology

        return read_topology(network)
    return networks.get(os.fspath(network))


def peak_memory(network: Network) -> tuple[str, int]:
    """The map that takes the most memory while it is made, and how many bytes, about.

    Raises:
        NetworkError: a layer is too large for a trace.
    """
    _check_sizes(network)
    bytes_of = {
        name: PEAK_BYTES * prod(shape) + CHANNEL_BYTES * prod(shape[1:])
        for name, shape in network.maps.items()
    }
    largest = max(bytes_of, key=bytes_of.__getitem__)
    return largest, bytes_of[largest]


def _check_sizes(network: Network) -> None:
    for layer in network.layers:
        if max(map(prod, (layer.in_shape, layer.out_shape, layer.weight_shape))) > MAX_VALUES:
            raise NetworkError(
                f"layer {layer.name} has a map or weights of more than 2^31 values, the most that a trace "
                "holds: cut it into several layers"
            )


def synthesize(
    network: str | os.PathLike[str] | Network,
    path: str | os.PathLike[str],
    density: Densities = 0.5,
    seed: int = 0,
    images: int = 1,
    bits: int = 16,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Write a synthetic trace, one map at a time.

    Args:
        network: as for :func:`synthetic_trace`.
        path: of the trace: a folder, ``.zip`` file or fsspec URL.
        density, seed, images, bits: see :class:`SyntheticTrace`.
        progress: called with (maps made, maps in all), those of the calibration image among them.
        overwrite: whether a trace that is there already is replaced.
        resume: go on with a writing that was killed; what it left is also kept if this one is interrupted.

    Raises:
        NetworkError: as :func:`synthetic_trace`.
        TraceError: the trace cannot be written.
    """
    geometry = find_network(network)
    if images * len(geometry.maps) > MAX_CHECKSUMS:
        raise NetworkError(
            f"{shown(images)} images are too many: a trace has {MAX_CHECKSUMS} maps of images at most, "
            f"{MAX_CHECKSUMS // len(geometry.maps)} images of {geometry.name}"
        )
    done, total = 0, len(geometry.maps) * (1 + images)

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    trace = SyntheticTrace(geometry, density, seed, images, bits, advance)
    names = [(name, image) for image in range(images) for name in trace.maps]
    with TraceWriter(
        path,
        network=trace.network,
        variant=trace.variant,
        synthetic=True,
        provenance=trace.provenance,
        layers=trace.layers,
        maps=trace.maps,
        images=images,
        weight_bits=trace.weight_bits,
        overwrite=overwrite,
        unfinished="resume" if resume else "discard",
    ) as writer:
        for name in trace.maps:
            writer.write_row_counts(name, trace.row_counts(name), trace.calibration_pictures)
        kept = writer.images_written
        for name, image in names:
            if image not in kept:
                writer.write_map(name, image, trace.make(name, image))
            advance()
