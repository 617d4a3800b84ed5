"""Random chains of layers with their maps, and random machines, as hypothesis draws them."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from in_memory import InMemory
from layers import any_layer

from hwsim.arch import SUB_BANKS, Arch
from hwsim.layer import Kind, Layer
from hwsim.machine.rows import row_order
from hwsim.trace import MapInfo


@dataclass
class MemoryTrace(InMemory):
    """A trace in memory whose maps are coded alike."""

    layers: tuple[Layer, ...]
    values: dict[str, np.ndarray]  # (images, C, H, W)
    order: int
    bits: int
    counts: dict[str, np.ndarray] | None = None  # of the calibration pictures, (C, H)
    calibration_pictures: int = 0

    def row_counts(self, name: str) -> np.ndarray | None:
        return None if self.counts is None else self.counts[name]

    @property
    def images(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def maps(self) -> dict[str, MapInfo]:
        return {
            name: MapInfo(name, values.shape[1:], self.bits, self.order, False, 1.0)
            for name, values in self.values.items()
        }

    def map(self, name: str, image: int) -> np.ndarray:
        return self.values[name][image]


@st.composite
def chains(draw, images: int = 1) -> MemoryTrace:
    """One to three layers, each reading what the one before makes."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 8)))
    order, bits = draw(st.integers(0, 8)), draw(st.integers(2, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, values = [], {}
    for i in range(draw(st.integers(1, 3))):
        depthwise = draw(st.booleans())
        kind: Kind = "depthwise" if depthwise else "conv"
        filters = shape[0] if depthwise else draw(st.integers(1, 7))
        names = (f"l{i}", f"m{i}", f"m{i + 1}")
        layers.append(draw(any_layer(kind, shape, filters, names=names, most_kernel=3, most_stride=3)))
        assume(max(layers[-1].out_shape[1:]) <= 20)
        assume(row_order(layers[-1]).ring <= SUB_BANKS)  # a core has room for no more
        map_ = rng.integers(1, 2**bits, (images, *shape))
        values[f"m{i}"] = np.where(rng.random(map_.shape) < draw(st.sampled_from([0.0, 0.3, 1.0])), map_, 0)
        values[f"m{i}"] = values[f"m{i}"].astype(np.uint16)
        shape = layers[-1].out_shape
    return draw(calibrated(MemoryTrace(tuple(layers), values, order, bits)))


@st.composite
def calibrated(draw, trace: MemoryTrace) -> MemoryTrace:
    """The trace with the row counts of a few pictures, which are not its own, or without any."""
    pictures = draw(st.integers(0, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = {}
    for name, (_, channels, height, width) in ((name, map_.shape) for name, map_ in trace.values.items()):
        counts[name] = rng.integers(0, width * pictures + 1, (channels, height)) * rng.integers(0, 2, height)
    return replace(trace, counts=counts if pictures else None, calibration_pictures=pictures)


def field_choices(name: str) -> list[Any]:
    """Values of a field of a machine. What FITTING lacks follows from the field: a new one is varied, too."""
    field = Arch.model_fields[name]
    if name in FITTING:
        return FITTING[name]
    if field.annotation is bool:
        return [True, False]
    if choices := get_args(field.annotation):
        return list(choices)
    rules = {
        key: getattr(rule, key)
        for rule in field.metadata
        for key in ("ge", "le", "multiple_of")
        if hasattr(rule, key)
    }
    step, kind = rules.get("multiple_of", 1), type(field.default)
    near = (field.default / 2 // step * step, field.default * 2)
    return [field.default, *(kind(max(rules["ge"], min(rules["le"], value))) for value in near)]


# Values that suit layers as small as these, or without which none runs.
FITTING: dict[str, list[Any]] = {
    "cores": list(range(1, 10)),
    "columns": [1, 2, 4],
    "activation_bits": [16],  # maps have up to 16
    "weight_bits": [8, 12],  # weights have 8
    "run_max": [1, 4, 16],
    "weight_words": [64, 100, 9216],  # 63 is the largest pass of these layers
    "map_buffer": [0, 100, 600, 1500, 100_000],
    "bytes_per_cycle": [1, 7, 32, 64],
    "dram_latency": [0, 20, 100],
    "energy": [{}, {"mac": 1.5}],
}
machines = st.builds(Arch, **{name: st.sampled_from(field_choices(name)) for name in Arch.model_fields})
