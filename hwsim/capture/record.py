"""A network and pictures in, a trace out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

import numpy as np

from hwsim.capture.calibration import calibrate_network
from hwsim.capture.graph import RunningNetwork
from hwsim.capture.plan import Plan, plan
from hwsim.capture.preprocessing import Prepared
from hwsim.errors import CaptureError
from hwsim.quantize import code_limit, quantize_map
from hwsim.trace import MapInfo, TraceWriter
from hwsim.trace.provenance import LEFT_OUT, ClampedValues, as_json


class Pictures(Protocol):
    """Pictures as a network takes them: float32 (C, H, W) each."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Captured:
    """A capture that is done: its plan, and the maps with values beyond their codes."""

    plan: Plan
    clamped: tuple[ClampedValues, ...]


def capture(
    network: RunningNetwork,
    pictures: Pictures | Sequence[np.ndarray],
    calibration: Pictures | Sequence[np.ndarray],
    place: str | os.PathLike[str],
    *,
    bits: int = 16,
    percentile: float = 100.0,
    headroom: float = 1.0,
    variant: str = "baseline",
    provenance: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    skip_unsupported: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Captured:
    """Run a network on pictures, one at a time, and store the maps that enter its MAC layers.

    Scales and code orders are chosen on the calibration pictures alone. A capture that is interrupted leaves
    ``NAME.partial``, from which ``resume`` goes on: the calibration is done again, pictures that are there
    are not. The provenance has, as ``drain_scales``, the scales of what the layers' drains make.

    Args:
        network: what runs.
        pictures: to be measured.
        calibration: other pictures.
        place: folder or ``.zip`` file of the trace.
        bits: of the maps, 1 .. 16; weights have 8.
        percentile: of the magnitudes of a map that its largest code stands for; 100 is the maximum.
        headroom: the largest code stands for so many times that, for pictures with larger values.
        variant, provenance, metrics: of the trace; what the capture itself knows is added to the provenance.
        skip_unsupported: leave out layers that cannot be captured; their names go into the provenance.
        resume, overwrite: what to do with a part of a trace, or a trace, that is there.
        progress: called with (runs done, runs in all).

    Returns:
        What was captured, and which maps were clamped.

    Raises:
        CaptureError: the network cannot be captured, or a picture is measured and used for calibration.
        TraceError: the place cannot be written, or what is there is of another capture.
    """
    if not len(pictures):
        raise CaptureError("there is no picture to measure: give 1 or more")
    if not len(calibration):
        raise CaptureError("calibration needs 1 picture or more: see --calibrate")
    done, total = 0, 2 * len(calibration) + len(pictures)

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    example = calibration[0]
    planned = plan(network.graph(example), skip_unsupported)
    calibrated = calibrate_network(
        network,
        planned,
        _Alike(calibration, example.shape),
        bits=bits,
        percentile=percentile,
        headroom=headroom,
        advance=advance,
    )
    seen = {_digest(image) for image in _Alike(calibration, example.shape)}
    facts = {
        **network.provenance,
        "calibration_pictures": len(calibration),
        "calibration_percentile": percentile,
        "calibration_headroom": headroom,
        LEFT_OUT: as_json(planned.left_out),
        "drain_scales": {name: layer.out_scale for name, layer in calibrated.layers.items()},
        **(provenance or {}),
    }
    with TraceWriter(
        place,
        network=network.name,
        variant=variant,
        synthetic=False,
        provenance=facts,
        layers=[
            replace(known.layer, clamped=calibrated.layers[known.layer.name].requantize.clamps is not None)
            for known in planned.layers
        ],
        maps=calibrated.maps,
        images=len(pictures),
        weight_bits=calibrated.weight_bits,
        metrics=metrics,
        flow=calibrated.flow,
        ends=calibrated.ends,
        overwrite=overwrite,
        unfinished="resume" if resume else "keep",
    ) as writer:
        for name, layer in calibrated.layers.items():
            writer.write_weights(name, layer.weights, layer.scales)
            writer.write_requantize(name, layer.requantize)
        for name, counts in calibrated.row_counts.items():
            writer.write_row_counts(name, counts, len(calibration))
        wanted = {value for known in planned.maps for value in known.wanted}
        wanted |= {end.value for end in calibrated.ends.values()}
        kinds = {value.name: value for value in calibrated.flow.values}
        for number in range(len(pictures)):
            if number not in writer.images_written:
                image = _alike(pictures, number, example.shape)
                if _digest(image) in seen:
                    raise CaptureError(f"picture {number} is one of those of the calibration: measure others")
                values = network.run(image, wanted)
                for known in planned.maps:
                    info, real = calibrated.maps[known.name], known.real(values)
                    _finite(real, f"map {known.name} of picture {number}")
                    codes = quantize_map(real, info.scale, info.bits, info.signed)
                    writer.write_map(known.name, number, codes, _overshoot(real, info))
                for name, end in calibrated.ends.items():
                    kind, real = kinds[name], _finite(end.real(values), f"{name} of picture {number}")
                    writer.write_map(name, number, quantize_map(real, kind.scale, kind.bits, kind.signed))
            advance()
        return Captured(planned, writer.clamped)


def _finite(real: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(real).all():
        raise CaptureError(f"{name} has a NaN or an infinity")
    return real


def _overshoot(real: np.ndarray, info: MapInfo) -> tuple[int, float]:
    """How many values lie beyond the codes of a map, and the farthest over what the largest code means."""
    limit = code_limit(info.bits, info.signed)
    high, low = (limit + 0.5) * info.scale, -(limit * info.signed + 0.5) * info.scale
    if real.max() <= high and real.min() >= low:
        return 0, 0.0
    beyond = real[(real > high) | (real < low)]
    return beyond.size, round(float(np.abs(beyond).max()) / (limit * info.scale), 4)


class _Alike:
    """Pictures of one shape, one by one, as often as they are asked for."""

    def __init__(self, pictures: Pictures | Sequence[np.ndarray], shape: tuple[int, ...]) -> None:
        self._pictures, self._shape = pictures, shape

    def __iter__(self) -> Iterator[np.ndarray]:
        return (_alike(self._pictures, number, self._shape) for number in range(len(self._pictures)))


def _alike(pictures: Pictures | Sequence[np.ndarray], number: int, shape: tuple[int, ...]) -> np.ndarray:
    """A picture, which must be of the shape of the first one: maps have one shape in a trace."""
    image = pictures[number]
    if image.shape != shape:
        name = pictures.names[number] if isinstance(pictures, Prepared) else f"picture {number}"
        sizes = ["x".join(map(str, each[1:])) for each in (image.shape, shape)]
        raise CaptureError(f"{name} is {sizes[0]}, the first one {sizes[1]}: give --size and --crop")
    return image


def _digest(image: np.ndarray) -> bytes:
    return sha256(np.ascontiguousarray(image).tobytes()).digest()
