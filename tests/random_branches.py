"""Random networks that branch: maps with several makers or readers, and further maps behind a pool."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from random_networks import MemoryTrace, calibrated, chains

from hwsim.layer import Layer


@st.composite
def branched(draw) -> MemoryTrace:
    """A chain with up to three changes: another reader of a map, a pooled map, another maker of a map."""
    trace = draw(chains())
    layers, values = list(trace.layers), dict(trace.values)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    for number in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(layers) - 1))
        change, layer = draw(st.sampled_from(["reader", "pooled", "maker"])), layers[position]
        name = layer.input
        if change == "pooled":
            name = f"pooled{number}"
            shape = (layer.out_shape[0], draw(st.integers(1, 3)), draw(st.integers(1, 4)))
            map_ = rng.integers(0, 2**trace.bits, (trace.images, *shape)) * (rng.random(shape) < 0.5)
            values[name] = map_.astype(np.uint16)
            layers[position] = replace(layer, also=(*layer.also, name))
        shape = values[name].shape[1:]
        output = None
        if change == "maker" and layer.output in values:
            output = layer.output
        out_shape = (draw(st.integers(1, 3)), *shape[1:])
        reader = Layer(f"branch{number}", "conv", name, shape, out_shape, output=output)
        # Not before the map that it reads is made, and, of a map with readers, not after the first of them.
        latest = len(layers)
        if output is not None:
            latest = min(i for i, other in enumerate(layers) if other.input == output)
        layers.insert(draw(st.integers(min(position + 1, latest), latest)), reader)
    return draw(calibrated(replace(trace, layers=tuple(layers), values=values)))
