"""Random chains of layers with their maps, and random machines, as hypothesis draws them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from in_memory import InMemory
from layers import any_layer

from hwsim.arch import DECODE_LATENCY, Arch
from hwsim.layer import Kind, Layer
from hwsim.trace import MapInfo


@dataclass
class MemoryTrace(InMemory):
    """A trace in memory whose maps are coded alike."""

    layers: tuple[Layer, ...]
    values: dict[str, np.ndarray]  # (images, C, H, W)
    order: int
    bits: int

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
        map_ = rng.integers(1, 2**bits, (images, *shape))
        values[f"m{i}"] = np.where(rng.random(map_.shape) < draw(st.sampled_from([0.0, 0.3, 1.0])), map_, 0)
        values[f"m{i}"] = values[f"m{i}"].astype(np.uint16)
        shape = layers[-1].out_shape
    return MemoryTrace(tuple(layers), values, order, bits)


machines = st.builds(
    Arch,
    cores=st.integers(1, 9),
    columns=st.sampled_from([1, 2, 4]),
    run_max=st.sampled_from([1, 4, 16]),
    fifo_depth=st.sampled_from([DECODE_LATENCY + 1, 16]),
    weight_words=st.sampled_from([64, 100, 9216]),  # 63 is the largest pass of these layers
    map_buffer=st.sampled_from([0, 100, 400, 100_000]),
    bytes_per_cycle=st.sampled_from([1, 7, 32, 64]),
    dram_latency=st.sampled_from([0, 20, 100]),
    row_split=st.sampled_from(["best", "balanced", "contiguous"]),
    skip_zeros=st.booleans(),
    compress=st.booleans(),
)
