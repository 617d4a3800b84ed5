"""Random networks with additions: blocks of layers whose last result has something added to it."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from random_branches import branched
from random_networks import MemoryTrace, calibrated, chains

from hwsim.layer import Layer


@st.composite
def residual(draw) -> MemoryTrace:
    """A network with one or two blocks put into it, each behind a layer whose input it reads."""
    trace = draw(st.one_of(chains(), branched()))
    layers, values = list(trace.layers), dict(trace.values)
    for number in range(draw(st.integers(1, 2))):
        position = draw(st.integers(0, len(layers) - 1))
        read = layers[position].input
        block, maps = draw(residual_block(f"block{number}", read, values[read], layers[: position + 1]))
        layers[position + 1 : position + 1] = block
        values |= maps
    return draw(calibrated(replace(trace, layers=tuple(layers), values=values)))


@st.composite
def residual_block(
    draw, name: str, read: str, values: np.ndarray, before: list[Layer]
) -> tuple[list[Layer], dict[str, np.ndarray]]:
    """Two or three layers and the maps between: one adds something to its result, the last one reads that."""
    images, *shape = values.shape
    pixels = (shape[1], shape[2])
    inner = (draw(st.integers(1, 4)), *pixels)
    channels = draw(st.sampled_from([shape[0], shape[0], draw(st.integers(1, 4))]))
    outer = (channels, *pixels)
    added = draw(st.sampled_from([(True, False), (True, False), (True, True), (False, True)]))
    adds = (read,) if added[0] else ()
    results = (draw(st.sampled_from(before)).name,) if added[1] else ()
    block: list[Layer] = []
    last = (read, (shape[0], *pixels))
    maps = {name: outer}
    if draw(st.integers(0, 3)):
        block.append(Layer(f"{name}.1", "conv", *last, inner, (3, 3), padding=(1, 1), output=f"{name}.inner"))
        last = (f"{name}.inner", inner)
        maps[f"{name}.inner"] = inner
    summed = Layer(f"{name}.2", "conv", *last, outer, (3, 3), padding=(1, 1), output=name)
    block.append(replace(summed, adds=adds, adds_results=results))
    block.append(Layer(f"{name}.3", "conv", name, outer, (2, *pixels)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = int(values.max()) + 1
    return block, {
        each: (rng.integers(0, most, (images, *size)) * (rng.random(size) < 0.6)).astype(np.uint16)
        for each, size in maps.items()
    }
